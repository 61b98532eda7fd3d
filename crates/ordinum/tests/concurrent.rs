//! Writers, readers, flushes and compactions at the same time: a batch is seen in all families or in none, and the
//! commits of a writer are seen in their order.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ordinum::fs::MemoryFs;
use ordinum::{Batch, ColumnFamily, Db, Durability, FamilyOptions, KeyRange, Options, Reader};

const WRITERS: u8 = 4;
const COMMITS: u32 = 1500;

fn options(fs: &MemoryFs) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        block_cache_bytes: 64 << 10,
        log_segment_bytes: 64 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 8 << 10,
            level0_tables_trigger: 2,
            level_base_bytes: 16 << 10,
            table_bytes_target: 8 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

/// Counts a writer down when it ends, even by a failed assertion, so that nobody waits for it in vain.
struct Ends<'a>(&'a AtomicUsize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn write(db: &Db, families: &[ColumnFamily; 2], writer: u8) {
    for commit in 0..COMMITS {
        let mut batch = Batch::new();
        let (counter, entry) = ([writer], [&[writer][..], &commit.to_be_bytes()].concat());
        for family in families {
            batch.put(family, &counter, &commit.to_be_bytes()).unwrap();
            batch.put(family, &entry, &[b'x'; 30]).unwrap();
        }
        let durability = if commit % 50 == 0 { Durability::Synced } else { Durability::Buffered };
        db.write(batch, durability).unwrap();
    }
}

/// At one moment: how many commits of each writer there are, the same in both families by counter and by entries.
fn check(reader: &dyn Reader, families: &[ColumnFamily; 2]) -> u32 {
    let seen = families.each_ref().map(|family| {
        (0..WRITERS)
            .map(|writer| {
                let counter = reader.get(family, &[writer]).unwrap();
                let commits =
                    counter.map_or(0, |value| u32::from_be_bytes(*value.as_array::<4>().unwrap()) + 1);
                let mut cursor = reader.cursor(family, KeyRange::prefix(&[writer])).unwrap();
                let mut more = cursor.first().unwrap() && cursor.next().unwrap();
                for commit in 0..commits {
                    assert!(more);
                    assert_eq!(cursor.key()[1..], commit.to_be_bytes());
                    more = cursor.next().unwrap();
                }
                assert!(!more);
                commits
            })
            .collect::<Vec<u32>>()
    });
    assert_eq!(seen[0], seen[1]);
    seen[0].iter().sum()
}

#[test]
fn batches_are_seen_whole_and_in_order() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let second = db.create_column_family("second", options(&fs).family_defaults).unwrap();
    let families = [db.default_column_family(), second];
    let running = AtomicUsize::new(usize::from(WRITERS));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (db, families, running) = (&db, &families, &running);
            scope.spawn(move || {
                let _ends = Ends(running);
                write(db, families, writer);
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let mut before = 0;
                while running.load(Ordering::SeqCst) > 0 {
                    let now = check(&db.snapshot(), &families);
                    assert!(now >= before);
                    before = now;
                }
            });
        }
        scope.spawn(|| {
            while running.load(Ordering::SeqCst) > 0 {
                db.compact_range(&families[0], KeyRange::all()).unwrap();
            }
        });
    });
    let all = u32::from(WRITERS) * COMMITS;
    assert_eq!(check(&db.snapshot(), &families), all);
    assert!(db.stats().compactions > 0);
    assert!(db.verify().unwrap().damages.is_empty());
    db.close().unwrap();
    drop((db, families));
    let db = Db::open("/db", options(&fs)).unwrap();
    let families = [db.default_column_family(), db.column_family("second").unwrap()];
    assert_eq!(check(&db.snapshot(), &families), all);
}
