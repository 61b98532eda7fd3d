//! Shares out what background work may write in a second.
//!
//! A bucket fills with the rate and holds a tenth of a second's worth. Whoever may wait takes from it only what is in it,
//! and sleeps on the clock until there is enough; whoever may not wait takes at once, and the bucket owes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::error::Result;
use crate::fs::WritableFile;
use crate::sync::Mutex;

/// The bucket holds what comes in this time.
const BURST: Duration = Duration::from_millis(100);
/// The longest sleep at a time: the database may close meanwhile.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Writers wait for it: a flush.
    Urgent,
    /// Nobody waits for it: a compaction.
    Patient,
}

/// A limit of bytes in a second.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    clock: Arc<dyn Clock>,
    bytes_per_second: u64,
    bucket: Mutex<Bucket>,
    /// Set when nobody is to wait any more.
    stopped: AtomicBool,
}

/// What is in the bucket is told as time: what is owed is paid for when the clock has come that far.
#[derive(Debug)]
struct Bucket {
    paid_until: Duration,
}

impl RateLimiter {
    /// A limit, or none for 0.
    pub(crate) fn new(clock: Arc<dyn Clock>, bytes_per_second: u64) -> Option<RateLimiter> {
        let bucket = Mutex::new(Bucket { paid_until: clock.monotonic() });
        let stopped = AtomicBool::new(false);
        (bytes_per_second > 0).then_some(RateLimiter { clock, bytes_per_second, bucket, stopped })
    }

    /// Takes `bytes`, and returns when they may be written.
    pub(crate) fn take(&self, bytes: usize, haste: Haste) {
        let cost = self.time_of(bytes);
        let due = {
            let mut bucket = self.bucket.lock();
            let now = self.clock.monotonic();
            let due = bucket.paid_until.max(now.saturating_sub(BURST));
            bucket.paid_until = due.saturating_add(cost);
            due
        };
        match haste {
            Haste::Urgent => {}
            Haste::Patient => {
                let rest = || due.checked_sub(self.clock.monotonic()).filter(|rest| !rest.is_zero());
                while let Some(rest) = rest().filter(|_| !self.stopped.load(Ordering::Acquire)) {
                    self.clock.wait(rest.min(WAIT_MAX));
                }
            }
        }
    }

    /// Lets everybody go on, now and later: the database closes, and its work is about to end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    fn time_of(&self, bytes: usize) -> Duration {
        let nanoseconds = (bytes as u128).saturating_mul(1_000_000_000) / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// A file whose appends are paid for.
#[derive(Debug)]
pub(crate) struct LimitedFile {
    pub(crate) file: Box<dyn WritableFile>,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) haste: Haste,
}

impl WritableFile for LimitedFile {
    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.limiter.take(bytes.len(), self.haste);
        self.file.append(bytes)
    }

    fn sync(&self) -> Result<()> {
        self.file.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn limiter(bytes_per_second: u64) -> (Arc<ManualClock>, RateLimiter) {
        let clock = Arc::new(ManualClock::default());
        let limiter = RateLimiter::new(Arc::<ManualClock>::clone(&clock), bytes_per_second).unwrap();
        (clock, limiter)
    }

    #[test]
    fn patient_work_takes_the_time_that_the_rate_gives() {
        let (clock, limiter) = limiter(1000);
        for _ in 0..50 {
            limiter.take(200, Haste::Patient);
        }
        // The last one is written when all before it are paid for.
        assert_eq!(clock.monotonic(), Duration::from_millis(49 * 200));
    }

    #[test]
    fn urgent_work_does_not_wait_and_patient_work_pays_for_it() {
        let (clock, limiter) = limiter(1000);
        limiter.take(3000, Haste::Urgent);
        assert_eq!(clock.monotonic(), Duration::ZERO);
        limiter.take(1, Haste::Patient);
        assert_eq!(clock.monotonic(), Duration::from_secs(3));
    }

    #[test]
    fn what_was_not_used_is_kept_for_a_moment_only() {
        let (clock, limiter) = limiter(1000);
        clock.advance(Duration::from_secs(60));
        limiter.take(100, Haste::Patient);
        limiter.take(100, Haste::Patient);
        assert_eq!(clock.monotonic(), Duration::from_secs(60));
        limiter.take(1, Haste::Patient);
        assert_eq!(clock.monotonic(), Duration::from_millis(60_100));
    }

    #[test]
    fn nobody_waits_once_the_database_closes() {
        let (clock, limiter) = limiter(1);
        limiter.take(1_000_000, Haste::Urgent);
        limiter.stop();
        limiter.take(1, Haste::Patient);
        assert_eq!(clock.monotonic(), Duration::ZERO);
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert!(RateLimiter::new(Arc::new(ManualClock::default()), 0).is_none());
    }
}
