use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;
use crate::compaction::Retention;

fn seqno(n: u64) -> SeqNo {
    SeqNo::new(n).unwrap()
}

fn random_key(rng: &mut Rng) -> Vec<u8> {
    (0..rng.usize(..4)).map(|_| rng.u8(b'a'..b'e')).collect()
}

fn random_tombstone(rng: &mut Rng, number: u64) -> RangeTombstone {
    loop {
        let (start, end) = (random_key(rng), random_key(rng));
        if start < end {
            return RangeTombstone::new(&start, &end, seqno(number));
        }
    }
}

fn expected(all: &[RangeTombstone], key: &[u8], at: SeqNo) -> SeqNo {
    let covers = |of: &&RangeTombstone| of.seqno <= at && *of.start <= *key && *key < *of.end;
    all.iter().filter(covers).map(|of| of.seqno).max().unwrap_or_default()
}

#[test]
fn the_newest_tombstone_of_every_key_is_told_at_every_number() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..30 {
        let count = rng.usize(1..300);
        let all: Vec<RangeTombstone> =
            (0..count).map(|n| random_tombstone(&mut rng, 2 * n as u64 + 2)).collect();
        let mut tombstones = RangeTombstones::default();
        let mut copies = BTreeMap::new();
        for (n, tombstone) in all.iter().enumerate() {
            tombstones.insert(tombstone.clone());
            if rng.u8(..20) == 0 {
                copies.insert(n, tombstones.clone());
            }
        }
        copies.insert(all.len() - 1, tombstones);
        for (&n, tombstones) in &copies {
            let written = &all[..=n];
            assert_eq!(tombstones.len(), written.len() as u64);
            let mut cover = Cover::default();
            let mut cover_at = SeqNo::ZERO;
            for _ in 0..200 {
                let (key, at) = (random_key(&mut rng), seqno(rng.u64(..2 * count as u64 + 4)));
                let span = tombstones.span(&key, at);
                assert_eq!(span.seqno, expected(written, &key, at), "{key:?} at {at}");
                assert!(span.start <= &key[..]);
                assert!(span.end.is_none_or(|end| &key[..] < end));
                let inside = random_key(&mut rng);
                if span.start <= &inside[..] && span.end.is_none_or(|end| &inside[..] < end) {
                    assert_eq!(span.seqno, expected(written, &inside, at), "{inside:?} at {at}");
                }
                if rng.bool() {
                    (cover, cover_at) = (Cover::new(vec![Arc::new(tombstones.clone())], at), at);
                }
                assert_eq!(cover.newest(&key), expected(written, &key, cover_at));
            }
        }
    }
}

#[test]
fn many_tombstones_make_a_deep_map() {
    let mut tombstones = RangeTombstones::default();
    let key = |n: u64| n.to_be_bytes();
    for n in 0..20_000 {
        let place = n * 7919 % 20_000;
        tombstones.insert(RangeTombstone::new(&key(2 * place), &key(2 * place + 1), seqno(n + 1)));
    }
    for n in 0..20_000 {
        let place = n * 7919 % 20_000;
        assert_eq!(tombstones.newest(&key(2 * place), SeqNo::MAX), seqno(n + 1));
        assert_eq!(tombstones.newest(&key(2 * place + 1), SeqNo::MAX), SeqNo::ZERO);
        assert_eq!(tombstones.newest(&key(2 * place), seqno(n)), SeqNo::ZERO);
    }
    tombstones.insert(RangeTombstone::new(&key(5), &key(39_990), seqno(30_000)));
    assert!(tombstones.cover_all(&key(5), &key(39_989), SeqNo::MAX, seqno(29_999)));
    assert!(!tombstones.cover_all(&key(5), &key(39_990), SeqNo::MAX, seqno(29_999)));
    assert!(!tombstones.cover_all(&key(5), &key(39_989), seqno(29_999), seqno(0)));
    let mut pieces = 0;
    tombstones.skyline.for_each(|_, _, _| pieces += 1);
    assert_eq!(pieces, 3 + 5 + 1);
}

/// What is written tells the same as before, to everybody who reads.
#[test]
fn what_is_written_hides_the_same() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..100 {
        let count = rng.usize(1..40);
        let all: Vec<RangeTombstone> =
            (0..count).map(|n| random_tombstone(&mut rng, 2 * n as u64 + 2)).collect();
        let last = 2 * count as u64 + 2;
        let pins: Vec<SeqNo> = (0..rng.usize(..3)).map(|_| seqno(rng.u64(..last))).collect();
        let retention = Retention::new(pins.clone(), seqno(rng.u64(..last)));
        let mut kept = KeptTombstones::new(Arc::new(RangeTombstones::of(all.clone())));
        let written = kept.written(&retention);
        assert!(written.iter().all(|of| of.start < of.end));
        assert!(
            written
                .windows(2)
                .all(|w| (&w[0].start, w[1].seqno) < (&w[1].start, w[0].seqno) || w[0].start < w[1].start)
        );
        let mut readers: Vec<SeqNo> = (retention.horizon().get()..last).map(seqno).collect();
        readers.extend(pins);
        for _ in 0..100 {
            let (key, version) = (random_key(&mut rng), seqno(2 * rng.u64(..count as u64) + 1));
            let seen_by = |reader: &&SeqNo| **reader >= version && expected(&all, &key, **reader) < version;
            assert_eq!(
                kept.hides(&key, version, &retention),
                readers.iter().find(seen_by).is_none(),
                "{key:?} of {version} in {all:?} with {retention:?}"
            );
            for reader in &readers {
                assert_eq!(expected(&all, &key, *reader), expected(&written, &key, *reader));
            }
        }
    }
}
