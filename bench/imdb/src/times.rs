//! Times of operations, and what came of them.

use std::time::Instant;

use crate::driver::Run;
use crate::process_cpu;

/// Counts what a driver of this process runs.
pub(crate) struct Times {
    began: Instant,
    cpu: f64,
}

impl Times {
    pub(crate) fn begin() -> Times {
        Times { cpu: process_cpu::own_micros(), began: Instant::now() }
    }

    /// What came of operations that took so many microseconds each.
    pub(crate) fn end(self, mut micros: Vec<f64>) -> Run {
        let seconds = self.began.elapsed().as_secs_f64();
        let cpu = process_cpu::own_micros() - self.cpu;
        micros.sort_by(f64::total_cmp);
        let last = micros.len().saturating_sub(1);
        let at = |per_cent: usize| micros.get(last * per_cent / 100).copied().unwrap_or(f64::NAN);
        Run { operations: micros.len() as u64, seconds, p50: at(50), p99: at(99), cpu }
    }
}
