use super::{has_word, split, without_tests};

#[test]
fn code_and_comments_come_apart() {
    let source = "let a = 1; // one\n/* two /* three */ */ b();\n";
    let split = split(source);
    assert_eq!(split.code, "let a = 1;       \n                      b();\n");
    assert_eq!(split.comments, "           // one\n/* two /* three */ */     \n");
}

#[test]
fn literals_are_in_neither_text() {
    for source in [
        r#"f("// unsafe \" /*")"#,
        "f(r#\"unsafe \" // \"#)",
        r#"f(b"unsafe")"#,
        r"f('\'', 'u', '\u{1F600}', 'ä')",
        r#"f(br"unsafe\")"#,
    ] {
        let split = split(source);
        assert!(split.code.starts_with("f("), "{source}: {}", split.code);
        assert!(split.code.ends_with(')'), "{source}: {}", split.code);
        assert!(!split.code.contains("unsafe"), "{source}: {}", split.code);
        assert_eq!(split.comments.trim(), "", "{source}");
        assert_eq!(split.code.len(), source.len(), "{source}");
    }
}

#[test]
fn lifetimes_are_code() {
    let split = split("fn f<'a>(x: &'a str) -> &'a str { x } // 'a");
    assert_eq!(split.code.trim_end(), "fn f<'a>(x: &'a str) -> &'a str { x }");
}

#[test]
fn an_unfinished_source_is_blank_from_there_on() {
    for source in ["a \"bc", "a /* b", "a r#\"b\"", "a 'ß"] {
        assert_eq!(split(source).code.trim_end().chars().next(), Some('a'), "{source}");
    }
}

#[test]
fn test_items_are_blanked() {
    let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { { } }\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
    let shipped = without_tests(code);
    assert_eq!(shipped.split_whitespace().collect::<Vec<_>>().join(" "), "fn a() {} fn c() {} fn d() {}");
    assert_eq!(shipped.lines().count(), code.lines().count());
}

#[test]
fn words_have_edges() {
    assert!(has_word("unsafe { }", "unsafe"));
    assert!(!has_word("unsafe_code", "unsafe"));
    assert!(!has_word("not_unsafe", "unsafe"));
    assert!(has_word("unsafe_code unsafe", "unsafe"));
}
