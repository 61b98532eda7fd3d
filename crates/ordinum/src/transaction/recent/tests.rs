use std::sync::Arc;

use fastrand::Rng;

use super::*;
use crate::Db;
use crate::family::ColumnFamily;
use crate::fs::MemoryFs;
use crate::options::{Background, FamilyOptions, Options};
use crate::slice::Slice;
use crate::transaction::ReadSet;
use crate::transaction::overlay::Written as OwnWrite;

fn seqno(n: u64) -> SeqNo {
    SeqNo::new(n).unwrap()
}

fn families() -> (Db, [ColumnFamily; 2]) {
    let fs = Arc::new(MemoryFs::new());
    let db = Db::open("/db", Options { fs, background: Background::Manual, ..Options::default() }).unwrap();
    let other = db.create_column_family("other", FamilyOptions::default()).unwrap();
    let families = [db.default_column_family(), other];
    (db, families)
}

fn key(rng: &mut Rng) -> [u8; 1] {
    [rng.u8(..60)]
}

/// A range of keys with one at the least.
fn range(rng: &mut Rng) -> ([u8; 1], [u8; 1]) {
    let start = rng.u8(..60);
    ([start], [start + rng.u8(1..6)])
}

fn batch(rng: &mut Rng, families: &[ColumnFamily; 2]) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..rng.usize(1..4) {
        let family = &families[rng.usize(..2)];
        if rng.u8(..4) == 0 {
            let (start, end) = range(rng);
            batch.delete_range(family, &start, &end).unwrap();
        } else {
            batch.put(family, &key(rng), b"1").unwrap();
        }
    }
    batch
}

fn overlay(rng: &mut Rng, families: &[ColumnFamily; 2]) -> Overlay {
    let mut writes = Overlay::default();
    for _ in 0..rng.usize(..5) {
        let family = &families[rng.usize(..2)];
        if rng.u8(..4) == 0 {
            let (start, end) = range(rng);
            writes.delete_range(family, &start, &end);
        } else {
            writes.set(family, &key(rng), OwnWrite::Put(Slice::from(&b"1"[..])));
        }
    }
    writes
}

/// Whether what is gone over are the own writes or the commits of others: the same transactions are refused.
#[test]
fn both_ways_to_validate_a_moving_snapshot_agree() {
    let (_db, families) = families();
    let (mut refused, mut by_writes) = (0, 0);
    for seed in 0..3000 {
        let mut rng = Rng::with_seed(seed);
        let mut recent = RecentWrites::default();
        let _open = recent.open(SeqNo::ZERO);
        let commits = rng.u64(1..10);
        for n in 1..=commits {
            recent.remember(seqno(n), seqno(n - 1), None, &batch(&mut rng, &families));
        }
        let (read_at, writes) = (seqno(rng.u64(..=commits)), overlay(&mut rng, &families));
        let newer = recent.newer_of_writes(&writes, read_at);
        let newest = recent.newer_of_commits(&writes, read_at);
        assert_eq!(newer.is_some(), newest.is_some(), "seed {seed}");
        assert!(newer <= newest && newer.is_none_or(|newer| newer > read_at), "seed {seed}");
        let check = Check { read_at, reads: &ReadSet::default() };
        let moved = recent.validate_moved(&check, &writes);
        assert_eq!(moved.is_err(), newer.is_some(), "seed {seed}");
        refused += u32::from(newer.is_some());
        by_writes += u32::from(recent.has_more_behind(read_at, writes.len()));
    }
    assert!((300..2700).contains(&refused) && (300..2700).contains(&by_writes), "{refused} {by_writes}");
}

/// The smaller side is gone over: neither a long transaction nor long waiting is paid for under the lock of commits.
#[test]
fn the_smaller_side_is_gone_over() {
    let (_db, families) = families();
    let mut recent = RecentWrites::default();
    let _open = recent.open(SeqNo::ZERO);
    for n in 1..=10u64 {
        let mut batch = Batch::new();
        batch.put(&families[0], &n.to_be_bytes(), b"1").unwrap();
        recent.remember(seqno(n), seqno(n - 1), None, &batch);
    }
    for (read_at, count, more) in [(0, 9, true), (0, 10, false), (5, 5, false), (5, 4, true), (10, 0, false)]
    {
        assert_eq!(recent.has_more_behind(seqno(read_at), count), more, "{read_at} {count}");
    }
}

/// A transaction that commits was validated: its own snapshot needs nothing of what it writes.
#[test]
fn a_commit_is_remembered_for_others_alone() {
    let (_db, families) = families();
    let mut batch = Batch::new();
    batch.put(&families[0], b"a", b"1").unwrap();
    let mut recent = RecentWrites::default();
    let own = recent.open(SeqNo::ZERO);
    recent.remember(seqno(1), SeqNo::ZERO, Some(SeqNo::ZERO), &batch);
    assert!(recent.commits.is_empty());
    let late = recent.open(seqno(1));
    assert!(!recent.has_forgotten(seqno(1)));
    drop(own);
    let beside = recent.open(seqno(1));
    // Another is open at the same snapshot.
    recent.remember(seqno(2), seqno(1), Some(seqno(1)), &batch);
    recent.remember(seqno(3), seqno(2), Some(seqno(2)), &batch);
    assert_eq!(recent.commits.len(), 2);
    assert!(recent.check_key_unchanged(families[0].family.id, b"a", seqno(1)).is_err());
    drop((late, beside));
    recent.remember(seqno(4), seqno(3), None, &batch);
    assert!(recent.commits.is_empty());
    assert_eq!((recent.bytes, recent.newest.len()), (0, 0));
}
