//! The entropy seam: random bytes come only from here, so that tests own them.

use std::fmt::Debug;

use crate::error::{Error, Result};

/// Where random bytes come from.
pub trait Entropy: Send + Sync + Debug {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`Error::Io`] if the source fails.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

/// The random source of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|error| Error::Io {
            operation: "read random bytes from",
            path: "the system".into(),
            source: std::io::Error::other(error.to_string()),
        })
    }
}
