//! A cursor on a key whose entries are operands: what they come to is kept aside.

use super::{Aside, Cursor};
use crate::error::{Error, Result};
use crate::iter::{InternalIterator, next_key_by_steps};
use crate::key::{self, Kind, SeqNo};
use crate::merge_operator::{Chain, Operator};

impl Cursor {
    /// From what was merged on to the next key that is shown.
    #[cold]
    pub(super) fn forward_from_merged(&mut self) -> Result<bool> {
        let key = std::mem::take(&mut self.aside.key);
        let found = self.entries.valid() && next_key_by_steps(&mut self.entries, &key)?;
        self.forward_to_visible(found)
    }

    /// Keeps aside what the visible entries of a key come to; the entries stand on the newest of them, a merge entry.
    #[cold]
    pub(super) fn merge(&mut self) -> Result<()> {
        let key = self.entries.user_key().to_vec();
        let seqno = key::split_trailer(self.entries.trailer()).0;
        let family = self.merging.clone();
        let none = Operator { family: "", merges: None };
        let operator = family.as_ref().map_or(none, |family| family.family.operator());
        let mut chain = Chain::new(operator, &key, self.entries.value_slice())?;
        let hidden = self.cover.newest(&key);
        while !chain.is_complete() {
            if !self.entries.next()? || self.entries.user_key() != key {
                chain.end();
                break;
            }
            let (older, kind) = key::split_trailer(self.entries.trailer());
            if older < hidden {
                chain.end();
                break;
            }
            if self.visible(older) {
                let message = || "an entry of a kind that nobody writes was read".to_owned();
                let kind = Kind::from_byte(kind).ok_or_else(|| Error::Bug { message: message() })?;
                let value = match &self.values {
                    Some(values) if kind == Kind::Pointer => values.read(self.entries.value())?,
                    Some(_) | None => self.entries.value_slice(),
                };
                chain.add(operator, &key, kind, value)?;
            }
        }
        let value = chain.value(operator, &key)?;
        self.aside = Aside { key, value, seqno, kind: Kind::Put as u8 };
        Ok(())
    }

    /// As [`Cursor::merge`], of the key that is kept aside, whose newest visible entry was written at `seqno`; the entries
    /// stand before all of its versions, before and behind.
    #[cold]
    pub(super) fn merge_back(&mut self, seqno: SeqNo) -> Result<()> {
        let key = self.aside.key.clone();
        self.entries.seek(&key, key::trailer(seqno, Kind::Merge))?;
        self.merge()?;
        self.entries.seek_before(&key, u64::MAX)?;
        Ok(())
    }
}
