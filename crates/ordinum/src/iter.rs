//! The one interface of everything that yields internal entries in order: memtables, blocks, tables, levels, merges.

use crate::error::Result;

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
    /// To the last entry strictly before (`user_key`, `trailer`) in internal order.
    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool>;
    /// To the entry after this one. Must stand on an entry.
    fn next(&mut self) -> Result<bool>;
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

impl InternalIterator for Box<dyn InternalIterator> {
    fn first(&mut self) -> Result<bool> {
        (**self).first()
    }

    fn last(&mut self) -> Result<bool> {
        (**self).last()
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        (**self).seek(user_key, trailer)
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        (**self).seek_before(user_key, trailer)
    }

    fn next(&mut self) -> Result<bool> {
        (**self).next()
    }

    fn prev(&mut self) -> Result<bool> {
        (**self).prev()
    }

    fn valid(&self) -> bool {
        (**self).valid()
    }

    fn user_key(&self) -> &[u8] {
        (**self).user_key()
    }

    fn trailer(&self) -> u64 {
        (**self).trailer()
    }

    fn value(&self) -> &[u8] {
        (**self).value()
    }

    fn value_slice(&self) -> crate::slice::Slice {
        (**self).value_slice()
    }
}

#[cfg(test)]
pub(crate) mod model;
