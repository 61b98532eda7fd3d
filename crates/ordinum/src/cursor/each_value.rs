//! The values of many keys that stand side by side, without a look at each of the keys.

use std::ops::{Bound, ControlFlow};

use super::{Cursor, Stand};
use crate::error::Result;
use crate::iter::InternalIterator;
use crate::reader::KeyRange;

impl Cursor {
    /// Shows the values of the keys from the one that it stands on, as long as they begin with `prefix`; stands on the first that does
    /// not then, or nowhere. Where `see` breaks off, it stands on the key whose value that has seen.
    ///
    /// The same as [`Cursor::next`] and [`Cursor::value`] in turn, but that most steps look at no more of an entry than tells that it
    /// is there.
    ///
    /// # Errors
    /// As [`Cursor::next`] and [`Cursor::value`].
    pub fn each_value(
        &mut self,
        prefix: &[u8],
        mut see: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let end = self.end_of(prefix);
        while self.is_within(prefix) {
            if see(self.value()?).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if let (Stand::Forward, Some(end), true) = (&self.stand, &end, self.cover.is_empty()) {
                self.separated.take();
                if self.entries.show_on(end, self.seqno, &mut see)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            self.next()?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Says that this key will be sought next, which lies ahead: what that takes is fetched while the cursor walks there, unless it would
    /// have to be read from a file.
    pub fn announce(&mut self, key: &[u8]) {
        if self.stand == Stand::Forward {
            self.entries.announce(key);
        }
    }

    /// Says that some of these keys, which ascend, will be sought next, in this order: what that takes is fetched for all of them side by
    /// side, unless it would have to be read from a file. A dozen keys or so go well together.
    pub fn announce_each(&mut self, keys: &[&[u8]]) {
        self.entries.announce_each(keys);
    }

    /// Before which key all keys of the range end that begin with `prefix`, if there is such a key.
    fn end_of(&self, prefix: &[u8]) -> Option<Vec<u8>> {
        match (KeyRange::prefix(prefix).end, &self.range.end) {
            (Bound::Excluded(end), Bound::Unbounded) => Some(end),
            (Bound::Unbounded, Bound::Excluded(end)) => Some(end.clone()),
            (Bound::Excluded(a), Bound::Excluded(b)) => Some(if a < *b { a } else { b.clone() }),
            (_, Bound::Included(_)) | (_, Bound::Unbounded) | (Bound::Included(_), _) => None,
        }
    }
}
