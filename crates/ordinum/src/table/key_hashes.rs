//! The hashes of a table's keys, which its filter is made from when all are known.
//!
//! Invariant: every chunk but the last is full, so that no memory is held for keys that may never come, and none is copied.

/// So many hashes are one piece of memory: 64 KiB.
const CHUNK: usize = 8 << 10;

/// Hashes, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct KeyHashes {
    chunks: Vec<Vec<u64>>,
}

impl KeyHashes {
    pub(super) fn push(&mut self, hash: u64) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(hash),
            Some(_) | None => {
                // A table of few keys takes what they need.
                let mut chunk = if self.chunks.is_empty() { Vec::new() } else { Vec::with_capacity(CHUNK) };
                chunk.push(hash);
                self.chunks.push(chunk);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.chunks.iter().flatten().copied()
    }
}
