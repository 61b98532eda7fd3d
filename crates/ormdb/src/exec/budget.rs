//! What a statement may use, counted while it runs.

use std::cell::Cell;

use ormdb_proto::error::Limit;
use ormdb_proto::{Error, ErrorCode, Result};

use crate::session::SessionContext;

/// How many rows or entries go by between two looks at the cancel flag and the clock.
const CHECK_EVERY: u64 = 256;

/// What a statement has used so far, and what it may use.
pub(super) struct Budget<'r> {
    session: &'r SessionContext,
    rows: Cell<u64>,
    bytes: Cell<u64>,
    until_check: Cell<u64>,
}

impl<'r> Budget<'r> {
    pub(super) const fn new(session: &'r SessionContext) -> Budget<'r> {
        Budget { session, rows: Cell::new(0), bytes: Cell::new(0), until_check: Cell::new(0) }
    }

    /// Counts rows of the result.
    pub(super) fn add_rows(&self, rows: usize) -> Result<()> {
        let rows = self.rows.get().saturating_add(number(rows));
        self.rows.set(rows);
        let allowed = self.session.limits.rows_max;
        if rows > allowed { Err(over("rows_max", "rows", allowed, rows)) } else { Ok(()) }
    }

    /// Counts memory that is held from now on.
    pub(super) fn hold(&self, bytes: usize) -> Result<()> {
        let bytes = self.bytes.get().saturating_add(number(bytes));
        self.bytes.set(bytes);
        let allowed = self.session.limits.memory_bytes_max;
        if bytes > allowed {
            Err(over("memory_bytes_max", "bytes of memory", allowed, bytes))
        } else {
            Ok(())
        }
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

    /// Counts work; every so often looks whether the statement was cancelled or is out of time.
    pub(super) fn tick(&self) -> Result<()> {
        match self.until_check.get().checked_sub(1) {
            Some(left) => {
                self.until_check.set(left);
                Ok(())
            }
            None => {
                self.until_check.set(CHECK_EVERY);
                self.session.check_cancelled()
            }
        }
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn over(name: &str, what: &str, allowed: u64, asked: u64) -> Error {
    let message = format!("the statement needs more than the {allowed} {what} that {name} allows");
    let mut error = Error::new(ErrorCode::OverBudget, message);
    error.detail.limit = Some(Limit { name: name.to_owned(), allowed, asked });
    error.hint(format!("ask for fewer rows, page with limit and offset, or raise {name}"))
}
