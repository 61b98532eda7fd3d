//! Runs the inputs of one target in a process of its own.
//!
//! Invariants: (1) an input stands in the scratch file before it runs, so that whatever ends the process leaves the
//! input behind; (2) the target runs on a thread whose stack is as small as a server thread's; (3) the first failure
//! ends the process.

use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::targets::Target;
use crate::{allocation, mutator};

/// Bytes of stack that a target may use: what a thread has by default.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Seconds without an input finished after which a target hangs.
const HANG_SECONDS: u64 = 10;

/// What a worker runs.
pub struct Work {
    /// The target.
    pub target: &'static Target,
    /// The inputs that are mutated; each runs unchanged first.
    pub corpus: Vec<Vec<u8>>,
    /// The seed of the mutations.
    pub seed: u64,
    /// How long to go on; the corpus itself always runs.
    pub time: Duration,
}

impl Work {
    /// Runs until the time is over and returns how many inputs ran. Does not return from a failure: the process ends.
    ///
    /// # Errors
    /// Those of the scratch file and of starting a thread.
    pub fn run(self, scratch: &Path) -> io::Result<u64> {
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).open(scratch)?;
        let finished = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&finished);
        let (done, wait) = mpsc::channel();
        let name = self.target.name;
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let result = self.run_all(&file, &counter);
            // The receiver waits as long as the process lives.
            done.send(result).ok();
        })?;
        loop {
            let before = finished.load(Ordering::Relaxed);
            match wait.recv_timeout(Duration::from_secs(HANG_SECONDS)) {
                Ok(result) => {
                    result?;
                    return Ok(finished.load(Ordering::Relaxed));
                }
                Err(RecvTimeoutError::Timeout) if finished.load(Ordering::Relaxed) > before => {}
                Err(_) => fail(name, before, &format!("no end after {HANG_SECONDS} s")),
            }
        }
    }

    fn run_all(&self, file: &std::fs::File, finished: &AtomicU64) -> io::Result<()> {
        let started = now();
        for input in &self.corpus {
            self.run_one(input, file, finished)?;
        }
        for number in 0_u64.. {
            if started.elapsed() >= self.time {
                break;
            }
            let input =
                mutator::input(&self.corpus, self.target.dictionary, self.target.form, self.seed, number);
            self.run_one(&input, file, finished)?;
        }
        Ok(())
    }

    fn run_one(&self, input: &[u8], file: &std::fs::File, finished: &AtomicU64) -> io::Result<()> {
        file.write_all_at(input, 0)?;
        file.set_len(u64::try_from(input.len()).unwrap_or(u64::MAX))?;
        let number = finished.load(Ordering::Relaxed);
        if let Err(failure) = check(self.target, input) {
            fail(self.target.name, number, &failure);
        }
        finished.store(number + 1, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs one input; what went wrong otherwise. A stack overflow or an abort ends the process instead.
///
/// # Errors
/// A sentence that says what went wrong.
pub fn check(target: &Target, input: &[u8]) -> Result<(), String> {
    let before = allocation::restart();
    let run = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let allocated = allocation::peak().saturating_sub(before);
    if run.is_err() {
        return Err("panic".to_owned());
    }
    if allocated > target.allocation_bytes_max {
        let limit = target.allocation_bytes_max;
        return Err(format!("{allocated} bytes allocated at once, more than {limit}"));
    }
    Ok(())
}

fn fail(target: &str, number: u64, what: &str) -> ! {
    println!("{target}: input {number}: {what}");
    process::exit(1)
}

#[expect(clippy::disallowed_methods, reason = "the time bound of a run; no input depends on it")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
