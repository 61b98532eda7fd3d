//! A statement that is parsed once and runs many times.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ormdb_proto::ir::{Explain, Fetch, Statement};
use ormdb_proto::outcome::Explanation;
use ormdb_proto::{Error, ErrorCode, Result};

use super::{PlanCache, Shaped};
use crate::exec;
use crate::text::{self, PlanFormat};

/// A statement that is parsed once, and a fetch that is planned once: it runs many times, each with values of its own for its
/// parameters. Cheap to clone; several threads may run it.
///
/// A fetch is planned again when the schema changes, and for values of other types.
#[derive(Clone)]
pub struct Prepared(Arc<Parsed>);

struct Parsed {
    statement: Statement,
    explain: Option<Explain>,
    plan_format: PlanFormat,
    /// Of a fetch whose conditions do not depend on data.
    shaped: Option<Shaped>,
    /// How many times more it is taken to be long without a look.
    long: AtomicU32,
    /// How often in a row it took longer than it should.
    late: AtomicU32,
}

/// So many times a fetch that was not brief is not tried to be.
const LONG_TIMES: u32 = 32;
/// So often in a row a fetch may take longer than it should: where threads wait for processors, any does now and then.
const LATE_MAX: u32 = 4;

impl Prepared {
    pub(super) fn parse(cache: &PlanCache, text: &str) -> Result<Prepared> {
        let parsed = text::parse_statement(text)?;
        Ok(Prepared::shown_as(cache, parsed.statement, parsed.explain, parsed.plan_format))
    }

    /// Prepares a statement.
    pub(crate) fn new(cache: &PlanCache, statement: Statement, explain: Option<Explain>) -> Prepared {
        Prepared::shown_as(cache, statement, explain, PlanFormat::Text)
    }

    fn shown_as(
        cache: &PlanCache,
        statement: Statement,
        explain: Option<Explain>,
        plan_format: PlanFormat,
    ) -> Prepared {
        let shaped = match &statement {
            // What locks rows runs in a transaction, and what reads an older version may need its catalog.
            Statement::Fetch(Fetch { lock: Some(_), .. } | Fetch { as_of: Some(_), .. }) => None,
            Statement::Fetch(fetch) if !exec::has_cursor(fetch) => cache.shaped(fetch),
            _ => None,
        };
        let (long, late) = Default::default();
        Prepared(Arc::new(Parsed { statement, explain, plan_format, shaped, long, late }))
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.0.statement
    }

    /// Whether it creates, updates or deletes rows when it runs.
    pub fn writes(&self) -> bool {
        self.0.explain.is_none() && self.0.statement.writes()
    }

    /// Whether its plan is asked for.
    pub fn explain(&self) -> Option<Explain> {
        self.0.explain
    }

    /// The plan of it, shown as its text asks for.
    pub(crate) fn shown(&self, explanation: Explanation) -> Explanation {
        self.0.plan_format.shown(explanation)
    }

    /// Checks that it gives rows: it is a fetch, or a write that returns something.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidQuery`].
    pub fn require_rows(&self) -> Result<()> {
        if self.0.explain.is_none() && self.0.statement.gives_rows() {
            return Ok(());
        }
        let error = Error::new(ErrorCode::InvalidQuery, "the statement gives no rows, and was not executed");
        Err(error.hint("run it with `query`; a write gives rows with `return`"))
    }

    /// The fetch that it is, if that locks no rows.
    pub(crate) fn lockless_fetch(&self) -> Option<&Fetch> {
        match &self.0.statement {
            Statement::Fetch(fetch) if fetch.lock.is_none() => Some(fetch),
            _ => None,
        }
    }

    /// Whether it may be over in a moment: it was not long of late.
    pub(crate) fn may_be_brief(&self) -> bool {
        // Runs beside each other may count one of them twice, which matters to nobody.
        match self.0.long.load(Ordering::Relaxed) {
            0 => true,
            times => {
                self.0.long.store(times - 1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Says from when to when it ran, and how long it should have taken at most.
    pub(crate) fn was(&self, began: Duration, ended: Duration, within: Duration) {
        if ended.saturating_sub(began) > within { self.was_late() } else { self.was_brief() }
    }

    /// Says that it was over in a moment.
    pub(super) fn was_brief(&self) {
        if self.0.late.load(Ordering::Relaxed) > 0 {
            self.0.late.store(0, Ordering::Relaxed);
        }
    }

    /// Says that it took longer than a moment, and was waited for all the same.
    pub(super) fn was_late(&self) {
        if self.0.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE_MAX {
            self.was_long();
        }
    }

    /// Says that it was given up, or is long as a rule.
    pub(crate) fn was_long(&self) {
        self.0.late.store(0, Ordering::Relaxed);
        self.0.long.store(LONG_TIMES, Ordering::Relaxed);
    }

    pub(crate) fn shaped(&self) -> Option<&Shaped> {
        self.0.shaped.as_ref()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("statement", &self.0.statement).finish_non_exhaustive()
    }
}
