//! `ormdb demo` and `ormdb check`.

use super::bench::Bench;

#[test]
fn the_demo_shows_the_whole_idea_on_about_a_screen() {
    let bench = Bench::new();
    let out = bench.ok(&["demo"]);
    for part in [
        "Created demo.ormdb and",
        "11 entities, 15,607 rows",
        "Track          3,503",
        "├─ albums  title: A Matter of Life and Death",
        "genre: { name: Metal }",
        "sends 8 SQL statements:\n  1 for Artist, 2 for Artist.albums, 3 for Album.tracks, 2 for Track.genre.",
        "648 SQL statements there",
        "get by index Artist_name_key",
        "got 9 rows",
        "error[check_violation]",
        "ormdb shell demo.ormdb",
        "ormdb serve demo.ormdb",
    ] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    assert!(out.lines().count() < 75, "{} lines", out.lines().count());

    let report = bench.ok(&["check", "demo.ormdb"]);
    assert!(report.contains("15,607 rows") && report.contains("no damage"), "{report}");
    let report: serde_json::Value =
        serde_json::from_str(&bench.ok(&["check", "demo.ormdb", "--format", "json"])).unwrap();
    assert_eq!(report["clean"], true);
    assert_eq!(report["rows"], 15_607);

    // Once more, over what the demo made itself.
    bench.ok(&["query", "demo.ormdb", "delete InvoiceLine"]);
    let out = bench.ok(&["demo"]);
    assert!(out.contains("Recreated demo.ormdb (what was in it is gone) and loaded Chinook"), "{out}");
    assert!(out.contains("15,607 rows"), "{out}");
    let count = bench.ok(&["query", "demo.ormdb", "InvoiceLine { id }", "--format", "json"]);
    assert_eq!(count.matches("\"id\"").count(), 2240);
}

#[test]
fn the_demo_removes_nothing_that_it_did_not_make() {
    let bench = Bench::shop();
    let err = bench.fails(1, &["demo", "--path", "shop.ormdb"]);
    assert!(err.contains("was not made by the demo"), "{err}");
    bench.ok(&["check", "shop.ormdb"]);
}

#[test]
fn a_damaged_file_is_found() {
    let bench = Bench::shop();
    bench.ok(&["query", "shop.ormdb", "create Maker [{ id: 1, name: \"one\" }, { id: 2, name: \"two\" }]"]);
    assert!(bench.fails(1, &["check", "nowhere.ormdb"]).contains("no database"));
    // Every file is damaged in turn, in a copy, since an opening may replace files; whichever is read must be told of, and
    // nothing may panic.
    let files = |directory: &str| {
        let entries = bench.path(directory).read_dir().unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
    };
    let mut found = 0;
    for damaged in files("shop.ormdb") {
        std::fs::create_dir(bench.path("copy.ormdb")).unwrap();
        for name in files("shop.ormdb") {
            let mut bytes = std::fs::read(bench.path("shop.ormdb").join(&name)).unwrap();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle).filter(|_| name == damaged) {
                *byte ^= 0x55;
            }
            std::fs::write(bench.path("copy.ormdb").join(&name), bytes).unwrap();
        }
        let ran = bench.run(&["check", "copy.ormdb"]);
        assert!(!ran.err.contains("panicked"), "{ran:?}");
        found += i32::from(ran.status == 7);
        std::fs::remove_dir_all(bench.path("copy.ormdb")).unwrap();
    }
    assert!(found > 0);
}
