//! What a transaction depends on, compared between its snapshot and a newer one: for those that are open so long that the
//! commits meanwhile are not remembered.
//!
//! Invariants:
//! (1) both snapshots are pinned, so that what they see is there, and no commit changes it any more: nobody is held up;
//! (2) a key is unchanged if both see the same version of it, or neither sees one. What came and went meanwhile is as it was,
//!     and whoever read it might have read it at the newer snapshot.

use super::{Check, Overlay};
use crate::db::Core;
use crate::error::{Error, Result};
use crate::family::{ColumnFamily, FamilyId};
use crate::key::SeqNo;
use crate::reader::KeyRange;

/// Two pinned snapshots.
pub(crate) struct Versions<'a> {
    pub(crate) core: &'a Core,
    pub(crate) before: SeqNo,
    pub(crate) now: SeqNo,
}

impl Versions<'_> {
    /// Refuses if something differs that was read or is written.
    pub(crate) fn check(&self, check: &Check<'_>, writes: &Overlay) -> Result<()> {
        for (family, keys, ranges) in writes.written() {
            let family = self.family(family)?;
            for key in keys {
                self.check_key(&family, key)?;
            }
            for (start, end) in ranges.union() {
                self.check_range(&family, &KeyRange::half_open(&start, &end))?;
            }
        }
        for (family, key) in check.reads.keys() {
            self.check_key(&self.family(family)?, key)?;
        }
        let differs =
            |id, range: &KeyRange| self.family(id).and_then(|family| self.check_range(&family, range)).err();
        check.reads.find_range(differs).map_or(Ok(()), Err)
    }

    /// Refuses if something in the range differs.
    pub(crate) fn check_range(&self, family: &ColumnFamily, range: &KeyRange) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let mut before = self.core.cursor_at(family, range.clone(), self.before)?;
        let mut now = self.core.cursor_at(family, range.clone(), self.now)?;
        let (mut was, mut is) = (before.first()?, now.first()?);
        while was && is {
            if before.key() != now.key() || before.seqno() != now.seqno() {
                return Err(self.conflict(None));
            }
            (was, is) = (before.next()?, now.next()?);
        }
        if was || is { Err(self.conflict(None)) } else { Ok(()) }
    }

    fn check_key(&self, family: &ColumnFamily, key: &[u8]) -> Result<()> {
        let version =
            |at| -> Result<Option<SeqNo>> { Ok(self.core.get_at(family, key, at)?.map(|(_, seqno)| seqno)) };
        let now = version(self.now)?;
        if version(self.before)? == now { Ok(()) } else { Err(self.conflict(now)) }
    }

    fn family(&self, id: FamilyId) -> Result<ColumnFamily> {
        self.core.families.read().get(&id).cloned().ok_or_else(|| self.conflict(None))
    }

    /// The conflict with a version; where it is none, with all that is seen by now.
    fn conflict(&self, newer: Option<SeqNo>) -> Error {
        Error::Conflict { read_at: self.before, newer: newer.unwrap_or(self.now) }
    }
}

#[cfg(test)]
mod tests;
