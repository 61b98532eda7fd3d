//! Which history a database has, and places in it.
//!
//! Two databases with one history have the same commits as far as both reach. A history begins with a random number when a
//! database is created; a database that goes on from what another one had begins a history of its own there, and knows the
//! one before: what was told a place before the fork can go on at it.
//!
//! Invariants:
//! (1) no two commits ever have the same history and sequence number;
//! (2) the histories of a database ascend by where they begin; the last one is that of its next commit.

#![deny(clippy::indexing_slicing)]

use std::fmt;

use crate::entropy::Entropy;
use crate::error::Result;
use crate::key::SeqNo;

/// The most histories that a database remembers: what came before the oldest of them is another database to it.
pub(crate) const HISTORIES_MAX: usize = 64;

/// The name of a history: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryId([u8; 16]);

impl HistoryId {
    /// The history with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> HistoryId {
        HistoryId(bytes)
    }

    /// The bytes, to be stored beside a sequence number.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    pub(crate) fn random(entropy: &dyn Entropy) -> Result<HistoryId> {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes)?;
        Ok(HistoryId(bytes))
    }
}

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A place in a history: behind the commit with this sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The history.
    pub history: HistoryId,
    /// The sequence number in it.
    pub seqno: SeqNo,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of history {}", self.seqno, self.history)
    }
}

/// The histories that a database has gone through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histories {
    /// Each with the sequence number behind which it begins.
    begun: Vec<(SeqNo, HistoryId)>,
}

impl Histories {
    /// The one that goes on.
    pub(crate) fn current(&self) -> Option<HistoryId> {
        self.begun.last().map(|(_, id)| *id)
    }

    /// Begins a history behind this sequence number; whether it fits.
    #[must_use]
    pub(crate) fn begin(&mut self, id: HistoryId, behind: SeqNo) -> bool {
        let fits = self.begun.last().is_none_or(|(last, _)| *last <= behind);
        if fits {
            if self.begun.len() >= HISTORIES_MAX {
                self.begun.remove(0);
            }
            self.begun.push((behind, id));
        }
        fits
    }

    /// Whether a commit with this position, if there is one, is a commit of this database.
    pub(crate) fn has(&self, position: Position) -> bool {
        let Some(at) = self.begun.iter().rposition(|(_, id)| *id == position.history) else { return false };
        self.begun.get(at + 1).is_none_or(|(end, _)| position.seqno <= *end)
    }

    /// All of them, in the order in which they were begun.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SeqNo, HistoryId)> {
        self.begun.iter().copied()
    }
}

#[cfg(test)]
mod tests;
