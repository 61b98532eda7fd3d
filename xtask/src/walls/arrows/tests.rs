use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Crates, DEFAULT_REGISTRY, read_lock, read_members};

fn findings(packages: serde_json::Value, lock: &str) -> Vec<String> {
    let (locked, sources) = read_lock(lock);
    let members = read_members(&json!({ "packages": packages }));
    Crates { members, locked, sources }.check().iter().map(ToString::to_string).collect()
}

#[test]
fn an_arrow_that_points_up_is_found() {
    let packages = json!([
        { "name": "ordinum", "dependencies": [] },
        { "name": "ormdb-proto", "dependencies": [{ "name": "ordinum", "kind": "dev" }] },
        { "name": "ormdb-client", "dependencies": [{ "name": "ormdb-proto", "kind": null }] },
    ]);
    assert_eq!(findings(packages, ""), ["ormdb-proto: arrow: must not know ordinum"]);
}

#[test]
fn a_crate_without_a_row_is_found() {
    let packages = json!([{ "name": "ormdb-new", "dependencies": [] }]);
    assert_eq!(findings(packages, ""), ["ormdb-new: arrow: has no row in the table of arrows"]);
}

#[test]
fn a_runtime_beneath_is_found_through_others_but_not_through_tests() {
    let lock =
        "[[package]]\nname = \"middle\"\nversion = \"1.0.0\"\ndependencies = [\n \"tokio 1.0.0\",\n]\n";
    let through = |kind| json!([{ "name": "ormdb", "dependencies": [{ "name": "middle", "kind": kind }] }]);
    assert_eq!(findings(through(None), lock), ["ormdb: arrow: must not have tokio beneath it"]);
    assert_eq!(findings(through(Some("dev")), lock), Vec::<String>::new());
}

#[test]
fn a_foreign_source_is_found() {
    let lock =
        |source: &str| format!("[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n");
    assert_eq!(findings(json!([]), &lock(DEFAULT_REGISTRY)), Vec::<String>::new());
    let found = findings(json!([]), &lock("git+https://example.invalid/a"));
    assert_eq!(found, ["Cargo.lock: package source: a package comes from `git+https://example.invalid/a`"]);
}

#[test]
fn the_lock_file_is_read() {
    let lock = "version = 4\n\n[[package]]\nname = \"a\"\ndependencies = [\n \"b\",\n \"c 0.3.1\",\n]\n\n[[package]]\nname = \"b\"\n";
    let (locked, sources) = read_lock(lock);
    let expected = BTreeMap::from([
        ("a".to_owned(), BTreeSet::from(["b".to_owned(), "c".to_owned()])),
        ("b".to_owned(), BTreeSet::new()),
    ]);
    assert_eq!(locked, expected);
    assert!(sources.is_empty());
}
