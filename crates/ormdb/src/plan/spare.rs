//! A chunk builder for the next run of a plan: of a result of few rows, making the memory for its columns is much of the work.
//!
//! Invariant: one that is kept is empty, and of the plan's shape.

use std::sync::Arc;

use ormdb_proto::result::{ChunkBuilder, ResultShape};
use parking_lot::Mutex;

/// The most memory of a builder that is kept, in bytes; as many plans as there are keep one each.
const KEPT_BYTES_MAX: usize = 4 << 10;

/// A builder that nobody uses, if there is one.
#[derive(Default)]
pub(crate) struct SpareBuilder(Mutex<Option<ChunkBuilder>>);

impl SpareBuilder {
    /// The builder that is kept, or a new one.
    pub(crate) fn take(&self, shape: &Arc<ResultShape>) -> ChunkBuilder {
        // Who has to wait for it is as quick without.
        let kept = self.0.try_lock().and_then(|mut kept| kept.take());
        kept.unwrap_or_else(|| ChunkBuilder::new(Arc::clone(shape)))
    }

    /// Keeps an empty builder, unless it is a large one.
    pub(crate) fn keep(&self, builder: ChunkBuilder) {
        if builder.capacity() <= KEPT_BYTES_MAX
            && let Some(mut kept) = self.0.try_lock()
        {
            *kept = Some(builder);
        }
    }
}
