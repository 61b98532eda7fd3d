//! The commit pipeline, the hand-over of what is read, and the rotation of the log, of a whole database.

use shuttle::thread;

use super::{check, finds, options};
use crate::batch::Batch;
use crate::db::Db;
use crate::family::ColumnFamily;
use crate::fs::{MemoryFs, PowerLoss};
use crate::options::Durability;
use crate::planted::Bug;
use crate::reader::{KeyRange, Reader};

fn number(db: &impl Reader, family: &ColumnFamily, key: &[u8]) -> u8 {
    db.get(family, key).unwrap().map_or(0, |bytes| bytes[0])
}

fn put_both(db: &Db, number: u8, durability: Durability) {
    let family = db.default_column_family();
    let mut batch = Batch::new();
    batch.put(&family, b"a", &[number]).unwrap();
    batch.put(&family, b"b", &[number]).unwrap();
    let seqno = db.write(batch, durability).unwrap();
    // Who was told of a commit sees it.
    assert!(db.last_seqno() >= seqno);
}

/// Two write the same two keys, one of them durably, and somebody reads: he sees whole commits, and never an older one than before.
fn whole_commits_in_order() {
    let db = Db::open("/db", options(&MemoryFs::new())).unwrap();
    put_both(&db, 1, Durability::Buffered);
    let writers: Vec<_> = [(2, Durability::Synced), (100, Durability::Buffered)]
        .into_iter()
        .map(|(first, durability)| {
            let db = db.clone();
            thread::spawn(move || (first..first + 2).for_each(|number| put_both(&db, number, durability)))
        })
        .collect();
    let family = db.default_column_family();
    let mut last = 0;
    for _ in 0..3 {
        let snapshot = db.snapshot();
        let (a, b) = (number(&snapshot, &family, b"a"), number(&snapshot, &family, b"b"));
        assert_eq!(a, b, "half of a commit is seen");
        assert!(snapshot.seqno().get() >= last, "a snapshot goes back");
        last = snapshot.seqno().get();
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(db.last_seqno().get(), 5);
}

/// One writes, with flushes and a compaction between, and somebody reads: what was told is there, whatever it moved to.
fn what_is_read_is_handed_over() {
    let db = Db::open("/db", options(&MemoryFs::new())).unwrap();
    let family = db.default_column_family();
    put_both(&db, 1, Durability::Buffered);
    let writer = {
        let (db, family) = (db.clone(), family.clone());
        thread::spawn(move || {
            db.flush(&family).unwrap();
            put_both(&db, 2, Durability::Buffered);
            db.flush(&family).unwrap();
            db.compact_range(&family, KeyRange::all()).unwrap();
        })
    };
    let mut last = 1;
    for _ in 0..3 {
        let now = number(&db, &family, b"a");
        assert!(now >= last, "{last} was read, and then {now}");
        last = now;
    }
    let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
    let mut keys = 0;
    let mut there = cursor.first().unwrap();
    while there {
        keys += 1;
        there = cursor.next().unwrap();
    }
    assert_eq!(keys, 2);
    writer.join().unwrap();
    assert_eq!(number(&db, &family, b"a"), 2);
}

/// Two write durably over several logs, and a flush comes between: a power loss behind it takes nothing that was told.
fn nothing_is_lost_between_two_logs() {
    let disk = MemoryFs::new();
    let db = Db::open("/db", options(&disk)).unwrap();
    let writers: Vec<_> = [10, 20]
        .into_iter()
        .map(|first| {
            let db = db.clone();
            thread::spawn(move || {
                let family = db.default_column_family();
                for number in first..first + 2 {
                    let mut batch = Batch::new();
                    batch.put(&family, &[number], &[number; 1800]).unwrap();
                    db.write(batch, Durability::Synced).unwrap();
                }
            })
        })
        .collect();
    let family = db.default_column_family();
    db.flush(&family).unwrap();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let left = disk.after_power_loss(PowerLoss::LoseUnsynced);
    drop(db);
    let db = Db::open("/db", options(&left)).unwrap();
    let family = db.default_column_family();
    for number in [10_u8, 11, 20, 21] {
        let found = db.get(&family, &[number]).unwrap();
        assert_eq!(found.as_deref(), Some(&[number; 1800][..]), "{number} was told to be durable");
    }
}

/// Two write durably, and somebody follows from where the database says that it is: that is a place to follow from, and what
/// is told of by then can be read.
fn a_position_is_a_place_to_follow_from() {
    let db = Db::open("/db", options(&MemoryFs::new())).unwrap();
    let writers: Vec<_> = [1, 2]
        .into_iter()
        .map(|number| {
            let db = db.clone();
            thread::spawn(move || put_both(&db, number, Durability::Synced))
        })
        .collect();
    for _ in 0..2 {
        let position = db.position();
        let tail = db.tail(position.seqno).unwrap();
        assert!(db.last_seqno() >= position.seqno, "a position that nobody sees is told");
        drop((tail, db.tail_from(position).unwrap()));
        assert!(db.last_seqno() >= position.seqno, "a position that nobody sees is told");
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[test]
fn positions_can_be_followed() {
    check(a_position_is_a_place_to_follow_from);
}

#[test]
fn commits_are_whole_and_in_order() {
    check(whole_commits_in_order);
}

#[test]
fn super_versions_are_handed_over() {
    check(what_is_read_is_handed_over);
}

#[test]
fn logs_are_rotated() {
    check(nothing_is_lost_between_two_logs);
}

#[test]
fn a_commit_that_is_published_before_it_is_applied_is_found() {
    finds(Bug::PublishBeforeApply, "models::commits::commits_are_whole_and_in_order");
}

#[test]
fn a_sync_that_is_told_of_before_it_is_done_is_found() {
    finds(Bug::SkipLogSync, "models::commits::logs_are_rotated");
}
