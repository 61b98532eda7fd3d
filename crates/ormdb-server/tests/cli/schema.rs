//! `ormdb schema`.

use super::bench::{Bench, SHOP};

#[test]
fn a_schema_is_checked_formatted_applied_and_shown() {
    let bench = Bench::new();
    bench.write("schema.ormdb", SHOP);
    assert_eq!(bench.ok(&["schema", "check"]), "schema.ormdb: 2 entities, 1 enum, no errors\n");
    bench.ok(&["schema", "format", "--check"]);
    bench.ok(&["schema", "apply", "shop.ormdb"]);
    assert_eq!(bench.ok(&["schema", "show", "shop.ormdb"]), SHOP);
    let again = bench.ok(&["schema", "apply", "shop.ormdb"]);
    assert!(again.contains("nothing to change"), "{again}");

    bench.write(
        "schema.ormdb",
        &SHOP.replace("  name     string(20)\n", "  name string(20)\n  note string?\n"),
    );
    bench.fails(1, &["schema", "format", "--check"]);
    let preview = bench.ok(&["schema", "check", "--against", "shop.ormdb"]);
    assert!(preview.contains("note"), "{preview}");
    bench.ok(&["schema", "format"]);
    assert!(bench.read("schema.ormdb").contains("  name     string(20)\n  note     string?\n"));
    let applied = bench.ok(&["schema", "apply", "shop.ormdb"]);
    assert!(applied.contains("note") && applied.contains("version 2"), "{applied}");

    let ran = bench.run_with(&["schema", "format", "-"], "entity A{id int64 @id}");
    assert_eq!(ran.out, "entity A {\n  id  int64  @id\n}\n");
}

#[test]
fn every_error_is_told_and_nothing_is_changed() {
    let bench = Bench::shop();
    bench.write("bad.ormdb", "entity A {\n  id int64 @idd\n  b C\n}\nentity B {\n  x strin\n");
    let err = bench.fails(1, &["schema", "check", "bad.ormdb"]);
    assert!(err.contains("did you mean `@id`?") && err.contains("bad.ormdb: 2 errors"), "{err}");
    let before = bench.read("bad.ormdb");
    bench.fails(1, &["schema", "format", "bad.ormdb"]);
    assert_eq!(bench.read("bad.ormdb"), before);
    bench.fails(1, &["schema", "apply", "new.ormdb", "bad.ormdb"]);
    assert!(!bench.path("new.ormdb").exists());

    bench.write("bad.ormdb", "entity A {\n  id  int64  @id\n  b   Nothing\n  c   strin\n}\n");
    let err = bench.fails(1, &["schema", "check", "bad.ormdb"]);
    assert!(err.contains("Nothing") && err.contains("did you mean `string`?"), "{err}");

    bench.ok(&["query", "shop.ormdb", "create Maker { id: 1, name: \"x\" }"]);
    bench.write("renamed.ormdb", &SHOP.replace("  name   string ", "  title  string "));
    let err = bench.fails(1, &["schema", "apply", "shop.ormdb", "renamed.ormdb"]);
    assert!(err.contains("migration_refused") && err.contains("@was"), "{err}");
    assert_eq!(bench.ok(&["schema", "show", "shop.ormdb"]), SHOP);
    bench.fails(5, &["schema", "check", "nothing.ormdb"]);
    bench.fails(1, &["schema", "show", "nothing.ormdb"]);
}
