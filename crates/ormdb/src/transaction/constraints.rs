//! Constraints of a transaction that are looked at at its end, or when it says so.

use ormdb_proto::ir::{ConstraintTiming, Params};
use ormdb_proto::{Isolation, Result};

use super::{Transaction, closed};
use crate::engine::EngineResult;
use crate::write::{Due, Writer};

impl Transaction {
    /// Says when deferrable constraints are looked at from now on, in this transaction; of no names, all are meant. Those that
    /// are looked at at once from now on are looked at now, whatever was left to be looked at later.
    ///
    /// # Errors
    /// [`UnknownName`](ormdb_proto::ErrorCode::UnknownName) if there is no constraint of a name;
    /// [`InvalidQuery`](ormdb_proto::ErrorCode::InvalidQuery) if it is not deferrable;
    /// [`ForeignKeyViolation`](ormdb_proto::ErrorCode::ForeignKeyViolation) if one does not hold, with its row: nothing
    /// was set then; [`TransactionClosed`](ormdb_proto::ErrorCode::TransactionClosed).
    pub fn set_constraints(&mut self, names: &[String], timing: ConstraintTiming) -> Result<()> {
        if !self.is_open() {
            return Err(closed());
        }
        let before = self.deferred.mark();
        self.deferred.set(&self.catalog, names, timing)?;
        let checked = match timing {
            ConstraintTiming::Deferred => Ok(()),
            ConstraintTiming::Immediate => self.check_deferred(Due::Immediate),
        };
        if checked.is_err() {
            self.deferred.return_to(&before);
        }
        checked
    }

    /// Looks at what waits.
    pub(super) fn check_deferred(&mut self, due: Due) -> Result<()> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let (session, params) = (self.session.statement(), Params::none());
        let mut restarts = 0;
        loop {
            let engine = self.engine.as_mut().ok_or_else(closed)?;
            engine.set_lock_wait_max(session.lock_wait_max());
            if self.isolation == Isolation::ReadCommitted {
                engine.refresh_snapshot().engine()?;
            }
            let checked = Writer::new(self.context(&session, &params)?).check_deferred(due);
            match checked {
                Err(error) if self.may_run_again(&error, restarts) => {
                    restarts += 1;
                    session.check_cancelled()?;
                }
                checked => return checked,
            }
        }
    }
}
