//! The clock seam: time is read and waited for only here, so that tests own it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock.
pub trait Clock: Send + Sync + Debug {
    /// Time since a fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// Time since the Unix epoch; may jump.
    fn unix(&self) -> Duration;
    /// Returns when the duration has passed on this clock.
    fn wait(&self, duration: Duration);
    /// How long somebody who waits for something else may leave this clock alone: one that is moved by hand wakes nobody.
    fn patience(&self) -> Duration {
        Duration::from_millis(10)
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct OsClock {
    start: Instant,
}

#[allow(clippy::disallowed_methods, reason = "this is the seam")]
impl Default for OsClock {
    fn default() -> OsClock {
        OsClock { start: Instant::now() }
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the seam")]
impl Clock for OsClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn unix(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn wait(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn patience(&self) -> Duration {
        Duration::MAX
    }
}

/// A clock that moves only when it is told to: waiting moves it, so nobody waits in vain.
#[derive(Debug, Default)]
pub struct ManualClock {
    nanoseconds: AtomicU64,
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::SeqCst))
    }

    fn unix(&self) -> Duration {
        self.monotonic()
    }

    fn wait(&self, duration: Duration) {
        self.advance(duration);
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(1)
    }
}
