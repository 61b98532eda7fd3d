//! Holds writers back while background work is behind: first a little, at last altogether.
//!
//! The pressure on a family follows from the tables of level 0, the memtables that wait for their flush, the bytes
//! that compactions are behind, and the dead values that they have not yet given back. As it rises, fewer bytes may be written in a second. Writers keep to that by many short
//! sleeps: each write moves the moment from which on the next may go on, and whoever is too early sleeps until then.
//! Only when there is no room at all, in memory or in level 0, do they wait for work to be done.
//!
//! Invariants:
//! (1) a write is never delayed by more than [`DELAY_MAX`], however large it is and however slow writing has become;
//! (2) while there is no pressure, a write reads one number and nothing else.

use std::time::Duration;

use super::background::Work;
use super::core::Core;
use crate::batch::Batch;
use crate::compaction::{CompactionStyle, cleaning_behind, pending_bytes};
use crate::error::{Error, Result};
use crate::family::Family;
use crate::listener::{Notice, Stall};
use crate::options::{Background, FamilyOptions};
use crate::super_version::SuperVersion;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering};

/// The longest delay of a write.
const DELAY_MAX: Duration = Duration::from_millis(50);
/// Who is early by less than this goes on: the sleep would cost more.
const DELAY_MIN: Duration = Duration::from_micros(200);
/// The pressure at which writes stop, in thousandths.
const STOPPED: u32 = 1000;
/// The pressure just below.
const SLOWEST: u32 = STOPPED - 1;

/// The pressure on a family, in thousandths.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    thousandths: AtomicU32,
    /// Held from looking at the family until the pressure is told: who looked later tells later.
    weighing: Mutex<()>,
}

impl Pressure {
    /// The pressure now: 0 to [`STOPPED`].
    pub(crate) fn thousandths(&self) -> u32 {
        self.thousandths.load(Ordering::Acquire)
    }
}

/// From when on the next delayed write may go on, on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Mutex<Duration>,
}

impl Pace {
    /// Takes the time that a write costs, and returns how long the writer has to sleep.
    fn delay(&self, now: Duration, cost: Duration) -> Duration {
        let mut next = self.next.lock();
        let due = next.max(now.saturating_sub(DELAY_MIN)).saturating_add(cost);
        // What could not be slept off is forgiven.
        *next = due.min(now.saturating_add(DELAY_MAX));
        next.checked_sub(now).filter(|early| *early >= DELAY_MIN).unwrap_or_default()
    }
}

/// What the pressure means to writers.
fn stall(pressure: u32) -> Stall {
    match pressure {
        0 => Stall::None,
        STOPPED.. => Stall::Stopped,
        _ => Stall::Slowed,
    }
}

/// The pressure that follows from what a family consists of.
fn pressure(view: &SuperVersion, options: &FamilyOptions) -> u32 {
    if waits_for(view, options).is_some() {
        return STOPPED;
    }
    let (sealed, level0) = (view.sealed.len(), level0_tables(view, options));
    let memory = between(2 * sealed, options.immutable_memtables_max, 2 * options.immutable_memtables_max);
    let level0 = between(level0, options.level0_tables_slowdown, options.level0_tables_max);
    let behind = match options.compaction_style {
        CompactionStyle::Leveled => pending_bytes(&view.levels, &options.compaction()),
        CompactionStyle::Fifo { .. } => 0,
    };
    let behind = between(behind, options.pending_bytes_slowdown, options.pending_bytes_max);
    let cleaning = match options.compaction_style {
        CompactionStyle::Leveled => {
            between(cleaning_behind(&view.levels, &options.compaction().values), 0, u64::from(STOPPED))
        }
        CompactionStyle::Fifo { .. } => 0,
    };
    memory.max(level0).max(behind).max(cleaning)
}

/// How far `n` is on the way from `low` to `high`, in thousandths, at most [`SLOWEST`].
fn between<N: TryInto<u128>>(n: N, low: N, high: N) -> u32 {
    let number = |n: N| n.try_into().unwrap_or(u128::MAX);
    let (n, low, high) = (number(n), number(low), number(high));
    let part = n.saturating_sub(low).saturating_mul(u128::from(STOPPED)) / high.saturating_sub(low).max(1);
    u32::try_from(part).unwrap_or(SLOWEST).min(SLOWEST)
}

/// How many bytes may be written in a second under this pressure: falls with the square of what is left to the stop.
fn bytes_per_second(options_rate: u64, pressure: u32) -> u64 {
    let left = u64::from(STOPPED.saturating_sub(pressure));
    let most = u64::from(STOPPED);
    (options_rate / most).saturating_mul(left * left / most).max(options_rate / most)
}

impl Core {
    /// Takes the pressure on the family anew: after each change of its memtables or tables.
    pub(super) fn weigh(&self, family: &Family) {
        family.changed.store(true, Ordering::Release);
        let _weighing = family.pressure.weighing.lock();
        let pressure = pressure(&family.view.load(), &family.options());
        let before = family.pressure.thousandths.swap(pressure, Ordering::AcqRel);
        let stall = stall(pressure);
        if stall != self::stall(before) {
            self.store.notices.add(|| Notice::StallChanged { family: family.name.clone(), stall });
        }
    }

    /// Returns when the families of the batch have room for it.
    pub(super) fn wait_for_room(&self, batch: &Batch) -> Result<()> {
        let mut highest = 0;
        for share in batch.shares() {
            let family = &share.family.family;
            let pressure = family.pressure.thousandths();
            if pressure >= STOPPED {
                self.counters.stalls.fetch_add(1, Ordering::Relaxed);
                self.stall(family)?;
            }
            highest = highest.max(pressure);
        }
        if self.is_over_budget() {
            self.counters.stalls.fetch_add(1, Ordering::Relaxed);
            self.wait_until(Work::Flush, || Ok(!self.is_over_budget()))?;
        }
        if highest > 0 {
            self.slow_down(batch.bytes() as u64, highest);
        }
        Ok(())
    }

    fn slow_down(&self, bytes: u64, pressure: u32) {
        let rate = bytes_per_second(self.options.delayed_write_bytes_per_second, pressure).max(1);
        let nanoseconds = u128::from(bytes).saturating_mul(1_000_000_000) / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let delay = self.pace.delay(self.options.clock.monotonic(), cost);
        self.counters.slowdowns.fetch_add(1, Ordering::Relaxed);
        if !delay.is_zero() {
            let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
            self.counters.delayed_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
            self.options.clock.wait(delay);
        }
    }

    /// Returns when the family has room.
    fn stall(&self, family: &Family) -> Result<()> {
        while let Some(work) = waits_for(&*self.view(family)?, &family.options()) {
            let has_changed = || Ok(waits_for(&*self.view(family)?, &family.options()) != Some(work));
            self.wait_until(work, has_changed)?;
        }
        Ok(())
    }

    /// Returns when what a write waits for has come; work that fails ends the wait with its cause.
    fn wait_until(&self, work: Work, has_come: impl Fn() -> Result<bool>) -> Result<()> {
        loop {
            let seen = self.room.now();
            self.check_writable()?;
            if has_come()? {
                return Ok(());
            }
            match self.options.background {
                Background::Threads => match self.failures.of(work) {
                    Some(cause) => return Err(Error::Stopped { cause }),
                    None => self.room.wait(seen),
                },
                Background::Manual => {
                    if !self.run_step().map_err(stopped)? && !has_come()? {
                        return Err(Error::Bug {
                            message: "a write waits for work that nobody has".to_owned(),
                        });
                    }
                }
            }
        }
    }
}

/// What a write is told that had to wait for work which failed.
fn stopped(error: Error) -> Error {
    match error {
        Error::Closed | Error::Poisoned { .. } | Error::Bug { .. } => error,
        error => Error::Stopped { cause: error.to_string() },
    }
}

/// The work that a write to the family must wait for, if there is any.
fn waits_for(view: &SuperVersion, options: &FamilyOptions) -> Option<Work> {
    if view.sealed.len() >= options.immutable_memtables_max {
        return Some(Work::Flush);
    }
    (level0_tables(view, options) >= options.level0_tables_max).then_some(Work::Compact)
}

/// The tables of level 0, as far as somebody merges them.
fn level0_tables(view: &SuperVersion, options: &FamilyOptions) -> usize {
    match options.compaction_style {
        CompactionStyle::Leveled => view.levels.level(0).len(),
        // Nobody gains if writers wait.
        CompactionStyle::Fifo { .. } => 0,
    }
}

#[cfg(test)]
mod tests;
