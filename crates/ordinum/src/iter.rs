//! The one interface of everything that yields internal entries in order: memtables, blocks, tables, levels, merges.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::key::SeqNo;

/// A cursor over internal entries, ascending by [`crate::key::compare`].
///
/// A new cursor stands nowhere. Every move returns whether it now stands on an entry; `user_key`, `trailer` and
/// `value` may be called only while it does, and what they return is valid until the next move.
/// A move past either end leaves the cursor standing nowhere; after an error it stands nowhere too.
pub(crate) trait InternalIterator: Send {
    /// To the first entry.
    fn first(&mut self) -> Result<bool>;
    /// To the last entry.
    fn last(&mut self) -> Result<bool>;
    /// To the first entry at or after (`user_key`, `trailer`) in internal order.
    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool>;
    /// To the first entry at or after (`user_key`, `trailer`), for who moves forward: it is behind the entry that this stands on, near
    /// as a rule. Must stand on an entry.
    fn seek_on(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.seek(user_key, trailer)
    }
    /// Says that this key will be sought next, behind a walk over what stands before it: what that takes is fetched ahead, where it
    /// costs no reading. Must stand on an entry.
    fn announce(&mut self, _user_key: &[u8]) {}
    /// Says that some of these keys, which ascend, will be sought next, in this order: what that takes is fetched for all of them at
    /// once, where it costs no reading.
    fn announce_each(&mut self, _user_keys: &[&[u8]]) {}
    /// To the last entry strictly before (`user_key`, `trailer`) in internal order.
    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool>;
    /// To the entry after this one. Must stand on an entry.
    fn next(&mut self) -> Result<bool>;
    /// To the first entry of the next user key. Must stand on an entry.
    fn next_key(&mut self) -> Result<bool> {
        let left = self.user_key().to_vec();
        next_key_by_steps(self, &left)
    }
    /// On to further user keys before `end`, as long as the newest entry of each is a put at or below `newest`, whose value it shows;
    /// stands on the last one that it showed, or where it stood. It may stop earlier, and does nothing as a rule: its caller goes on
    /// by [`InternalIterator::next_key`] and looks. Must stand on an entry.
    fn show_on(
        &mut self,
        _end: &[u8],
        _newest: SeqNo,
        _see: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>>
    where
        Self: Sized,
    {
        Ok(ControlFlow::Continue(()))
    }
    /// On from an entry that a range tombstone with this sequence number hides, which covers every key from here on and before
    /// `end`: to the next entry, or as far beyond as all that is left out is hidden too. Must stand on an entry.
    fn skip_on(&mut self, _end: Option<&[u8]>, _seqno: SeqNo) -> Result<bool> {
        self.next()
    }
    /// Back from an entry that a range tombstone with this sequence number hides, which covers every key from `start` on: to
    /// the entry before, or as far beyond as all that is left out is hidden too. Must stand on an entry.
    fn skip_back(&mut self, _start: &[u8], _seqno: SeqNo) -> Result<bool> {
        self.prev()
    }
    /// To the entry before this one. Must stand on an entry.
    fn prev(&mut self) -> Result<bool>;
    /// Whether the cursor stands on an entry.
    fn valid(&self) -> bool;
    /// The user key of the entry.
    fn user_key(&self) -> &[u8];
    /// The trailer of the entry: sequence number and kind.
    fn trailer(&self) -> u64;
    /// The value of the entry; empty for a deletion.
    fn value(&self) -> &[u8];
    /// The value, pinned where it lies if that costs no copy.
    fn value_slice(&self) -> crate::slice::Slice;
}

/// How many entries are stepped over to what is sought ahead, before it is searched for: more where that led there, fewer where it
/// did not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stride(u32);

impl Stride {
    const AT_FIRST: u32 = 4;
    const MAX: u32 = 16;

    pub(crate) const fn new() -> Stride {
        Stride(Stride::AT_FIRST)
    }

    /// The steps to try.
    pub(crate) const fn steps(self) -> u32 {
        self.0
    }

    /// Whether what was sought last lay too far ahead to be stepped to.
    pub(crate) const fn is_short(self) -> bool {
        self.0 < Stride::AT_FIRST
    }

    /// Takes note of whether the steps led to what was sought.
    pub(crate) fn took(&mut self, reached: bool) {
        self.0 = if reached { (self.0 * 2).min(Stride::MAX) } else { (self.0 / 2).max(1) };
    }
}

/// Versions of one key that are stepped over before a seek goes across the rest.
pub(crate) const STEPS_BEFORE_SEEK: u32 = 8;

/// To the first entry behind those of the user key `left`, one of which it stands on.
pub(crate) fn next_key_by_steps<I: InternalIterator + ?Sized>(entries: &mut I, left: &[u8]) -> Result<bool> {
    let mut steps = 0;
    while entries.user_key() == left {
        let found = if steps < STEPS_BEFORE_SEEK {
            entries.next()?
        } else {
            // The smallest trailer is 0; an entry with it is stepped over by the next turn.
            steps = 0;
            entries.seek(left, 0)?
        };
        if !found {
            return Ok(false);
        }
        steps += 1;
    }
    Ok(true)
}

#[cfg(test)]
pub(crate) mod model;
