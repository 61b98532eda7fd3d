//! What a database must answer: every version of every key, in plain maps.
//!
//! Invariants: (1) versions of a key ascend by their sequence numbers, one for each commit that changed it; (2) `commits` ascend;
//! (3) what a family had that was dropped is kept apart: nobody who is open can read it, but a database whose history is cut before
//! that answers with it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::rc::Rc;

use ordinum::{KeyRange, SeqNo};

use crate::script::Effect;

/// The column families that a script works on, by their places.
pub const FAMILIES: [&str; 3] = ["default", "second", "third"];

/// What one commit left of a key: a value, or none.
type Version = (SeqNo, Option<Rc<[u8]>>);

/// A row that is there: key, the commit that wrote it, value.
pub type Row = (Vec<u8>, SeqNo, Rc<[u8]>);

/// Every version of every key of a family.
type Versions = BTreeMap<Vec<u8>, Vec<Version>>;

/// A family that was dropped, and another one has its name.
#[derive(Clone)]
struct Dropped {
    family: usize,
    /// The commit that did it.
    by: SeqNo,
    versions: Versions,
}

/// What a family had at a commit.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    versions: &'a Versions,
    at: SeqNo,
}

/// Every version of every key of every family.
#[derive(Clone, Default)]
pub struct Model {
    versions: [Versions; FAMILIES.len()],
    /// In the order of the commits that dropped them.
    dropped: Vec<Dropped>,
    /// Every commit.
    pub commits: Vec<SeqNo>,
    /// The newest commit that survives the end of the process.
    pub handed_over: SeqNo,
    /// The newest commit that survives a power loss.
    pub durable: SeqNo,
}

impl Model {
    /// The newest commit.
    pub fn last(&self) -> SeqNo {
        self.commits.last().copied().unwrap_or(SeqNo::ZERO)
    }

    /// The value of the key at a commit, and who wrote it.
    pub fn get(&self, family: usize, key: &[u8], at: SeqNo) -> Option<(SeqNo, Rc<[u8]>)> {
        self.past(family, at).get(key)
    }

    /// The rows of the family at a commit, in order.
    pub fn rows(&self, family: usize, at: SeqNo) -> impl Iterator<Item = (&[u8], SeqNo, Rc<[u8]>)> {
        self.past(family, at).rows()
    }

    fn past(&self, family: usize, at: SeqNo) -> Past<'_> {
        Past { versions: &self.versions[family], at }
    }

    /// The rows in a range.
    pub fn range(&self, family: usize, at: SeqNo, range: &KeyRange) -> Vec<Row> {
        let inside = self.rows(family, at).filter(|(key, ..)| range.contains(key));
        inside.map(|(key, written, value)| (key.to_vec(), written, value)).collect()
    }

    /// Does what an operation of the commit does, behind those before it.
    pub fn apply(&mut self, family: usize, key: Vec<u8>, effect: &Effect, seqno: SeqNo) {
        match effect {
            Effect::Put(value) => {
                set(self.versions[family].entry(key).or_default(), seqno, Some(value.bytes()))
            }
            Effect::Delete => set(self.versions[family].entry(key).or_default(), seqno, None),
            Effect::Merge(operand) => {
                let versions = self.versions[family].entry(key).or_default();
                let before = versions.last().and_then(|(_, value)| value.clone());
                let value = [before.as_deref().unwrap_or_default(), &operand.bytes()].concat();
                set(versions, seqno, Some(value));
            }
            Effect::DeleteRange(end) => {
                let end = end.bytes();
                if key < end {
                    self.versions[family]
                        .range_mut(key..end)
                        .for_each(|(_, versions)| set(versions, seqno, None));
                }
            }
        }
    }

    /// Whether the key was written behind `at`.
    pub fn is_changed(&self, family: usize, key: &[u8], at: SeqNo) -> bool {
        let versions = self.versions[family].get(key);
        versions.and_then(|versions| versions.last()).is_some_and(|(newest, _)| *newest > at)
    }

    /// Forgets the commits behind `at`.
    pub fn cut(&mut self, at: SeqNo) {
        self.commits.retain(|commit| *commit <= at);
        for versions in self.versions.iter_mut().flat_map(BTreeMap::values_mut) {
            versions.retain(|(written, _)| *written <= at);
        }
        self.durable = at;
        self.handed_over = at;
    }

    /// The commit drops the family, and an empty one gets its name.
    pub fn replace(&mut self, family: usize, by: SeqNo) {
        let versions = mem::take(&mut self.versions[family]);
        self.dropped.push(Dropped { family, by, versions });
    }

    /// What the family may have when the log is cut behind this commit: what it had then, or what is left of that if the manifest
    /// says that it was dropped since, for a drop is not taken back.
    pub fn pasts(&self, family: usize, at: SeqNo) -> impl Iterator<Item = Past<'_>> {
        let dropped = self.dropped.iter().find(|dropped| dropped.family == family && at < dropped.by);
        let versions = dropped.map(|dropped| &dropped.versions).into_iter().chain([&self.versions[family]]);
        versions.map(move |versions| Past { versions, at })
    }

    /// The oldest commit, not before `floor`, that left what was found.
    pub fn find(&self, found: &[Vec<Row>], floor: SeqNo) -> Option<SeqNo> {
        let newest = found.iter().flatten().map(|(_, written, _)| *written).max().unwrap_or(SeqNo::ZERO);
        let floor = floor.min(self.last()).max(newest);
        let candidates = [floor].into_iter().chain(self.commits.iter().copied().filter(|at| *at > floor));
        candidates.into_iter().find(|at| self.is(found, *at))
    }

    /// Whether this is what is there at a commit.
    pub fn is(&self, found: &[Vec<Row>], at: SeqNo) -> bool {
        found.iter().enumerate().all(|(family, found)| self.past(family, at).is(found))
    }

    /// Every value that the key ever had in a family of this name.
    pub fn ever(&self, family: usize, key: &[u8]) -> impl Iterator<Item = &Rc<[u8]>> {
        let dropped = self.dropped.iter().filter(move |dropped| dropped.family == family);
        let versions = dropped.map(|dropped| &dropped.versions).chain([&self.versions[family]]);
        versions
            .filter_map(move |versions| versions.get(key))
            .flatten()
            .filter_map(|(_, value)| value.as_ref())
    }

    /// Every key that was ever written to a family of this name.
    pub fn keys(&self, family: usize) -> BTreeSet<&[u8]> {
        let dropped = self.dropped.iter().filter(|dropped| dropped.family == family);
        let versions = dropped.map(|dropped| &dropped.versions).chain([&self.versions[family]]);
        versions.flat_map(BTreeMap::keys).map(Vec::as_slice).collect()
    }
}

impl<'a> Past<'a> {
    /// The value of the key, and who wrote it.
    pub fn get(self, key: &[u8]) -> Option<(SeqNo, Rc<[u8]>)> {
        visible(self.versions.get(key)?, self.at)
    }

    /// The rows in order.
    pub fn rows(self) -> impl Iterator<Item = (&'a [u8], SeqNo, Rc<[u8]>)> {
        self.versions.iter().filter_map(move |(key, versions)| {
            let (written, value) = visible(versions, self.at)?;
            Some((key.as_slice(), written, value))
        })
    }

    /// Whether these are the rows.
    pub fn is(self, found: &[Row]) -> bool {
        let found = found.iter().map(|(key, written, value)| (key.as_slice(), *written, Rc::clone(value)));
        self.rows().eq(found)
    }
}

fn visible(versions: &[Version], at: SeqNo) -> Option<(SeqNo, Rc<[u8]>)> {
    let behind = versions.partition_point(|(written, _)| *written <= at);
    let (written, value) = versions.get(behind.checked_sub(1)?)?;
    Some((*written, value.clone()?))
}

fn set(versions: &mut Vec<Version>, seqno: SeqNo, value: Option<Vec<u8>>) {
    versions.retain(|(written, _)| *written < seqno);
    versions.push((seqno, value.map(Rc::from)));
}
