//! How a transaction is run again that could not run beside others.

use std::time::Duration;

use crate::error::{Error, ErrorCode, Limit};

/// How often, and after which pauses, a transaction is run again that conflicted with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often it is run again at most.
    pub retries_max: u32,
    /// The pause before the first time; each one after is twice as long.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { retries_max: 32, pause_min: Duration::from_millis(1), pause_max: Duration::from_millis(100) }
    }
}

impl Retry {
    /// No second time.
    pub const NEVER: Retry = Retry { retries_max: 0, pause_min: Duration::ZERO, pause_max: Duration::ZERO };

    /// The pause before it is run again after `retries` times, or the error to end with: one that another run would meet
    /// again, or, with the bound beside it, the last of too many. `salt` is a number that others who conflict do not have: it
    /// spreads them in time.
    ///
    /// # Errors
    /// As said.
    pub fn pause(&self, error: Error, retries: u32, salt: u64) -> Result<Duration, Error> {
        // What was cancelled is not wanted, and what a lock was waited for in vain has waited long enough.
        if !matches!(error.code, ErrorCode::SerializationConflict | ErrorCode::Deadlock) {
            return Err(error);
        }
        self.pause_after(error, retries, salt)
    }

    /// As [`pause`](Self::pause), of an error of which the caller knows that another run may pass it.
    ///
    /// # Errors
    /// The last of too many.
    pub fn pause_after(&self, error: Error, retries: u32, salt: u64) -> Result<Duration, Error> {
        if retries >= self.retries_max {
            let mut error = error.hint(format!("it was run again {retries} times (`retries_max`)"));
            let asked = u64::from(retries) + 1;
            let name = "retries_max".to_owned();
            error.detail.limit = Some(Limit { name, allowed: u64::from(self.retries_max), asked });
            return Err(error);
        }
        let longest = self.pause_min.saturating_mul(1 << retries.min(20)).min(self.pause_max);
        // Between the half and the whole of it (splitmix64).
        let mut spread =
            salt.wrapping_add(u64::from(retries)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        spread ^= spread >> 31;
        let share = u32::try_from(spread % 512).unwrap_or(0) + 512;
        Ok(longest.saturating_mul(share) / 1024)
    }
}

#[cfg(test)]
mod tests;
