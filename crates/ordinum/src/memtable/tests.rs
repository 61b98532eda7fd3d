#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::collections::BTreeMap;

use super::*;
use crate::iter::InternalIterator;

type Key = (Vec<u8>, std::cmp::Reverse<u64>);

fn insert(table: &Memtable, key: &[u8], value: &[u8], seqno: u64, kind: Kind, ordinal: u32) {
    let height = tower_height(seqno, ordinal);
    let mut space = table.reserve(node_words(height, key.len(), value.len())).unwrap();
    table.insert(&mut space, &Entry { key, value, seqno: SeqNo::new(seqno).unwrap(), kind, ordinal, height });
}

#[test]
fn random_entries_are_found_and_iterated_both_ways() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let table = Arc::new(Memtable::new(1 << 20, 0));
    let mut model = BTreeMap::<Key, (Kind, Vec<u8>)>::new();
    for seqno in 1..400 {
        for ordinal in 0..random.u32(1..6) {
            let key: Vec<u8> = (0..random.usize(0..12)).map(|_| random.u8(0..3)).collect();
            let value: Vec<u8> = (0..random.usize(0..9)).map(|_| random.u8(..)).collect();
            let kind = if random.bool() { Kind::Put } else { Kind::Delete };
            insert(&table, &key, &value, seqno, kind, ordinal);
            model.insert((key, std::cmp::Reverse(seqno)), (kind, value));
        }
    }
    let flat: Vec<_> = model
        .iter()
        .map(|((key, seqno), (kind, value))| (key.clone(), seqno.0, *kind, value.clone()))
        .collect();
    let here = |iter: &MemtableIter| {
        let (seqno, kind) = key::split_trailer(iter.trailer());
        (iter.user_key().to_vec(), seqno.get(), Kind::from_byte(kind).unwrap(), iter.value().to_vec())
    };
    let mut iter = MemtableIter::new(Arc::clone(&table));
    let mut forward = Vec::new();
    let mut more = iter.first().unwrap();
    while more {
        forward.push(here(&iter));
        more = iter.next().unwrap();
    }
    assert_eq!(forward, flat);
    let mut backward = Vec::new();
    more = iter.last().unwrap();
    while more {
        backward.push(here(&iter));
        more = iter.prev().unwrap();
    }
    backward.reverse();
    assert_eq!(backward, flat);
    for _ in 0..2000 {
        let key: Vec<u8> = (0..random.usize(0..12)).map(|_| random.u8(0..3)).collect();
        let seqno = random.u64(0..401);
        let trailer = seqno << 8 | u64::from(random.choice([0u8, 1, 0xff]).unwrap());
        let order =
            |e: &(Vec<u8>, u64, Kind, Vec<u8>)| key::compare((&e.0, e.1 << 8 | e.2 as u64), (&key, trailer));
        let split = flat.partition_point(|e| order(e).is_lt());
        assert_eq!(iter.seek(&key, trailer).unwrap().then(|| here(&iter)).as_ref(), flat.get(split));
        let before = split.checked_sub(1).map(|at| &flat[at]);
        assert_eq!(iter.seek_before(&key, trailer).unwrap().then(|| here(&iter)).as_ref(), before);
        let found = table.get(&key, hash_key(&key), SeqNo::new(seqno).unwrap());
        let expected = flat.iter().find(|e| e.0 == key && e.1 <= seqno);
        assert_eq!(found.map(|(_, s, v)| (s.get(), v.to_vec())), expected.map(|e| (e.1, e.3.clone())));
    }
}

#[test]
fn threads_insert_side_by_side() {
    let table = Arc::new(Memtable::new(8 << 20, 0));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let table = &table;
            let words: u64 = (0..2000).map(|n| node_words(tower_height(thread, n), 8, 8)).sum();
            let mut space = table.reserve(words).unwrap();
            scope.spawn(move || {
                for n in 0..2000u32 {
                    let key = (u64::from(n) * 7919 % 2000).to_be_bytes();
                    let seqno = SeqNo::new(thread + 1).unwrap();
                    let height = tower_height(thread, n);
                    let entry = Entry { key: &key, value: &key, seqno, kind: Kind::Put, ordinal: n, height };
                    table.insert(&mut space, &entry);
                }
            });
        }
    });
    let mut iter = MemtableIter::new(Arc::clone(&table));
    let mut count = 0u64;
    let mut more = iter.first().unwrap();
    while more {
        assert_eq!(iter.user_key(), (count / 4).to_be_bytes());
        assert_eq!(key::split_trailer(iter.trailer()).0.get(), 4 - count % 4);
        count += 1;
        more = iter.next().unwrap();
    }
    assert_eq!(count, 8000);
    assert_eq!(table.entries(), 8000);
}

#[test]
fn space_that_does_not_fit_is_refused() {
    let table = Memtable::new(400, 0);
    assert!(table.reserve(100).is_some());
    assert!(table.reserve(1).is_none());
    assert!(Memtable::new(400, 1000).reserve(1000).is_some());
}
