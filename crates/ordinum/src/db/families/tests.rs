use std::path::Path;

use super::*;
use crate::fs::{Fs, MemoryFs, PowerLoss};
use crate::{Background, Batch, Db, Durability, KeyRange, Options, Reader};

fn options(fs: &MemoryFs) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        log_segment_bytes: 8 << 10,
        family_defaults: FamilyOptions { write_buffer_bytes: 8 << 10, ..FamilyOptions::default() },
        ..Options::default()
    }
}

fn bytes(fs: &MemoryFs) -> u64 {
    let names = fs.list(Path::new("/db")).unwrap();
    let tables = names.iter().filter(|name| name.ends_with(".sst") || name.ends_with(".val"));
    tables.map(|name| fs.open(&Path::new("/db").join(name)).unwrap().len().unwrap()).sum()
}

#[test]
fn space_comes_back_when_the_readers_of_a_dropped_family_have_finished() {
    let fs = MemoryFs::new();
    let db = Db::open("/db", options(&fs)).unwrap();
    let family = db.create_column_family("gone", FamilyOptions::default()).unwrap();
    for n in 0..1000u32 {
        let mut batch = Batch::new();
        batch.put(&family, &n.to_be_bytes(), &[b'v'; 100]).unwrap();
        db.write(batch, Durability::Buffered).unwrap();
    }
    db.flush(&family).unwrap();
    let before = bytes(&fs);
    assert!(before > 0);
    let snapshot = db.snapshot();
    let mut cursor = snapshot.cursor(&family, KeyRange::all()).unwrap();
    assert!(cursor.first().unwrap());
    db.drop_column_family(&family).unwrap();
    assert!(matches!(db.get(&family, b""), Err(Error::FamilyDropped { .. })));
    assert!(matches!(snapshot.get(&family, b""), Err(Error::FamilyDropped { .. })));
    assert!(bytes(&fs) <= before);
    let mut found = 1;
    while cursor.next().unwrap() {
        found += 1;
    }
    assert_eq!(found, 1000);
    drop(cursor);
    assert_eq!(bytes(&fs), 0);
    // One of the same name is another one.
    let family = db.create_column_family("gone", FamilyOptions::default()).unwrap();
    assert_eq!((family.id(), db.get(&family, &0u32.to_be_bytes()).unwrap()), (2, None));
}

#[test]
fn a_batch_is_whole_in_all_families_whichever_of_them_were_flushed() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let fs = MemoryFs::new();
        let db = Db::open("/db", options(&fs)).unwrap();
        for name in ["a", "b", "c"] {
            db.create_column_family(name, FamilyOptions::default()).unwrap();
        }
        let all = |db: &Db| ["a", "b", "c"].map(|name| db.column_family(name).unwrap());
        let mut synced = 0;
        let families = all(&db);
        for n in 1..rng.u32(20..200) {
            let mut batch = Batch::new();
            for family in &families {
                batch.put(family, b"newest", &n.to_be_bytes()).unwrap();
                batch.put(family, &[rng.u8(..)], &vec![0; rng.usize(..200)]).unwrap();
            }
            let durability = if rng.u8(..10) == 0 { Durability::Synced } else { Durability::Buffered };
            db.write(batch, durability).unwrap();
            if durability == Durability::Synced {
                synced = n;
            }
            if rng.u8(..12) == 0 {
                db.flush(&families[rng.usize(..3)]).unwrap();
                synced = n;
            }
        }
        fs.lose_power(if seed % 2 == 0 { PowerLoss::LoseUnsynced } else { PowerLoss::Tear { seed } });
        drop(db);
        let db = Db::open("/db", options(&fs)).unwrap();
        let newest = all(&db).map(|family| {
            let newest = db.get_versioned(&family, b"newest").unwrap();
            newest.map_or((0, None), |(value, seqno)| {
                (u32::from_be_bytes(value[..].try_into().unwrap()), Some(seqno))
            })
        });
        assert!(newest[0] == newest[1] && newest[1] == newest[2], "seed {seed}: {newest:?}");
        assert!(newest[0].0 >= synced, "seed {seed}: {newest:?}");
    }
}

#[test]
fn a_thousand_families_are_opened_and_used() {
    let fs = MemoryFs::new();
    let options = || Options { closed_logs_max: 4, ..options(&fs) };
    let mut db = Db::open("/db", options()).unwrap();
    for n in 0..1000 {
        db.create_column_family(&format!("family {n}"), FamilyOptions::default()).unwrap();
    }
    for round in 0..3u32 {
        for n in 0..1000 {
            let family = db.column_family(&format!("family {n}")).unwrap();
            let mut batch = Batch::new();
            batch.put(&family, b"key", &(n + round).to_be_bytes()).unwrap();
            db.write(batch, Durability::Buffered).unwrap();
        }
        while db.run_background_step().unwrap() {}
        let logs = fs.list(Path::new("/db")).unwrap().iter().filter(|name| name.ends_with(".log")).count();
        assert!(logs < 10, "{logs} logs");
        db.close().unwrap();
        db = Db::open("/db", options()).unwrap();
        for n in (0..1000u32).step_by(7) {
            let family = db.column_family(&format!("family {n}")).unwrap();
            assert_eq!(db.get(&family, b"key").unwrap().as_deref(), Some(&(n + round).to_be_bytes()[..]));
        }
    }
}
