//! Random bytes that a seed decides, for the engine's entropy seam.

use std::sync::atomic::{AtomicU64, Ordering};

use ordinum::Result;
use ordinum::entropy::Entropy;

/// Gives the same bytes for the same seed.
#[derive(Debug)]
pub struct SeededEntropy {
    state: AtomicU64,
}

impl SeededEntropy {
    /// Begins with the seed.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy { state: AtomicU64::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        let seed = self.state.fetch_add(1, Ordering::Relaxed);
        fastrand::Rng::with_seed(seed).fill(bytes);
        Ok(())
    }
}
