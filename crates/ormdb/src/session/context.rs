//! What every access of a statement is judged by: limits, cancellation, time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ordinum::Interrupt;
use ordinum::clock::Clock;
use ormdb_proto::ir::Statement;
use ormdb_proto::{Access, Error, ErrorCode, Result};

use crate::limits::Limits;
use crate::options::{Intersections, SemiJoins};
use crate::statistics::Statistics;

/// A statement of a few rows looks fewer times whether it was cancelled.
const BRIEF_CHECKS_MAX: u32 = 16;

/// Stops the running statements of a session from another thread, those too that wait for a lock.
#[derive(Clone, Debug, Default)]
pub struct CancelHandle {
    interrupt: Interrupt,
    length: Option<Arc<Length>>,
}

impl CancelHandle {
    /// One of a session whose thread wants to know whether a statement is brief.
    pub(super) fn telling(is_long: impl Fn() + Send + Sync + 'static) -> CancelHandle {
        let length = Arc::new(Length { checks: AtomicU32::new(0), is_long: Box::new(is_long) });
        let told = Arc::clone(&length);
        CancelHandle { interrupt: Interrupt::telling(move || (told.is_long)()), length: Some(length) }
    }

    /// Asks the statements of the session, running and to come, to stop: they end with [`ErrorCode::Cancelled`].
    pub fn cancel(&self) {
        self.interrupt.raise();
    }
}

/// How far a statement has come, of a session whose thread wants to know whether it is brief.
struct Length {
    /// How often it was looked whether it was cancelled.
    checks: AtomicU32,
    is_long: Box<dyn Fn() + Send + Sync>,
}

impl Length {
    fn check(&self) {
        if self.checks.fetch_add(1, Ordering::Relaxed) >= BRIEF_CHECKS_MAX {
            (self.is_long)();
        }
    }
}

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Length").field("checks", &self.checks).finish_non_exhaustive()
    }
}

/// What every access to data is judged by: the limits of the session, whether it was cancelled, until when it runs.
#[derive(Clone, Debug)]
pub(crate) struct SessionContext {
    /// What the statement may use.
    pub(crate) limits: Limits,
    /// Whether its user may write.
    pub(super) access: Access,
    pub(super) cancel: CancelHandle,
    clock: Arc<dyn Clock>,
    /// What plans are chosen by.
    pub(crate) statistics: Arc<Statistics>,
    /// From which side conditions on related rows are tested.
    pub(crate) semi_joins: SemiJoins,
    /// Whether rows are looked for in several indexes at once.
    pub(crate) intersections: Intersections,
    ends_at: Option<Duration>,
    /// Whether the statement waits for others.
    waits: bool,
}

impl SessionContext {
    pub(crate) fn new(
        limits: Limits,
        clock: Arc<dyn Clock>,
        statistics: Arc<Statistics>,
        semi_joins: SemiJoins,
        intersections: Intersections,
    ) -> SessionContext {
        let cancel = CancelHandle::default();
        SessionContext {
            limits,
            access: Access::default(),
            cancel,
            clock,
            statistics,
            semi_joins,
            intersections,
            ends_at: None,
            waits: true,
        }
    }

    /// Refuses a statement that the user of the session may not run: one who only reads neither writes nor locks rows.
    pub(crate) fn check_access(&self, statement: &Statement) -> Result<()> {
        let locks = matches!(statement, Statement::Fetch(fetch) if fetch.lock.is_some());
        if statement.writes() || locks { self.check_may_write() } else { Ok(()) }
    }

    /// Refuses a user who only reads.
    pub(crate) fn check_may_write(&self) -> Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Error::new(
                ErrorCode::PermissionDenied,
                "the session may only read: it neither writes nor locks rows",
            )
            .hint("log in as a user who may write")),
        }
    }

    /// The context of one statement that begins now.
    pub(crate) fn statement(&self) -> SessionContext {
        let ends_at = (self.limits.time_ms_max > 0)
            .then(|| self.clock.monotonic() + Duration::from_millis(self.limits.time_ms_max));
        SessionContext { ends_at, ..self.clone() }
    }

    /// The context of one statement that begins now and ends within this time, if not before.
    pub(super) fn brief(&self, within: Duration) -> SessionContext {
        let statement = self.statement();
        let end = self.clock.monotonic() + within;
        SessionContext {
            ends_at: Some(statement.ends_at.map_or(end, |ends_at| ends_at.min(end))),
            ..statement
        }
    }

    /// The same, of a statement that ends with [`ErrorCode::LockNotAvailable`] where it would wait for others.
    pub(super) fn without_waiting(mut self) -> SessionContext {
        self.limits.lock_wait_ms_max = 0;
        self.waits = false;
        self
    }

    /// Whether the statement waits for others: for locks, and while somebody commits alone.
    pub(crate) const fn waits(&self) -> bool {
        self.waits
    }

    /// Whether the time of the statement is over.
    pub(super) fn is_over(&self) -> bool {
        self.ends_at.is_some_and(|end| self.clock.monotonic() > end)
    }

    /// What ends the waiting of its transactions for locks.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.cancel.interrupt.clone()
    }

    /// How long the locks of others are waited for.
    pub(crate) fn lock_wait_max(&self) -> Duration {
        let most = Duration::from_millis(self.limits.lock_wait_ms_max);
        self.ends_at.map_or(most, |end| most.min(end.saturating_sub(self.clock.monotonic())))
    }

    /// Returns after the pause.
    pub(super) fn pause(&self, pause: Duration) {
        self.clock.wait(pause);
    }

    /// Time since a fixed moment, for what a plan reports.
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// An error if the statement was cancelled or has run for too long. Cheap; called once for some hundred rows.
    pub(crate) fn check_cancelled(&self) -> Result<()> {
        if let Some(length) = &self.cancel.length {
            length.check();
        }
        if self.cancel.interrupt.is_raised() {
            return Err(Error::new(ErrorCode::Cancelled, "the statement was cancelled"));
        }
        if self.is_over() {
            let allowed = self.limits.time_ms_max;
            return Err(Error::new(
                ErrorCode::OverBudget,
                format!("the statement ran for more than {allowed} ms"),
            )
            .hint("raise `time_ms_max` in the session's limits, or ask for less"));
        }
        Ok(())
    }
}
