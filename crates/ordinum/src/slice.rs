//! A value that a read returns: shared bytes, pinned where they lie when that costs no copy.
//!
//! Invariant: the bytes of a slice never change while it lives, whatever the database does.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Values up to this length that are copied take one allocation, which holds them; longer ones stay in their vector.
const COPIED_BYTES_MAX: usize = 4096;

/// Shared, immutable bytes; cheap to clone.
#[derive(Clone)]
pub struct Slice(Bytes);

#[derive(Clone)]
enum Bytes {
    Own(Arc<[u8]>),
    Pinned { owner: Arc<dyn AsRef<[u8]> + Send + Sync>, at: usize, len: usize },
    Held { holder: Arc<dyn Holder>, place: u32 },
}

/// What has many values, which stay where they lie as long as it is there.
///
/// [`Holder::value`] returns the same bytes of a place every time.
pub(crate) trait Holder: Send + Sync {
    /// The value in a place; the places are the holder's to give, with itself.
    fn value(&self, place: u32) -> &[u8];
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
        Some(Slice(Bytes::Pinned { owner, at, len }))
    }

    /// The value in a place of what holds it, without a copy.
    #[inline]
    pub(crate) fn held(holder: Arc<dyn Holder>, place: u32) -> Slice {
        Slice(Bytes::Held { holder, place })
    }

    /// The same bytes for who keeps them: what lies among others is copied, so that these may go.
    #[must_use]
    pub fn detached(self) -> Slice {
        match &self.0 {
            Bytes::Held { .. } => Slice::from(&*self),
            Bytes::Pinned { owner, len, .. } if (**owner).as_ref().len() / 2 > *len => Slice::from(&*self),
            Bytes::Pinned { .. } | Bytes::Own(_) => self,
        }
    }
}

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Own(bytes) => bytes,
            Bytes::Pinned { owner, at, len } => (**owner).as_ref().get(*at..*at + *len).unwrap_or_default(),
            Bytes::Held { holder, place } => holder.value(*place),
        }
    }
}

impl Default for Slice {
    fn default() -> Slice {
        Slice(Bytes::Own(Arc::default()))
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Slice {
        if bytes.len() <= COPIED_BYTES_MAX {
            return Slice::from(bytes.as_slice());
        }
        let len = bytes.len();
        Slice(Bytes::Pinned { owner: Arc::new(bytes), at: 0, len })
    }
}

impl From<&[u8]> for Slice {
    fn from(bytes: &[u8]) -> Slice {
        // Those without bytes share one place.
        if bytes.is_empty() { Slice::default() } else { Slice(Bytes::Own(Arc::from(bytes))) }
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
