//! Builds the bytes of one block; block.rs has the diagram.

use crate::varint;

/// Builds one block at a time.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    restart_interval: usize,
    since_restart: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    /// A builder of blocks whose every `restart_interval`th key stands whole.
    pub(crate) fn new(restart_interval: usize) -> BlockBuilder {
        BlockBuilder {
            bytes: Vec::new(),
            restarts: Vec::new(),
            restart_interval: restart_interval.max(1),
            since_restart: 0,
            last_key: Vec::new(),
        }
    }

    /// Appends an entry, which must be after the last one.
    pub(crate) fn add(&mut self, user_key: &[u8], trailer: u64, value: &[u8]) {
        let at = u32::try_from(self.bytes.len());
        let shared = match at {
            Ok(at) if self.restarts.is_empty() || self.since_restart >= self.restart_interval => {
                self.restarts.push(at);
                self.since_restart = 0;
                0
            }
            Ok(_) | Err(_) => common_prefix(&self.last_key, user_key),
        };
        self.since_restart += 1;
        let suffix = user_key.get(shared..).unwrap_or_default();
        push_len(&mut self.bytes, shared);
        push_len(&mut self.bytes, suffix.len());
        push_len(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(&trailer.to_le_bytes());
        self.bytes.extend_from_slice(suffix);
        self.bytes.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(suffix);
    }

    /// Whether the block has no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// How many bytes the block would have now.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + 4 * self.restarts.len() + 4
    }

    /// Writes the restart array; the bytes stay until [`BlockBuilder::clear`].
    pub(crate) fn finish(&mut self) -> &[u8] {
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        let count = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&count.to_le_bytes());
        &self.bytes
    }

    /// Begins the next block.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.restarts.clear();
        self.since_restart = 0;
        self.last_key.clear();
    }
}

fn push_len(out: &mut Vec<u8>, len: usize) {
    varint::push_u64(out, u64::try_from(len).unwrap_or(u64::MAX));
}

/// How many leading bytes `a` and `b` share.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
