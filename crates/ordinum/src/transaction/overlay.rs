//! The writes of a transaction before it commits.
//!
//! Invariant: while there is a savepoint, every change pushes what it replaced, so that undoing in reverse order gives the
//! state at any savepoint.

use std::iter::once;
use std::ops::Bound;
use std::sync::Arc;

use super::keys::Keys;
use crate::batch::{Batch, OPERATION_OVERHEAD_BYTES};
use crate::error::{Error, Result};
use crate::family::{ColumnFamily, FamilyId};
use crate::iter::InternalIterator;
use crate::key::{self, KeptKey, Kind, SeqNo};
use crate::merge_operator::{Base, Entry, check_merged_bytes, encode};
use crate::range_delete::{RangeTombstone, RangeTombstones};
use crate::reader::KeyRange;
use crate::slice::Slice;

/// What was written to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Put(Slice),
    Delete,
    /// The value of a merge entry.
    Merge(Slice),
}

impl Written {
    /// This, and an operand behind it.
    fn merged(before: Option<&Written>, operand: &[u8]) -> Written {
        let entry = match before {
            None => encode(Base::Below, once(operand)),
            Some(Written::Delete) => encode(Base::Absent, once(operand)),
            Some(Written::Put(value)) => encode(Base::Value(value), once(operand)),
            Some(Written::Merge(entry)) => {
                let (base, operands) = parts(entry);
                encode(base, operands.chain(once(operand)))
            }
        };
        Written::Merge(Slice::from(entry))
    }

    /// Whether the value follows from this alone.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Written::Put(_) | Written::Delete => true,
            Written::Merge(entry) => parts(entry).0 != Base::Below,
        }
    }

    /// Appends it to a batch.
    pub(super) fn push(&self, batch: &mut Batch, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        match self {
            Written::Put(value) => batch.put(family, key, value),
            Written::Delete => batch.delete(family, key),
            Written::Merge(entry) => {
                let (base, mut operands) = parts(entry);
                match base {
                    Base::Below => {}
                    Base::Absent => batch.delete(family, key)?,
                    Base::Value(value) => batch.put(family, key, value)?,
                }
                operands.try_for_each(|operand| batch.merge(family, key, operand))
            }
        }
    }

    /// How it stands beside committed entries.
    fn kind(&self) -> Kind {
        match self {
            Written::Put(_) => Kind::Put,
            Written::Delete => Kind::Delete,
            Written::Merge(_) => Kind::Merge,
        }
    }

    fn value(&self) -> Option<&Slice> {
        match self {
            Written::Put(value) | Written::Merge(value) => Some(value),
            Written::Delete => None,
        }
    }
}

/// Of a merge entry that was made here.
fn parts(entry: &[u8]) -> (Base<'_>, impl Iterator<Item = &[u8]>) {
    let entry = Entry::parse(entry);
    let base = entry.map_or(Base::Absent, |entry| entry.base);
    (base, entry.into_iter().flat_map(|entry| entry.operands()))
}

/// What a key is that a range delete took away.
const DELETED: &Written = &Written::Delete;

/// What a change replaced.
enum Undo {
    Key { family: ColumnFamily, key: KeptKey, before: Option<Written> },
    Ranges { family: ColumnFamily, before: Arc<RangeTombstones> },
}

/// What was written to a family. A range delete takes the keys that were written before it, so what is written here is
/// younger than the ranges.
#[derive(Default)]
struct OfFamily {
    keys: Keys,
    /// Numbered in their order.
    ranges: Arc<RangeTombstones>,
}

impl OfFamily {
    /// Whether a range delete took the key.
    fn deletes(&self, key: &[u8]) -> bool {
        !self.ranges.is_empty() && self.ranges.newest(key, SeqNo::MAX) != SeqNo::ZERO
    }
}

#[derive(Default)]
pub(crate) struct Overlay {
    families: Vec<(ColumnFamily, OfFamily)>,
    undo: Vec<Undo>,
    /// Live savepoints.
    savepoints: Vec<Saved>,
    next_savepoint: u64,
    /// What was written, about as memory holds it; what is overwritten counts until it is rolled back.
    bytes: usize,
}

/// What was there when a savepoint was set.
#[derive(Clone, Copy)]
struct Saved {
    id: u64,
    undo: usize,
    bytes: usize,
}

/// What a write of a key holds beside key and value, and what undoes it.
const WRITE_OVERHEAD_BYTES: usize = size_of::<KeptKey>() + size_of::<Written>() + size_of::<Undo>();

impl Overlay {
    /// About how much memory the writes hold.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// About how many bytes the writes take in a batch.
    pub(super) fn operation_bytes(&self) -> usize {
        self.bytes.saturating_sub(self.len() * (WRITE_OVERHEAD_BYTES - OPERATION_OVERHEAD_BYTES))
    }

    pub(super) fn len(&self) -> usize {
        let ranges = |of: &OfFamily| usize::try_from(of.ranges.len()).unwrap_or(usize::MAX);
        self.families.iter().map(|(_, of)| of.keys.len() + ranges(of)).sum()
    }

    /// Forgets all writes and savepoints. A savepoint of before is never taken for one that comes.
    pub(super) fn clear(&mut self) {
        *self = Overlay { next_savepoint: self.next_savepoint, ..Overlay::default() };
    }

    pub(super) fn get(&self, family: &ColumnFamily, key: &[u8]) -> Option<&Written> {
        let of = self.of(family)?;
        of.keys.get(&KeptKey::new(key)).or_else(|| of.deletes(key).then_some(DELETED))
    }

    pub(super) fn set(&mut self, family: &ColumnFamily, key: &[u8], value: Written) {
        let held = key.len() + value.value().map_or(0, |value| value.len()) + WRITE_OVERHEAD_BYTES;
        self.bytes = self.bytes.saturating_add(held);
        let key = KeptKey::new(key);
        if self.savepoints.is_empty() {
            self.of_mut(family).keys.insert(key, value);
        } else {
            let before = self.of_mut(family).keys.insert(key.clone(), value);
            self.undo.push(Undo::Key { family: family.clone(), key, before });
        }
    }

    /// Puts an operand behind what was written to the key.
    pub(super) fn merge(&mut self, family: &ColumnFamily, key: &[u8], operand: &[u8]) -> Result<()> {
        let merged = Written::merged(self.get(family, key), operand);
        check_merged_bytes(merged.value().map_or(0, |value| value.len()))?;
        self.set(family, key, merged);
        Ok(())
    }

    /// Deletes the keys from `start` on and before `end`, the own ones too. There is one at the least.
    pub(super) fn delete_range(&mut self, family: &ColumnFamily, start: &[u8], end: &[u8]) {
        let has_savepoint = !self.savepoints.is_empty();
        let of = self.of_mut(family);
        let bounds = (Bound::Included(start), Bound::Excluded(end));
        let gone = of.keys.take_range(bounds);
        let before = Arc::clone(&of.ranges);
        let ordinal = SeqNo::new(before.len() + 1).unwrap_or(SeqNo::MAX);
        Arc::make_mut(&mut of.ranges).insert(RangeTombstone::new(start, end, ordinal));
        if has_savepoint {
            for (key, value) in gone {
                self.undo.push(Undo::Key { family: family.clone(), key, before: Some(value) });
            }
            self.undo.push(Undo::Ranges { family: family.clone(), before });
        }
    }

    /// The ranges that were deleted, family by family: start and end.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (&ColumnFamily, Vec<u8>, Vec<u8>)> {
        let families = self.families.iter();
        families.flat_map(|(family, of)| {
            of.ranges.union().into_iter().map(move |(start, end)| (family, start, end))
        })
    }

    /// Every write to a key, family by family, keys ascending. They come behind the ranges.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ColumnFamily, &[u8], &Written)> {
        let families = self.families.iter();
        families.flat_map(|(family, of)| of.keys.iter().map(move |(key, value)| (family, &**key, value)))
    }

    /// Whether writes may be undone, and the transaction go on.
    pub(super) fn has_savepoint(&self) -> bool {
        !self.savepoints.is_empty()
    }

    pub(super) fn savepoint(&mut self) -> u64 {
        let id = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push(Saved { id, undo: self.undo.len(), bytes: self.bytes });
        id
    }

    pub(super) fn rollback_to(&mut self, savepoint: u64) -> Result<()> {
        let (at, saved) = self.find(savepoint)?;
        self.savepoints.truncate(at + 1);
        self.bytes = saved.bytes;
        for undo in self.undo.split_off(saved.undo).into_iter().rev() {
            match undo {
                Undo::Key { family, key, before: Some(value) } => {
                    self.of_mut(&family).keys.insert(key, value);
                }
                Undo::Key { family, key, before: None } => {
                    self.of_mut(&family).keys.remove(&key);
                }
                Undo::Ranges { family, before } => self.of_mut(&family).ranges = before,
            }
        }
        Ok(())
    }

    pub(super) fn release(&mut self, savepoint: u64) -> Result<()> {
        let (at, _) = self.find(savepoint)?;
        self.savepoints.truncate(at);
        if self.savepoints.is_empty() {
            self.undo.clear();
        }
        Ok(())
    }

    fn find(&self, savepoint: u64) -> Result<(usize, Saved)> {
        let at = self.savepoints.iter().position(|saved| saved.id == savepoint);
        at.and_then(|at| Some((at, *self.savepoints.get(at)?))).ok_or_else(|| Error::InvalidArgument {
            message: "the savepoint does not exist any more".to_owned(),
        })
    }

    /// What was written: the keys of each family, and the ranges that were deleted in it.
    pub(super) fn written(
        &self,
    ) -> impl Iterator<Item = (FamilyId, impl Iterator<Item = &[u8]>, &RangeTombstones)> {
        let families = self.families.iter();
        families.map(|(family, of)| (family.family.id, of.keys.iter().map(|(key, _)| &**key), &*of.ranges))
    }

    /// Whether something was written to the key.
    pub(super) fn writes_key(&self, family: FamilyId, key: &[u8]) -> bool {
        let of = self.families.iter().find(|(known, _)| known.family.id == family).map(|(_, of)| of);
        of.is_some_and(|of| of.keys.get(&KeptKey::new(key)).is_some() || of.deletes(key))
    }

    /// Whether something was written to a key from `start` on and before `end`.
    pub(super) fn writes_in(&self, family: FamilyId, start: &[u8], end: &[u8]) -> bool {
        let of = self.families.iter().find(|(known, _)| known.family.id == family).map(|(_, of)| of);
        let bounds = (Bound::Included(start), Bound::Excluded(end));
        of.is_some_and(|of| {
            of.keys.range(bounds).next().is_some()
                || of.ranges.newer_in(&KeyRange::half_open(start, end), SeqNo::ZERO).is_some()
        })
    }

    /// How many writes are in the range.
    pub(super) fn count(&self, family: &ColumnFamily, range: &KeyRange) -> u64 {
        let Some(of) = self.of(family).filter(|_| !range.is_empty()) else { return 0 };
        let bounds = (as_ref(&range.start), as_ref(&range.end));
        u64::try_from(of.keys.range(bounds).count()).unwrap_or(u64::MAX)
    }

    /// The writes in the range as entries with the sequence number [`SeqNo::MAX`], and all range deletes; none if there are
    /// none.
    pub(super) fn entries(&self, family: &ColumnFamily, range: &KeyRange) -> Option<OwnWrites> {
        let of = self.of(family).filter(|_| !range.is_empty())?;
        let bounds = (as_ref(&range.start), as_ref(&range.end));
        let entries = of.keys.range(bounds).map(|(key, value)| (key.clone(), value.clone()));
        let entries: Vec<_> = entries.collect();
        let ranges = Arc::clone(&of.ranges);
        (!entries.is_empty() || !ranges.is_empty()).then_some(OwnWrites { entries, ranges, at: None })
    }

    fn of(&self, family: &ColumnFamily) -> Option<&OfFamily> {
        self.families.iter().find(|(known, _)| known == family).map(|(_, of)| of)
    }

    fn of_mut(&mut self, family: &ColumnFamily) -> &mut OfFamily {
        let at = self.families.iter().position(|(known, _)| known == family).unwrap_or_else(|| {
            self.families.push((family.clone(), OfFamily::default()));
            self.families.len() - 1
        });
        &mut self.families[at].1
    }
}

fn as_ref(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// The own writes of a transaction as a cursor sees them: copied when it is opened.
pub(crate) struct OwnWrites {
    entries: Vec<(KeptKey, Written)>,
    /// They hide what was committed.
    pub(crate) ranges: Arc<RangeTombstones>,
    at: Option<usize>,
}

impl OwnWrites {
    fn stand(&mut self, at: Option<usize>) -> Result<bool> {
        self.at = at.filter(|at| *at < self.entries.len());
        Ok(self.at.is_some())
    }

    fn entry(&self) -> Option<&(KeptKey, Written)> {
        self.entries.get(self.at?)
    }

    /// The first entry at or after the position.
    fn split(&self, user_key: &[u8], trailer: u64) -> usize {
        self.entries.partition_point(|entry| {
            key::compare((&entry.0, own_trailer(&entry.1)), (user_key, trailer)).is_lt()
        })
    }
}

fn own_trailer(written: &Written) -> u64 {
    key::trailer(SeqNo::MAX, written.kind())
}

impl InternalIterator for OwnWrites {
    fn first(&mut self) -> Result<bool> {
        self.stand(Some(0))
    }

    fn last(&mut self) -> Result<bool> {
        self.stand(self.entries.len().checked_sub(1))
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        let at = self.split(user_key, trailer);
        self.stand(Some(at))
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        let at = self.split(user_key, trailer);
        self.stand(at.checked_sub(1))
    }

    fn next(&mut self) -> Result<bool> {
        self.stand(self.at.map(|at| at + 1))
    }

    fn prev(&mut self) -> Result<bool> {
        self.stand(self.at.and_then(|at| at.checked_sub(1)))
    }

    fn valid(&self) -> bool {
        self.at.is_some()
    }

    fn user_key(&self) -> &[u8] {
        self.entry().map(|entry| &*entry.0).unwrap_or_default()
    }

    fn trailer(&self) -> u64 {
        self.entry().map_or(0, |entry| own_trailer(&entry.1))
    }

    fn value(&self) -> &[u8] {
        self.entry().and_then(|entry| entry.1.value()).map(|value| &**value).unwrap_or_default()
    }

    fn value_slice(&self) -> Slice {
        self.entry().and_then(|entry| entry.1.value()).cloned().unwrap_or_else(|| Slice::from(&[][..]))
    }
}
