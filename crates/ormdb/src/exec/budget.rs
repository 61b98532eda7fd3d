//! What a statement may use, counted while it runs.

use std::cell::Cell;

use ormdb_proto::error::Limit;
use ormdb_proto::{Error, ErrorCode, Result};

use crate::session::SessionContext;

/// How many rows or entries go by between two looks at the cancel flag and the clock.
const CHECK_EVERY: u64 = 256;

/// The name of the bound of memory.
const MEMORY: &str = "memory_bytes_max";

/// By how much rows have to be expected to exceed their budget for a statement to be refused before it runs.
const EXPECTED_TWICE: f64 = 2.0;

/// What a statement has used so far, and what it may use.
pub(super) struct Budget<'r> {
    session: &'r SessionContext,
    rows: Cell<u64>,
    bytes: Cell<u64>,
    kept: Cell<u64>,
    bytes_most: Cell<u64>,
    /// So much may be held in the portion at hand, which is tried anew with fewer rows where it is not enough.
    portion_most: Cell<u64>,
    edges: Cell<u64>,
    fan_out_most: Cell<u64>,
    result_bytes: Cell<u64>,
    until_check: Cell<u64>,
}

impl<'r> Budget<'r> {
    pub(super) const fn new(session: &'r SessionContext) -> Budget<'r> {
        Budget {
            session,
            rows: Cell::new(0),
            bytes: Cell::new(0),
            kept: Cell::new(0),
            bytes_most: Cell::new(0),
            portion_most: Cell::new(u64::MAX),
            edges: Cell::new(0),
            fan_out_most: Cell::new(0),
            result_bytes: Cell::new(0),
            until_check: Cell::new(0),
        }
    }

    /// Counts rows of the result.
    pub(super) fn add_rows(&self, rows: usize) -> Result<()> {
        let rows = self.rows.get().saturating_add(number(rows));
        self.rows.set(rows);
        let allowed = self.session.limits.rows_max;
        if rows > allowed { Err(over("rows_max", "rows", allowed, rows)) } else { Ok(()) }
    }

    /// Refuses all rows but those of an offset, where they are known to be too many, before one of them is read. What is known
    /// may be wrong by a factor of [`EXPECTED_TWICE`].
    pub(super) fn expect_rows(&self, rows: f64, offset: usize) -> Result<()> {
        let allowed = self.session.limits.rows_max;
        let offset = bound(number(offset));
        let (least, rows) = (rows / EXPECTED_TWICE - offset, rows - offset);
        if least <= bound(allowed) {
            return Ok(());
        }
        let mut error = over("rows_max", "rows", allowed, estimate(rows));
        error.message = format!("the statement would return about {rows:.0} rows; rows_max allows {allowed}");
        Err(error)
    }

    /// Looks at the related rows of one row that are counted in parts.
    pub(super) fn check_fan_out(&self, fan_out: u64) -> Result<()> {
        self.fan_out_most.set(fan_out.max(self.fan_out_most.get()));
        let allowed = self.session.limits.fan_out_max;
        if fan_out > allowed {
            return Err(over("fan_out_max", "related rows of one row", allowed, fan_out));
        }
        Ok(())
    }

    /// Counts the edges of a parent.
    pub(super) fn add_edges(&self, edges: usize) -> Result<()> {
        let fan_out = number(edges);
        self.check_fan_out(fan_out)?;
        let edges = self.edges.get().saturating_add(fan_out);
        self.edges.set(edges);
        let allowed = self.session.limits.edges_max;
        if edges > allowed { Err(over("edges_max", "edges", allowed, edges)) } else { Ok(()) }
    }

    /// Counts bytes of the result.
    pub(super) fn add_result(&self, bytes: usize) -> Result<()> {
        let bytes = self.result_bytes.get().saturating_add(number(bytes));
        self.result_bytes.set(bytes);
        let allowed = self.session.limits.result_bytes_max;
        if bytes > allowed {
            Err(over("result_bytes_max", "bytes of the result", allowed, bytes))
        } else {
            Ok(())
        }
    }

    /// What was used of each budget, and what might have been.
    pub(super) fn used(&self) -> Vec<(&'static str, u64, u64)> {
        let limits = &self.session.limits;
        vec![
            ("rows", self.rows.get(), limits.rows_max),
            ("fan-out", self.fan_out_most.get(), limits.fan_out_max),
            ("edges", self.edges.get(), limits.edges_max),
            ("bytes of the result", self.result_bytes.get(), limits.result_bytes_max),
            ("bytes of memory", self.bytes_most.get(), limits.memory_bytes_max),
        ]
    }

    /// Counts memory that is held from now on.
    pub(super) fn hold(&self, bytes: usize) -> Result<()> {
        self.bytes.set(self.bytes.get().saturating_add(number(bytes)));
        self.check_memory()
    }

    /// Counts memory that is held until the statement ends, whatever else is given back.
    pub(super) fn keep(&self, bytes: usize) -> Result<()> {
        self.kept.set(self.kept.get().saturating_add(number(bytes)));
        self.check_memory()
    }

    /// Gives back so many bytes of what was to be kept until the end.
    pub(super) fn let_go(&self, bytes: usize) {
        self.kept.set(self.kept.get().saturating_sub(number(bytes)));
    }

    fn check_memory(&self) -> Result<()> {
        let bytes = self.bytes.get().saturating_add(self.kept.get());
        self.bytes_most.set(bytes.max(self.bytes_most.get()));
        let allowed = self.session.limits.memory_bytes_max.min(self.portion_most.get());
        if bytes > allowed { Err(over(MEMORY, "bytes of memory", allowed, bytes)) } else { Ok(()) }
    }

    /// Does a part of the work that holds no more than so many bytes; none if that is not enough: then it is as if the part had not
    /// been tried.
    pub(super) fn within<T>(&self, bytes: usize, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        let before = (self.rows.get(), self.edges.get(), self.bytes.get(), self.result_bytes.get());
        let most = before.2.saturating_add(self.kept.get()).saturating_add(number(bytes));
        let is_bound = most < self.session.limits.memory_bytes_max;
        self.portion_most.set(if is_bound { most } else { u64::MAX });
        let done = work();
        self.portion_most.set(u64::MAX);
        match done {
            Err(error) if is_bound && is_out_of_memory(&error) => {
                self.rows.set(before.0);
                self.edges.set(before.1);
                self.bytes.set(before.2);
                self.result_bytes.set(before.3);
                Ok(None)
            }
            done => done.map(Some),
        }
    }

    /// Whether so many more bytes would leave less than half of the memory.
    pub(super) fn is_half_full_with(&self, bytes: usize) -> bool {
        let held = self.bytes.get().saturating_add(self.kept.get());
        held.saturating_add(number(bytes)) > self.session.limits.memory_bytes_max / 2
    }

    /// Refuses if so many bytes more, of something that is in the making, would be too many.
    pub(super) fn fits(&self, bytes: usize) -> Result<()> {
        let held = self.bytes.get();
        let result = self.hold(bytes);
        self.bytes.set(held);
        result
    }

    /// How much is held.
    pub(super) const fn held(&self) -> u64 {
        self.bytes.get()
    }

    /// Gives back what was held since `held` was the answer of [`Budget::held`].
    pub(super) fn release_to(&self, held: u64) {
        self.bytes.set(held.min(self.bytes.get()));
    }

    /// Gives back so many bytes.
    pub(super) fn release(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(number(bytes)));
    }

    /// Counts a row's work; every so often looks whether the statement was cancelled or is out of time.
    #[inline]
    pub(super) fn tick(&self) -> Result<()> {
        self.tick_by(1)
    }

    /// As [`Budget::tick`], of so many rows.
    #[inline]
    pub(super) fn tick_by(&self, rows: usize) -> Result<()> {
        match self.until_check.get().checked_sub(number(rows)) {
            Some(left) => {
                self.until_check.set(left);
                Ok(())
            }
            None => self.check(),
        }
    }

    /// Looks whether the statement was cancelled or is out of time: before work that is more than a few rows.
    pub(super) fn check(&self) -> Result<()> {
        self.until_check.set(CHECK_EVERY);
        self.session.check_cancelled()
    }
}

/// Refuses a statement that holds so much memory beside what is counted here, if that is too much.
///
/// # Errors
/// `OverBudget`, with both numbers.
pub(crate) fn check_memory(session: &SessionContext, bytes: u64) -> Result<()> {
    let allowed = session.limits.memory_bytes_max;
    if bytes > allowed { Err(over("memory_bytes_max", "bytes of memory", allowed, bytes)) } else { Ok(()) }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
const fn bound(allowed: u64) -> f64 {
    allowed as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate; the cast saturates")]
const fn estimate(rows: f64) -> u64 {
    rows as u64
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn is_out_of_memory(error: &Error) -> bool {
    error.detail.limit.as_ref().is_some_and(|limit| limit.name == MEMORY)
}

fn over(name: &str, what: &str, allowed: u64, asked: u64) -> Error {
    let message = format!("the statement needs more than the {allowed} {what} that {name} allows");
    let mut error = Error::new(ErrorCode::OverBudget, message);
    error.detail.limit = Some(Limit { name: name.to_owned(), allowed, asked });
    error.hint(format!("ask for fewer rows, page with limit and offset, or raise {name}"))
}
