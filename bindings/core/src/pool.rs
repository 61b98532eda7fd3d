//! The threads that embedded work runs on where its caller does not wait.
//!
//! Invariants: (1) no more threads than the lanes allow, whatever is asked for; (2) a statement of an open transaction never
//! waits behind statements that wait for that transaction's locks: each lane has threads of its own; (3) a thread that had
//! nothing to do for [`IDLE_MAX`] ends.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::{Condvar, Mutex};

use crate::origin::PerProcess;

/// How long a thread waits for work.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How much work may wait in a lane.
const WAITING_MAX: usize = 65_536;

/// Work that shares threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Statements of their own, openings, schemas.
    Statements,
    /// Statements of open transactions.
    Transactions,
    /// Results that are read part by part, each for as long as it is read.
    Streams,
}

impl Lane {
    const fn threads_max(self) -> usize {
        match self {
            Lane::Statements => 16,
            Lane::Transactions => 128,
            Lane::Streams => 64,
        }
    }
}

type Job = Box<dyn FnOnce(Result<()>) + Send>;

#[derive(Default)]
struct LaneState {
    waiting: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

#[derive(Default)]
struct LanePool {
    state: Mutex<LaneState>,
    work: Condvar,
}

#[derive(Default)]
struct Pool {
    statements: Arc<LanePool>,
    transactions: Arc<LanePool>,
    streams: Arc<LanePool>,
}

static POOL: PerProcess<Pool> = PerProcess::new();

/// Runs a job on a thread of the lane. Where that cannot be, the job is given the error, on this thread:
/// [`ErrorCode::LimitExceeded`] if too much waits already, [`ErrorCode::Io`] if the system gives no thread.
pub(crate) fn run(lane: Lane, job: impl FnOnce(Result<()>) + Send + 'static) {
    match POOL.get(|| Ok(Pool::default())) {
        Ok(pool) => {
            let of_lane = match lane {
                Lane::Statements => &pool.statements,
                Lane::Transactions => &pool.transactions,
                Lane::Streams => &pool.streams,
            };
            hand_over(of_lane, lane.threads_max(), Box::new(job));
        }
        Err(error) => job(Err(error)),
    }
}

fn hand_over(lane: &Arc<LanePool>, threads_max: usize, job: Job) {
    let mut state = lane.state.lock();
    if state.waiting.len() >= WAITING_MAX {
        drop(state);
        let message = format!("{WAITING_MAX} statements wait already");
        return job(Err(Error::new(ErrorCode::LimitExceeded, message).hint("wait for some of them")));
    }
    if state.idle <= state.waiting.len() && state.threads < threads_max {
        let worker = Arc::clone(lane);
        let started = thread::Builder::new().name("ormdb-worker".to_owned()).spawn(move || work(&worker));
        match started {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                drop(state);
                let message = format!("the system gives no thread: {error}");
                return job(Err(Error::new(ErrorCode::Io, message)));
            }
            // Those that are there will come to it.
            Err(_) => {}
        }
    }
    state.waiting.push_back(job);
    drop(state);
    lane.work.notify_one();
}

fn work(lane: &LanePool) {
    let mut state = lane.state.lock();
    loop {
        if let Some(job) = state.waiting.pop_front() {
            drop(state);
            // A defect of the engine ends the operation, whose promise says so, and not the thread.
            drop(catch_unwind(AssertUnwindSafe(|| job(Ok(())))));
            state = lane.state.lock();
            continue;
        }
        state.idle += 1;
        let over = lane.work.wait_for(&mut state, IDLE_MAX).timed_out();
        state.idle -= 1;
        if over && state.waiting.is_empty() {
            state.threads -= 1;
            return;
        }
    }
}
