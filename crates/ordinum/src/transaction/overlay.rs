//! The writes of a transaction before it commits.
//!
//! Invariant: while there is a savepoint, every change pushes what it replaced, so that undoing in reverse order gives the
//! state at any savepoint.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::iter::InternalIterator;
use crate::key::{self, Kind, SeqNo};
use crate::reader::KeyRange;
use crate::slice::Slice;

/// A value, or a deletion.
type Written = Option<Slice>;

struct Undo {
    family: ColumnFamily,
    key: Vec<u8>,
    before: Option<Written>,
}

#[derive(Default)]
pub(super) struct Overlay {
    families: Vec<(ColumnFamily, BTreeMap<Vec<u8>, Written>)>,
    undo: Vec<Undo>,
    /// Live savepoints: id, and how long `undo` was.
    savepoints: Vec<(u64, usize)>,
    next_savepoint: u64,
}

impl Overlay {
    pub(super) fn len(&self) -> usize {
        self.families.iter().map(|(_, keys)| keys.len()).sum()
    }

    pub(super) fn get(&self, family: &ColumnFamily, key: &[u8]) -> Option<&Written> {
        self.keys(family)?.get(key)
    }

    pub(super) fn set(&mut self, family: &ColumnFamily, key: &[u8], value: Written) {
        let before = self.keys_mut(family).insert(key.to_vec(), value);
        if !self.savepoints.is_empty() {
            self.undo.push(Undo { family: family.clone(), key: key.to_vec(), before });
        }
    }

    /// Every write, family by family, keys ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ColumnFamily, &[u8], &Written)> {
        let families = self.families.iter();
        families
            .flat_map(|(family, keys)| keys.iter().map(move |(key, value)| (family, key.as_slice(), value)))
    }

    pub(super) fn savepoint(&mut self) -> u64 {
        let id = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push((id, self.undo.len()));
        id
    }

    pub(super) fn rollback_to(&mut self, savepoint: u64) -> Result<()> {
        let (at, undo_len) = self.find(savepoint)?;
        self.savepoints.truncate(at + 1);
        for Undo { family, key, before } in self.undo.split_off(undo_len).into_iter().rev() {
            let keys = self.keys_mut(&family);
            match before {
                Some(value) => keys.insert(key, value),
                None => keys.remove(&key),
            };
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

    fn find(&self, savepoint: u64) -> Result<(usize, usize)> {
        let at = self.savepoints.iter().position(|(id, _)| *id == savepoint);
        at.and_then(|at| Some((at, self.savepoints.get(at)?.1))).ok_or_else(|| Error::InvalidArgument {
            message: "the savepoint does not exist any more".to_owned(),
        })
    }

    /// How many writes are in the range.
    pub(super) fn count(&self, family: &ColumnFamily, range: &KeyRange) -> u64 {
        let Some(keys) = self.keys(family).filter(|_| !range.is_empty()) else { return 0 };
        let bounds = (as_ref(&range.start), as_ref(&range.end));
        u64::try_from(keys.range::<[u8], _>(bounds).count()).unwrap_or(u64::MAX)
    }

    /// The writes in the range as entries with the sequence number [`SeqNo::MAX`], or none if there are none.
    pub(super) fn entries(&self, family: &ColumnFamily, range: &KeyRange) -> Option<OwnWrites> {
        let keys = self.keys(family).filter(|_| !range.is_empty())?;
        let bounds = (as_ref(&range.start), as_ref(&range.end));
        let entries = keys.range::<[u8], _>(bounds).map(|(key, value)| (key.clone(), value.clone()));
        let entries: Vec<_> = entries.collect();
        (!entries.is_empty()).then_some(OwnWrites { entries, at: None })
    }

    fn keys(&self, family: &ColumnFamily) -> Option<&BTreeMap<Vec<u8>, Written>> {
        self.families.iter().find(|(known, _)| known == family).map(|(_, keys)| keys)
    }

    fn keys_mut(&mut self, family: &ColumnFamily) -> &mut BTreeMap<Vec<u8>, Written> {
        let at = self.families.iter().position(|(known, _)| known == family).unwrap_or_else(|| {
            self.families.push((family.clone(), BTreeMap::new()));
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
    entries: Vec<(Vec<u8>, Written)>,
    at: Option<usize>,
}

impl OwnWrites {
    fn stand(&mut self, at: Option<usize>) -> Result<bool> {
        self.at = at.filter(|at| *at < self.entries.len());
        Ok(self.at.is_some())
    }

    fn entry(&self) -> Option<&(Vec<u8>, Written)> {
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
    key::trailer(SeqNo::MAX, if written.is_some() { Kind::Put } else { Kind::Delete })
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
        self.entry().map(|entry| entry.0.as_slice()).unwrap_or_default()
    }

    fn trailer(&self) -> u64 {
        self.entry().map_or(0, |entry| own_trailer(&entry.1))
    }

    fn value(&self) -> &[u8] {
        self.entry().and_then(|entry| entry.1.as_deref()).unwrap_or_default()
    }

    fn value_slice(&self) -> Slice {
        self.entry().and_then(|entry| entry.1.clone()).unwrap_or_else(|| Slice::from(&[][..]))
    }
}
