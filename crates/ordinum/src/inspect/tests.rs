#![allow(clippy::indexing_slicing, reason = "test")]

use super::*;
use crate::batch::Batch;
use crate::db::Db;
use crate::fs::MemoryFs;
use crate::options::{Background, Durability, FamilyOptions, Options};

/// A database with one log, one table and one value-log file.
fn written() -> MemoryFs {
    let fs = MemoryFs::new();
    let defaults = FamilyOptions { separate_values_from_bytes: Some(100), ..FamilyOptions::default() };
    let options = Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        family_defaults: defaults,
        ..Options::default()
    };
    let db = Db::open("/db", options).unwrap();
    let family = db.default_column_family();
    let mut batch = Batch::new();
    batch.put(&family, b"apple", b"red").unwrap();
    batch.put(&family, b"large", &[b'v'; 200]).unwrap();
    batch.delete(&family, b"pear\x00").unwrap();
    batch.delete_range(&family, b"x", b"z").unwrap();
    db.write(batch, Durability::Synced).unwrap();
    db.create_column_family("second", FamilyOptions::default()).unwrap();
    db.flush_all().unwrap();
    fs
}

fn file(fs: &MemoryFs, kind: FileKind) -> std::path::PathBuf {
    let names = fs.list(Path::new("/db")).unwrap();
    let found = names.iter().rfind(|name| file_name::parse(name).is_some_and(|(found, _)| found == kind));
    Path::new("/db").join(found.unwrap())
}

fn lines(fs: &MemoryFs, contents: FileContents, path: &Path) -> (Vec<String>, Result<()>) {
    let mut lines = Vec::new();
    let result = dump(fs, contents, path, |line| {
        lines.push(line.to_owned());
        ControlFlow::Continue(())
    });
    (lines, result)
}

const KINDS: [(FileContents, FileKind); 4] = [
    (FileContents::Table, FileKind::Table),
    (FileContents::Log, FileKind::Log),
    (FileContents::Manifest, FileKind::Manifest),
    (FileContents::ValueLog, FileKind::ValueLog),
];

#[test]
fn what_a_file_holds_is_told_in_lines() {
    let fs = written();
    let dumped = |(contents, kind): (FileContents, FileKind)| {
        let (lines, result) = lines(&fs, contents, &file(&fs, kind));
        result.unwrap();
        lines
    };
    let [table, log, manifest, values] = KINDS.map(dumped);
    assert!(table[1].ends_with("\"apple\" #1 put \"red\""), "{table:?}");
    assert!(table[2].starts_with("\"large\" #1 pointer "), "{table:?}");
    assert_eq!(table[3], "\"pear\\x00\" #1 delete");
    assert_eq!(table[4], "\"x\"..\"z\" #1 range delete");
    assert_eq!(table[5], "3 entries, every checksum is right");
    assert!(log[0].starts_with("log 0000"), "{log:?}");
    assert_eq!(log[1], "64: #1 batch of 4, header of 0 bytes");
    assert_eq!(log[2], "  put 0 \"apple\" \"red\"");
    assert_eq!(log[3], format!("  put 0 \"large\" \"{}\"… of 200 bytes", "v".repeat(64)));
    assert_eq!(log[5], "  delete range 0 \"x\"..\"z\"");
    assert!(log[6].ends_with("#2 family 1 \"second\" created"), "{log:?}");
    assert!(manifest.iter().any(|line| line.ends_with(": family 1 \"second\" created")), "{manifest:?}");
    assert_eq!(values[1], format!("64: \"{}\"… of 200 bytes", "v".repeat(64)));
    assert_eq!(values[2], "1 values, every checksum is right");
    for (contents, kind) in KINDS {
        let mut count = 0;
        let path = file(&fs, kind);
        dump(&fs, contents, &path, |_| {
            count += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(count, 1, "it breaks off");
    }
}

#[test]
fn another_name_is_refused() {
    let fs = written();
    for (contents, kind) in KINDS {
        for (other, path) in KINDS.map(|(other, kind)| (other, file(&fs, kind))) {
            let result = lines(&fs, contents, &path).1;
            assert_eq!(matches!(result, Err(Error::InvalidArgument { .. })), other != contents, "{kind:?}");
        }
    }
}

/// Every byte of every file, damaged alone, is told with file and offset or makes no difference; nothing panics.
#[test]
fn damage_is_told_with_file_and_offset() {
    for (contents, kind) in KINDS {
        let fs = written();
        let path = file(&fs, kind);
        let len = fs.open(&path).unwrap().len().unwrap().min(2000);
        let mut damaged = 0;
        for offset in 0..len {
            fs.flip_byte(&path, offset).unwrap();
            match lines(&fs, contents, &path).1 {
                Ok(()) => {}
                Err(Error::Corrupt { file, offset, .. }) => {
                    assert_eq!(file, path);
                    assert!(offset <= len, "{offset}");
                    damaged += 1;
                }
                Err(Error::UnknownFormat { file, .. }) => assert_eq!(file, path),
                Err(error) => panic!("{kind:?}, byte {offset}: {error}"),
            }
            fs.flip_byte(&path, offset).unwrap();
        }
        assert!(damaged >= 64, "{kind:?}: {damaged}");
        lines(&fs, contents, &path).1.unwrap();
    }
}
