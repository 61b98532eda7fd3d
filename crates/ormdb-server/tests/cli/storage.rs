//! `ormdb storage`.

use std::fs;
use std::path::PathBuf;

use super::bench::Bench;

/// The newest file of the shop with this beginning and end of its name.
fn file(bench: &Bench, starts: &str, ends: &str) -> PathBuf {
    let names = fs::read_dir(bench.path("shop.ormdb")).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(starts) && name.ends_with(ends)
    };
    let mut found: Vec<PathBuf> = names.filter(is_one).collect();
    found.sort();
    found.pop().unwrap()
}

#[test]
fn the_files_of_a_database_are_dumped_and_verified() {
    let bench = Bench::shop();
    bench.ok(&["query", "shop.ormdb", "create Maker { id: 7, name: \"Ada\" }"]);
    let (log, manifest) = (file(&bench, "0", ".log"), file(&bench, "MANIFEST-", ""));
    let dumped = bench.ok(&["storage", "dump", "log", log.to_str().unwrap()]);
    assert!(dumped.starts_with("log 0") && dumped.contains("batch of"), "{dumped}");
    assert!(
        dumped.contains("Ada") && dumped.trim_end().lines().last().unwrap().starts_with("end at "),
        "{dumped}"
    );
    let dumped = bench.ok(&["storage", "dump", "manifest", manifest.to_str().unwrap()]);
    assert!(dumped.contains("family 2 \"rows\" created"), "{dumped}");
    let verified = bench.ok(&["storage", "verify", "shop.ormdb"]);
    assert!(verified.contains("no damage"), "{verified}");
}

#[test]
fn a_damaged_file_is_told_with_its_offset() {
    let bench = Bench::shop();
    let manifest = file(&bench, "MANIFEST-", "");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[70] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    let ran = bench.run(&["storage", "dump", "manifest", manifest.to_str().unwrap()]);
    assert_eq!(ran.status, 7, "{ran:?}");
    assert!(ran.err.contains("is damaged at byte 64"), "{ran:?}");
    let ran = bench.run(&["storage", "verify", "shop.ormdb"]);
    assert_eq!(ran.status, 7, "{ran:?}");
    let ran = bench.run(&["storage", "dump", "log", manifest.to_str().unwrap()]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.err.contains("000001.log"), "{ran:?}");
    let ran = bench.run(&["storage", "verify", "nowhere.ormdb"]);
    assert_ne!(ran.status, 0, "{ran:?}");
    assert!(!bench.path("nowhere.ormdb").exists());
}

#[test]
fn what_is_intact_is_rescued_and_opens_with_its_rows() {
    let bench = Bench::shop();
    bench.ok(&["query", "shop.ormdb", "create Maker { id: 7, name: \"Ada\" }"]);
    let refused = bench.run(&["query", "shop.ormdb", "create Maker { id: 8, name: \"Ada\" }"]);
    assert_ne!(refused.status, 0);
    let whole = bench.ok(&["storage", "rescue", "shop.ormdb", "whole.ormdb"]);
    assert!(whole.contains("rows: ") && whole.contains("no loss"), "{whole}");
    // The first third of the manifest: no opening goes on from there.
    let manifest = file(&bench, "MANIFEST-", "");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes[70] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    assert_eq!(bench.run(&["query", "shop.ormdb", "Maker { id }"]).status, 7);
    let ran = bench.run(&["storage", "rescue", "shop.ormdb", "new.ormdb"]);
    assert_eq!(ran.status, 7, "{ran:?}");
    assert!(ran.out.contains("lost: a part of the manifest") && ran.out.contains("1 loss"), "{ran:?}");
    let found = bench.ok(&["query", "new.ormdb", "Maker { id, name }", "--format", "json"]);
    assert!(found.contains("Ada"), "{found}");
    assert!(bench.ok(&["check", "new.ormdb"]).contains("no damage"));
    let json = bench.run(&["storage", "rescue", "shop.ormdb", "json.ormdb", "--format", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["whole"], &json["losses"][0]["lost"]), (&false.into(), &"Manifest".into()));
    // Only into an empty directory, and only of a database.
    assert_eq!(bench.run(&["storage", "rescue", "shop.ormdb", "new.ormdb"]).status, 1);
    assert_eq!(bench.run(&["storage", "rescue", "nowhere.ormdb", "other.ormdb"]).status, 5);
}
