use super::{Finding, Tree, check, check_sources};

fn findings(files: &[(&str, &str)]) -> Vec<String> {
    check_sources(&Tree::planted(files))
        .iter()
        .filter(|finding| files.iter().any(|(path, _)| *path == finding.path))
        .map(Finding::to_string)
        .collect()
}

#[test]
fn the_tree_keeps_its_walls() {
    let report = check(&crate::workspace_root()).expect("the workspace can be read");
    let found: Vec<String> = report.findings.iter().map(Finding::to_string).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    assert!(report.files > 20, "only {} files were read", report.files);
}

#[test]
fn a_long_file_is_found_and_its_tests_are_not_counted() {
    let body = "fn f() {}\n".repeat(500);
    let long = format!("//! A file.\n{body}");
    let found = findings(&[("crates/a/src/long.rs", &long)]);
    assert_eq!(found, ["crates/a/src/long.rs: file length: 501 lines, more than 500; split it by concept"]);

    let tests = format!("//! A file.\n#[cfg(test)]\nmod tests {{\n{body}}}\n");
    assert_eq!(findings(&[("crates/a/src/long.rs", &tests)]), Vec::<String>::new());
    assert_eq!(findings(&[("crates/a/src/long/tests.rs", &long)]), Vec::<String>::new());
}

#[test]
fn a_missing_header_is_found() {
    for text in ["fn f() {}\n", "// A file.\n", "//!\nfn f() {}\n", ""] {
        let found = findings(&[("bench/src/a.rs", text)]);
        assert_eq!(found, ["bench/src/a.rs:1: module header: the file does not open with `//!`"], "{text}");
    }
    assert_eq!(findings(&[("bench/src/a.rs", "\n//! A file.\n")]), Vec::<String>::new());
}

#[test]
fn two_conditions_in_one_assertion_are_found() {
    let found =
        findings(&[("a.rs", "//! A file.\nfn f() {\n    assert!(a && b);\n    assert!(c || d);\n}\n")]);
    assert_eq!(found, ["a.rs:3: assertion: `assert!(a && b)` does not tell which failed; assert each"]);
}

#[test]
fn an_empty_name_is_found_in_any_part_of_a_path() {
    for (path, name) in [
        ("crates/a/src/utils.rs", "utils"),
        ("crates/a/src/helpers/x.rs", "helpers"),
        ("crates/a/tests/common/mod.rs", "common"),
    ] {
        let found = findings(&[(path, "//! A file.\n")]);
        assert_eq!(found, [format!("{path}: file name: `{name}` does not name what the file holds")]);
    }
}

#[test]
fn unfinished_work_is_found_in_comments_and_documents() {
    let mark = concat!("TO", "DO");
    let rust = format!("//! A file.\n// {mark}: later\nconst {mark}: u8 = 1;\n");
    let prose = format!("Write `{mark}` never.\n{mark}: write this.\n");
    let found = findings(&[("a.rs", &rust), ("docs/a.md", &prose)]);
    let message = format!("unfinished: {mark}: finish it, or write down why not as a sentence");
    assert_eq!(found, [format!("a.rs:2: {message}"), format!("docs/a.md:2: {message}")]);
}

#[test]
fn code_kept_as_a_comment_is_found() {
    for code in
        ["let a = f();", "use std::io;", "pub fn f(a: u8) {", "#[derive(Debug)]", "self.file.sync(a, b);"]
    {
        let found = findings(&[("a.rs", &format!("//! A file.\n// {code}\n"))]);
        assert_eq!(
            found,
            ["a.rs:2: commented-out code: code kept as a comment; the history keeps it"],
            "{code}"
        );
    }
    for prose in
        ["let the caller decide;", "use it only when sorted;", "the log is synced first (see sync());"]
    {
        let text = format!("//! A file.\n// {prose}\n/// {prose}\n/// let a = f();\n");
        assert_eq!(findings(&[("a.rs", &text)]), Vec::<String>::new(), "{prose}");
    }
}

#[test]
fn machine_paths_and_registries_are_found() {
    let path = concat!("/ho", "me/");
    let host = concat!("crates", ".io");
    let outside = concat!("../", "shared");
    let text =
        format!("See {path}me/a.\nFrom https://{host}/b.\nAnd {outside}/c.\nNot a{path}b nor $HOME{path}.\n");
    assert_eq!(
        findings(&[("docs/a.md", &text)]),
        [
            format!("docs/a.md:1: machine path: `{path}` is a path of one machine"),
            format!("docs/a.md:2: registry host: names `{host}`"),
            format!("docs/a.md:3: outside path: `{outside}` is outside the repository"),
        ]
    );
}

#[test]
fn a_link_to_nowhere_is_found() {
    let text = "[a](b.md) [c](../README.md#top) [d](https://example.invalid/e) [f](#g)\n[h](gone.md) `[i](j)`\n\
                ```\n[k](l)\n```\nSee docs/gone.md, and docs/b.md.\n";
    let tree = [("docs/a.md", text), ("docs/b.md", ""), ("README.md", "[up](../../out.md)\n")];
    assert_eq!(
        findings(&tree),
        [
            "docs/a.md:2: link: links to `gone.md`, which does not exist",
            "docs/a.md:6: link: names `docs/gone.md`, which does not exist",
            "README.md:1: link: links to `../../out.md`, which does not exist",
        ]
    );
    let comment = "//! Told in docs/gone.md.\n";
    let found = findings(&[("a.rs", comment)]);
    assert_eq!(found, ["a.rs:1: link: names `docs/gone.md`, which does not exist"]);
}
