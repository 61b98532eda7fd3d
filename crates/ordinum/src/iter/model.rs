//! What every internal iterator must do, checked against a sorted vector.

use std::sync::Arc;

use fastrand::Rng;

use super::InternalIterator;
use crate::error::Result;
use crate::key::{Kind, SeqNo, compare, trailer};
use crate::slice::Slice;

/// An internal entry: user key, trailer, value.
pub(crate) type Entry = (Vec<u8>, u64, Vec<u8>);

/// Random entries in internal order: few user keys with many versions, shared prefixes, some long keys and values.
pub(crate) fn random_entries(rng: &mut Rng, count: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = (0..count)
        .map(|_| {
            let seqno = SeqNo::new(rng.u64(1..200)).unwrap();
            let kind = if rng.u8(..4) == 0 { Kind::Delete } else { Kind::Put };
            let value = match kind {
                Kind::Delete | Kind::Merge | Kind::RangeDelete | Kind::Pointer => Vec::new(),
                Kind::Put => vec![rng.u8(..); if rng.u8(..20) == 0 { 5000 } else { rng.usize(..40) }],
            };
            (random_key(rng), trailer(seqno, kind), value)
        })
        .collect();
    entries.sort_by(|a, b| compare((&a.0, a.1), (&b.0, b.1)));
    entries.dedup_by(|a, b| a.0 == b.0 && a.1 >> 8 == b.1 >> 8);
    entries
}

pub(crate) fn random_key(rng: &mut Rng) -> Vec<u8> {
    let mut key = vec![b'a'; rng.usize(..4)];
    key.extend((0..rng.usize(..4)).map(|_| rng.u8(b'a'..b'e')));
    if rng.u8(..50) == 0 {
        key.resize(300, 0xff);
    }
    key
}

/// Random moves on `iter` must do what they do on `model`, which is in internal order.
pub(crate) fn check(iter: &mut dyn InternalIterator, model: &[Entry], rng: &mut Rng, moves: usize) {
    let mut at: Option<usize> = None;
    for step in 0..moves {
        let seek_key = random_key(rng);
        let seek_trailer = match rng.u8(..4) {
            0 => u64::MAX,
            1 => 0,
            _ => rng.u64(..200) << 8 | u64::from(rng.bool()),
        };
        // Half of the seeks aim at an entry exactly.
        let (seek_key, seek_trailer) = match model.get(rng.usize(..model.len().max(1))) {
            Some(entry) if rng.bool() => (entry.0.clone(), entry.1),
            _ => (seek_key, seek_trailer),
        };
        let behind =
            model.partition_point(|entry| compare((&entry.0, entry.1), (&seek_key, seek_trailer)).is_lt());
        let first = model.partition_point(|entry| entry.0 < seek_key);
        let (moved, name) = match rng.u8(..20) {
            0 => (iter.first(), "first"),
            1 => (iter.last(), "last"),
            19 if at.is_some_and(|at| at < first) => {
                iter.announce(&seek_key);
                (iter.seek_on(&seek_key, u64::MAX), "seek_on, announced")
            }
            2..4 if at.is_some_and(|at| at < behind) => (iter.seek_on(&seek_key, seek_trailer), "seek_on"),
            2..5 => (iter.seek(&seek_key, seek_trailer), "seek"),
            5..8 => (iter.seek_before(&seek_key, seek_trailer), "seek_before"),
            8..12 if at.is_some() => (iter.next(), "next"),
            12..14 if at.is_some() => (iter.next_key(), "next_key"),
            14.. if at.is_some() => (iter.prev(), "prev"),
            _ => continue,
        };
        at = match name {
            "first" => Some(0),
            "last" => model.len().checked_sub(1),
            "seek" | "seek_on" => Some(behind),
            "seek_on, announced" => Some(first),
            "seek_before" => behind.checked_sub(1),
            "next" => at.map(|at| at + 1),
            "next_key" => at.map(|at| at + model[at..].iter().take_while(|e| e.0 == model[at].0).count()),
            _ => at.and_then(|at| at.checked_sub(1)),
        }
        .filter(|at| *at < model.len());
        assert_eq!(moved.unwrap(), at.is_some(), "step {step}: {name}");
        assert_eq!(iter.valid(), at.is_some(), "step {step}: {name}");
        if let Some(at) = at {
            let entry = &model[at];
            assert_eq!((iter.user_key(), iter.trailer()), (&entry.0[..], entry.1), "step {step}: {name}");
            assert_eq!(iter.value(), entry.2, "step {step}: {name}");
            assert_eq!(&*iter.value_slice(), entry.2, "step {step}: {name}");
        }
    }
}

/// An iterator over a vector.
pub(crate) struct VecIter {
    entries: Arc<Vec<Entry>>,
    at: Option<usize>,
}

impl VecIter {
    pub(crate) fn new(entries: Vec<Entry>) -> VecIter {
        VecIter { entries: Arc::new(entries), at: None }
    }

    fn go(&mut self, at: Option<usize>) -> Result<bool> {
        self.at = at.filter(|at| *at < self.entries.len());
        Ok(self.at.is_some())
    }

    fn before(&self, user_key: &[u8], trailer: u64) -> usize {
        self.entries.partition_point(|entry| compare((&entry.0, entry.1), (user_key, trailer)).is_lt())
    }

    fn entry(&self) -> &Entry {
        &self.entries[self.at.unwrap()]
    }
}

impl InternalIterator for VecIter {
    fn first(&mut self) -> Result<bool> {
        self.go(Some(0))
    }

    fn last(&mut self) -> Result<bool> {
        self.go(self.entries.len().checked_sub(1))
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.go(Some(self.before(user_key, trailer)))
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.go(self.before(user_key, trailer).checked_sub(1))
    }

    fn next(&mut self) -> Result<bool> {
        self.go(self.at.map(|at| at + 1))
    }

    fn prev(&mut self) -> Result<bool> {
        self.go(self.at.and_then(|at| at.checked_sub(1)))
    }

    fn valid(&self) -> bool {
        self.at.is_some()
    }

    fn user_key(&self) -> &[u8] {
        &self.entry().0
    }

    fn trailer(&self) -> u64 {
        self.entry().1
    }

    fn value(&self) -> &[u8] {
        &self.entry().2
    }

    fn value_slice(&self) -> Slice {
        Slice::from(self.value())
    }
}
