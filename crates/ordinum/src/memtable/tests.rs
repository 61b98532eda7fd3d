#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::collections::BTreeMap;

use super::*;
use crate::iter::InternalIterator;
use crate::table::Lookup;

type Key = (Vec<u8>, std::cmp::Reverse<u64>);

fn insert(table: &Memtable, key: &[u8], value: &[u8], seqno: u64, kind: Kind, ordinal: u32) {
    let mut space = table.reserve(node_words(key.len(), value.len())).unwrap();
    table.insert(&mut space, &Entry { key, value, seqno: SeqNo::new(seqno).unwrap(), kind, ordinal });
}

#[test]
fn random_entries_are_found_and_iterated_both_ways() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let first = Memtable::new(1 << 20, 0);
    compare_with_model(&mut random, Arc::new(first.successor(1 << 20, 0)));
    // The next one knows what some of its keys begin with.
    for key in [&[1, 2, 0, 0][..], &[1, 2, 2]] {
        insert(&first, key, b"", 1, Kind::Put, 0);
    }
    compare_with_model(&mut random, Arc::new(first.successor(1 << 20, 0)));
}

/// What a reader was given stays as it is, and keeps the memtable in memory, until it is dropped or detached.
#[test]
fn values_outlive_their_memtable() {
    let table = Arc::new(Memtable::new(1 << 20, 0));
    let long = vec![7; 5000];
    for (key, value) in [(&b"a"[..], &b"one"[..]), (b"b", b""), (b"c", &long)] {
        insert(&table, key, value, 1, Kind::Put, 0);
    }
    let mut lookups: Vec<Lookup<'_>> = [b"a", b"b", b"c"].iter().map(|key| Lookup::new(*key)).collect();
    table.multi_get(&mut lookups, SeqNo::MAX);
    let got: Vec<Slice> = lookups.into_iter().map(|lookup| lookup.found.unwrap().2).collect();
    let mut iter = MemtableIter::new(Arc::clone(&table));
    let mut walked = Vec::new();
    let mut valid = iter.first().unwrap();
    while valid {
        walked.push(iter.value_slice());
        valid = iter.next().unwrap();
    }
    drop(iter);
    let memtable = Arc::downgrade(&table);
    drop(table);
    assert_eq!(got, walked);
    assert_eq!(got, [Slice::from(&b"one"[..]), Slice::default(), Slice::from(long)]);
    assert!(memtable.upgrade().is_some(), "the values lie in it");
    let detached: Vec<Slice> = got.into_iter().map(Slice::detached).collect();
    drop(walked);
    assert!(memtable.upgrade().is_none(), "nobody needs it any more");
    assert_eq!(&*detached[0], b"one");
}

/// A search that was announced ends where it would have without, whatever came in meanwhile.
#[test]
fn announced_searches_end_where_others_do() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let table = Arc::new(Memtable::new(4 << 20, 0));
    let mut seqno = 0;
    for _ in 0..200 {
        let mut iter = MemtableIter::new(Arc::clone(&table));
        let mut keys: Vec<Vec<u8>> = (0..random.usize(0..30)).map(|_| key(&mut random)).collect();
        keys.sort_unstable();
        iter.announce_each(&keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for _ in 0..random.u32(0..60) {
            seqno += 1;
            insert(&table, &key(&mut random), b"", seqno, Kind::Put, 0);
        }
        // Some are not sought, and others are that were not announced.
        keys.retain(|_| random.u8(0..4) > 0);
        keys.extend((0..random.usize(0..9)).map(|_| key(&mut random)));
        if random.bool() {
            keys.sort_unstable();
        }
        for key in keys {
            let trailer = if random.bool() {
                u64::MAX
            } else {
                key::seek_trailer(SeqNo::new(random.u64(0..=seqno)).unwrap())
            };
            let mut fresh = MemtableIter::new(Arc::clone(&table));
            assert_eq!(iter.seek(&key, trailer).unwrap(), fresh.seek(&key, trailer).unwrap());
            assert_eq!((iter.user_key(), iter.trailer()), (fresh.user_key(), fresh.trailer()));
        }
    }
}

/// Few bytes, so that keys meet; and now and then many that others begin with, too.
fn key(random: &mut fastrand::Rng) -> Vec<u8> {
    let shared = random.choice([0usize, 0, 3, 9]).unwrap_or(0);
    let own = (0..random.usize(0..12)).map(|_| random.u8(0..3)).collect::<Vec<u8>>();
    [&[1; 9][..shared], &own].concat()
}

fn compare_with_model(random: &mut fastrand::Rng, table: Arc<Memtable>) {
    let mut model = BTreeMap::<Key, (Kind, Vec<u8>)>::new();
    let mut written = Vec::new();
    for seqno in 1..400 {
        let is_sorted = random.bool();
        for ordinal in 0..random.u32(1..6) {
            let key = key(random);
            let value: Vec<u8> = (0..random.usize(0..9)).map(|_| random.u8(..)).collect();
            let kind = if random.bool() { Kind::Put } else { Kind::Delete };
            if is_sorted {
                let mut space = table.reserve(node_words(key.len(), value.len())).unwrap();
                let (key, value, seqno) = (&key[..], &value[..], SeqNo::new(seqno).unwrap());
                written.push(table.write(&mut space, &Entry { key, value, seqno, kind, ordinal }));
            } else {
                insert(&table, &key, &value, seqno, kind, ordinal);
            }
            model.insert((key, std::cmp::Reverse(seqno)), (kind, value));
        }
        // What several batches have written may come in at once.
        if random.u8(0..4) == 0 {
            table.insert_sorted(&mut written);
            written.clear();
        }
    }
    table.insert_sorted(&mut written);
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
    let keys: Vec<Vec<u8>> = (0..200).map(|_| key(random)).collect();
    for seqno in [0, 100, 400] {
        let seqno = SeqNo::new(seqno).unwrap();
        let mut lookups: Vec<Lookup<'_>> = keys.iter().map(|key| Lookup::new(key)).collect();
        // What was found in a newer memtable stays.
        lookups[7].found = Some((Kind::Delete, SeqNo::MAX, Slice::from(&b"newer"[..])));
        table.multi_get(&mut lookups, seqno);
        assert_eq!(lookups.remove(7).found.unwrap().2.to_vec(), b"newer");
        for lookup in lookups {
            let single = table.get(lookup.user_key, lookup.key_hash, seqno);
            let told = |(kind, seqno, value): (Kind, SeqNo, Slice)| (kind, seqno, value.to_vec());
            assert_eq!(lookup.found.map(told), single.map(told));
        }
    }
    for _ in 0..2000 {
        let key = key(random);
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
            let words: u64 = 2000 * node_words(8, 8);
            let mut space = table.reserve(words).unwrap();
            scope.spawn(move || {
                for n in 0..2000u32 {
                    let key = (u64::from(n) * 7919 % 2000).to_be_bytes();
                    let seqno = SeqNo::new(thread + 1).unwrap();
                    let entry = Entry { key: &key, value: &key, seqno, kind: Kind::Put, ordinal: n };
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

/// Writers on a few hot keys and on keys all over, while readers look for what is there already: nothing that was inserted
/// may be missed, and what lies around it stays in order.
#[test]
fn readers_miss_nothing_while_others_insert() {
    const WRITERS: u64 = 3;
    const EACH: u64 = 3000;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let table = Arc::new(Memtable::new(8 << 20, 0));
    // Writer w has inserted what its numbers below done[w] stand for.
    let done: [AtomicU64; WRITERS as usize] = Default::default();
    let key = |writer: u64, n: u64| -> Vec<u8> {
        let mixed = (n * WRITERS + writer).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let spread = if n.is_multiple_of(4) { mixed % 7 } else { mixed };
        [b"pre", &spread.to_be_bytes()[..]].concat()
    };
    let seqno = |writer: u64, n: u64| 1 + n * WRITERS + writer;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (table, done) = (&table, &done[writer as usize]);
            let mut space = table.reserve(EACH * node_words(11, 8)).unwrap();
            scope.spawn(move || {
                for n in 0..EACH {
                    let seqno = SeqNo::new(seqno(writer, n)).unwrap();
                    let (key, value) = (key(writer, n), n.to_be_bytes());
                    let entry = Entry { key: &key, value: &value, seqno, kind: Kind::Put, ordinal: 0 };
                    table.insert(&mut space, &entry);
                    done.store(n + 1, Ordering::Release);
                }
            });
        }
        for reader in 0..2u64 {
            let (table, done) = (&table, &done);
            let mut random = fastrand::Rng::with_seed(seed ^ reader);
            scope.spawn(move || {
                while done.iter().any(|done| done.load(Ordering::Acquire) < EACH) {
                    let writer = random.u64(0..WRITERS);
                    let inserted = done[writer as usize].load(Ordering::Acquire);
                    let Some(n) = inserted.checked_sub(1).map(|last| random.u64(0..=last)) else { continue };
                    let at = SeqNo::new(seqno(writer, n)).unwrap();
                    let found = table.get(&key(writer, n), hash_key(&key(writer, n)), at).unwrap();
                    assert_eq!((found.1, found.2.to_vec()), (at, n.to_be_bytes().to_vec()));
                    let mut iter = MemtableIter::new(Arc::clone(table));
                    assert!(iter.seek(&key(writer, n), key::seek_trailer(at)).unwrap());
                    for _ in 0..5 {
                        let here = (iter.user_key().to_vec(), iter.trailer());
                        if !iter.next().unwrap() {
                            break;
                        }
                        let next = (iter.user_key(), iter.trailer());
                        assert!(key::compare((&here.0, here.1), next).is_lt());
                    }
                }
            });
        }
    });
    assert_eq!(table.entries(), WRITERS * EACH);
    for (writer, n) in (0..WRITERS).flat_map(|writer| (0..EACH).map(move |n| (writer, n))) {
        let at = SeqNo::new(seqno(writer, n)).unwrap();
        assert_eq!(table.get(&key(writer, n), hash_key(&key(writer, n)), at).unwrap().1, at);
    }
}

#[test]
fn space_that_does_not_fit_is_refused() {
    let table = Memtable::new(400, 0);
    assert!(table.reserve(50).is_some());
    assert!(table.reserve(1).is_none());
    assert!(Memtable::new(400, 1000).reserve(1000).is_some());
}

/// Rows of several entities: keys begin with four bytes of a small number, and go on with a number that ascends.
#[test]
fn keys_of_several_kinds_are_told_apart_by_hints() {
    let entities = [(1_u32, 1_u64), (2, 3), (3, 12), (6, 4)];
    let keys_of = |(entity, rows): (u32, u64), from: u64, to: u64| {
        let key = move |id: u64| [&entity.to_be_bytes()[..], &(id | 1 << 63).to_be_bytes()].concat();
        (from * rows..to * rows).map(key).collect::<Vec<_>>()
    };
    let one_by_one: Vec<_> = entities.into_iter().flat_map(|entity| keys_of(entity, 0, 2000)).collect();
    let in_turn: Vec<_> = (0..20)
        .flat_map(|round| {
            entities.into_iter().flat_map(move |entity| keys_of(entity, round * 100, round * 100 + 100))
        })
        .collect();
    for keys in [one_by_one, in_turn] {
        let table = Memtable::new(8 << 20, 0);
        for key in &keys {
            insert(&table, key, b"", 1, Kind::Put, 0);
        }
        let compared = std::cell::Cell::new(0);
        for key in &keys {
            let position = table.position(key, SeqNo::MAX, u32::MAX);
            let sought = Counted { looked: table.sought(&position), compared: &compared };
            let before = table.index.last_before(&sought);
            assert!(key::order(table.key(table.next(before)), key).is_eq());
        }
        // The root tells entities apart, and not what is in them.
        assert!(compared.get() < 4 * keys.len(), "{} for {} keys", compared.get(), keys.len());
    }
}

/// What is looked for, and how often its key was compared.
struct Counted<'a> {
    looked: Looked<'a>,
    compared: &'a std::cell::Cell<usize>,
}

impl Sought for Counted<'_> {
    fn hint(&self, lens: hint::Lens) -> u32 {
        self.looked.hint(lens)
    }

    fn is_behind(&self, node: At) -> bool {
        self.compared.set(self.compared.get() + 1);
        self.looked.is_behind(node)
    }
}
