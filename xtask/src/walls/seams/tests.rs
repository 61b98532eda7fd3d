use super::{Finding, Seam, TextFile, Tree, check, check_decoder, check_lists, uses};

fn findings(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    check(&TextFile::new(path, text.to_owned()), &mut findings);
    findings.iter().map(Finding::to_string).collect()
}

#[test]
fn files_clock_threads_and_sockets_are_found_below_the_server() {
    let path = "crates/ormdb/src/planted.rs";
    let found = |code: &str| findings(path, code).join("\n");
    assert_eq!(found("use std::fs::File;"), format!("{path}:1: file seam: `std::fs` outside its seam"));
    assert_eq!(found("\nuse std::{io, fs};"), format!("{path}:2: file seam: `fs` outside its seam"));
    assert_eq!(
        found("let t = Instant::now();"),
        format!("{path}:1: clock seam: `Instant::now` outside its seam")
    );
    assert_eq!(
        found("std::thread::spawn(f);"),
        format!("{path}:1: thread seam: `thread::spawn` outside its seam")
    );
    assert_eq!(
        found("fn f(s: TcpStream) {}"),
        format!("{path}:1: socket wall: `TcpStream` outside its seam")
    );
}

#[test]
fn comments_strings_tests_and_the_server_are_free() {
    let free = "//! std::fs\nconst A: &str = \"std::fs\";\n#[cfg(test)]\nmod tests { use std::fs; }\n";
    assert_eq!(findings("crates/ormdb/src/planted.rs", free), Vec::<String>::new());
    assert_eq!(findings("crates/ormdb/src/planted/tests.rs", "use std::fs;"), Vec::<String>::new());
    assert_eq!(findings("crates/ormdb-server/src/planted.rs", "use std::fs;"), Vec::<String>::new());
}

#[test]
fn unsafe_is_found_everywhere() {
    let found = findings("bench/src/planted.rs", "fn f() {\n    unsafe { g() }\n}\n");
    assert_eq!(found, ["bench/src/planted.rs:2: unsafe: `unsafe` outside the files that are listed for it"]);
    assert_eq!(findings("bench/src/planted.rs", "#![deny(unsafe_code)]"), Vec::<String>::new());
}

#[test]
fn lists_must_match_the_tree() {
    let tree = Tree::planted(&[
        ("a.rs", "#![deny(clippy::indexing_slicing)]"),
        ("b.rs", "// deny(clippy::indexing_slicing)"),
        ("c.rs", "#![deny(clippy::panic, clippy::indexing_slicing)]\nunsafe {}"),
    ]);
    let mut findings = Vec::new();
    check_lists(&tree, &["a.rs", "c.rs"], &["a.rs", "b.rs", "c.rs", "gone.rs"], &mut findings);
    let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        found,
        [
            "a.rs: unsafe: is listed for `unsafe` and has none",
            "b.rs: decoder: is listed as a decoder and lacks `#![deny(clippy::indexing_slicing)]`",
            "gone.rs: decoder: is listed as a decoder and lacks `#![deny(clippy::indexing_slicing)]`",
        ]
    );
}

#[test]
fn grouped_imports_are_read_member_by_member() {
    let seam = Seam { rule: "r", needles: &[], std_members: &["fs"], scopes: &[], allowed: &[] };
    assert_eq!(uses(&seam, "use std::{\n    io::{self, Read},\n    fs::File,\n};").len(), 1);
    assert_eq!(uses(&seam, "use std::{io, offsets};").len(), 0);
}

#[test]
fn what_reads_integers_denies_indexing_itself_or_above() {
    let reads = "//! A file.\nfn f() { u32::from_le_bytes(b); }\n";
    let denies = "#![deny(clippy::indexing_slicing)]";
    let tree = Tree::planted(&[
        ("crates/ordinum/src/alone.rs", reads),
        ("crates/ordinum/src/log/reader.rs", reads),
        ("crates/ordinum/src/log.rs", denies),
        ("crates/ordinum/src/table/block/entry.rs", reads),
        ("crates/ordinum/src/table/mod.rs", denies),
        ("xtask/src/free.rs", reads),
    ]);
    let mut findings = Vec::new();
    for file in tree.files() {
        check_decoder(&tree, file, &mut findings);
    }
    let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
    let path = "crates/ordinum/src/alone.rs";
    let lint = "#![deny(clippy::indexing_slicing)]";
    assert_eq!(found, [format!("{path}: decoder: makes integers of bytes and lacks `{lint}`")]);
}
