//! What flush and compaction make of merge entries: one entry of those between which nobody reads.

use super::chain::{Chain, Operator};
use crate::error::Result;
use crate::key::{Kind, SeqNo};
use crate::slice::Slice;

/// The merge entry of a key that was read last, while it is not known what stands below it.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) seqno: SeqNo,
    chain: Chain,
}

/// From so many bytes on, entries stay apart.
const FOLDED_BYTES_MAX: usize = 16 << 20;

impl Pending {
    pub(crate) fn new(operator: Operator<'_>, key: &[u8], seqno: SeqNo, value: Slice) -> Result<Pending> {
        Ok(Pending { seqno, chain: Chain::new(operator, key, value)? })
    }

    /// Whether nothing older makes a difference.
    pub(crate) fn is_ready(&self) -> bool {
        self.chain.is_complete()
    }

    /// Nothing stands below.
    pub(crate) fn end(&mut self) {
        self.chain.end();
    }

    /// Whether an older version of so many bytes can become part of the entry.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.chain.bytes().saturating_add(bytes) <= FOLDED_BYTES_MAX
    }

    /// Takes the next older version, which nobody else reads.
    pub(crate) fn take(
        &mut self,
        operator: Operator<'_>,
        key: &[u8],
        kind: Kind,
        value: Slice,
    ) -> Result<()> {
        self.chain.add(operator, key, kind, value)
    }

    /// The entry that stands for all that were taken.
    pub(crate) fn entry(&self, operator: Operator<'_>, key: &[u8]) -> (Kind, Slice) {
        self.chain.fold(operator, key)
    }
}
