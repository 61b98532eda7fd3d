//! A value that a read returns: shared bytes, pinned where they lie when that costs no copy.
//!
//! Invariant: the bytes of a slice never change while it lives, whatever the database does.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Shared, immutable bytes; cheap to clone.
#[derive(Clone)]
pub struct Slice {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    at: usize,
    len: usize,
}

impl Slice {
    /// The bytes `at..at + len` of what `owner` holds, without a copy; none if they are out of its bounds.
    ///
    /// `owner.as_ref()` must return the same bytes every time.
    pub(crate) fn pinned(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, at: usize, len: usize) -> Option<Slice> {
        let end = at.checked_add(len)?;
        if end > (*owner).as_ref().len() {
            return None;
        }
        Some(Slice { owner, at, len })
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.owner).as_ref().get(self.at..self.at + self.len).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Slice {
        let len = bytes.len();
        Slice { owner: Arc::new(bytes), at: 0, len }
    }
}

impl From<&[u8]> for Slice {
    fn from(bytes: &[u8]) -> Slice {
        Slice::from(bytes.to_vec())
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Slice) -> bool {
        **self == **other
    }
}

impl Eq for Slice {}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}
