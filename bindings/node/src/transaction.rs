//! A transaction, as JavaScript has it.

use napi_derive::napi;
use ormdb_bindings::Transaction as Inner;

use crate::completions::{Completions, Delivered, Stop};
use crate::outcome::RawAnswer;
use crate::params;

/// A transaction of several statements.
#[napi]
pub struct Transaction(Inner);

impl Transaction {
    pub(crate) const fn new(inner: Inner) -> Transaction {
        Transaction(inner)
    }
}

#[napi]
impl Transaction {
    /// Runs a statement in it.
    #[napi]
    pub fn query(
        &self,
        completions: &Completions,
        number: u32,
        text: String,
        bytes: &[u8],
    ) -> napi::Result<Stop> {
        Ok(completions.deliver_outcome(number, self.0.query(text, params::given(bytes)?)))
    }

    /// Runs a statement that gives rows; one that gives none is refused, and not executed.
    #[napi]
    pub fn fetch(
        &self,
        completions: &Completions,
        number: u32,
        text: String,
        bytes: &[u8],
    ) -> napi::Result<Stop> {
        Ok(completions.deliver_rows(number, self.0.fetch(text, params::given(bytes)?)))
    }

    /// Sets a savepoint.
    #[napi]
    pub fn savepoint(&self, completions: &Completions, number: u32, name: String) -> Stop {
        completions.deliver_done(number, self.0.savepoint(name))
    }

    /// Takes back what was written since a savepoint.
    #[napi]
    pub fn rollback_to(&self, completions: &Completions, number: u32, name: String) -> Stop {
        completions.deliver_done(number, self.0.rollback_to(name))
    }

    /// Forgets a savepoint.
    #[napi]
    pub fn release(&self, completions: &Completions, number: u32, name: String) -> Stop {
        completions.deliver_done(number, self.0.release(name))
    }

    /// Commits.
    #[napi]
    pub fn commit(&self, completions: &Completions, number: u32) -> Stop {
        completions.deliver(number, self.0.commit(), |token| Ok(Delivered::A(RawAnswer::of_commit(token))))
    }

    /// Rolls back.
    #[napi]
    pub fn rollback(&self, completions: &Completions, number: u32) -> Stop {
        completions.deliver_done(number, self.0.rollback())
    }
}
