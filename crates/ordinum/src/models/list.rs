//! The list of a memtable with its index: inserted into side by side, and read meanwhile.

use std::sync::Arc;

use shuttle::thread;

use super::check;
use crate::iter::InternalIterator;
use crate::key::{Kind, SeqNo};
use crate::memtable::{Entry, Memtable, MemtableIter, node_words};
use crate::table::hash_key;

/// Enough for the index to split its first leaf.
const EACH: u64 = 24;

fn key(number: u64) -> [u8; 8] {
    // Neighbours are of different writers.
    number.to_be_bytes()
}

fn walk(table: &Arc<Memtable>) -> Vec<Vec<u8>> {
    let mut iter = MemtableIter::new(Arc::clone(table));
    let mut keys = Vec::new();
    let mut there = iter.first().unwrap();
    while there {
        keys.push(iter.user_key().to_vec());
        there = iter.next().unwrap();
    }
    assert!(keys.is_sorted(), "the list does not ascend");
    keys
}

/// Two insert every second key each, one of them as a batch; what somebody has seen stays, in order, and in the end all is there.
fn insertions_side_by_side() {
    let table = Arc::new(Memtable::new(1 << 14, 0));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let words = node_words(8, 1) * EACH;
            let mut space = table.reserve(words).unwrap();
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let mut written = Vec::new();
                for at in 0..EACH {
                    let number = at * 2 + writer;
                    let seqno = SeqNo::new(writer + 1).unwrap();
                    let entry = Entry { key: &key(number), value: b"v", seqno, kind: Kind::Put, ordinal: 0 };
                    if writer == 0 {
                        table.insert(&mut space, &entry);
                        let found = table.get(&key(number), hash_key(&key(number)), seqno);
                        assert!(found.is_some(), "{number} was inserted");
                    } else {
                        written.push(table.write(&mut space, &entry));
                    }
                }
                table.insert_sorted(&mut written);
            })
        })
        .collect();
    let mut before = Vec::new();
    for _ in 0..2 {
        let now = walk(&table);
        assert!(before.iter().all(|key| now.contains(key)), "what was seen is gone");
        before = now;
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(walk(&table).len() as u64, 2 * EACH);
    for number in 0..2 * EACH {
        let found = table.get(&key(number), hash_key(&key(number)), SeqNo::MAX);
        assert!(found.is_some(), "{number} is not found");
    }
}

#[test]
fn entries_are_inserted_side_by_side() {
    check(insertions_side_by_side);
}
