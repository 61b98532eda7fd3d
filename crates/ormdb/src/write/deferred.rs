//! Checks of foreign keys that wait for the end of the transaction.
//!
//! Invariants: (1) what waits is what a statement that succeeded left behind: a rollback to a savepoint takes back what came
//! behind it, with the times that were set, so nothing is forgotten for having been looked at; (2) no transaction commits while something waits that does not hold; (3) a check
//! looks at rows as they are then, whatever was written since.

use std::collections::BTreeMap;

use ormdb_proto::error::Limit;
use ormdb_proto::ir::ConstraintTiming;
use ormdb_proto::schema::{ConstraintId, Deferrable, EntityId, ForeignKey};
use ormdb_proto::{Error, ErrorCode, Result};

use super::reference::Pending;
use crate::catalog::Catalog;

/// The most checks of a transaction that wait.
const WAITING_MAX: usize = 1 << 20;

/// When the deferrable constraints of a transaction are looked at, and which checks wait.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    times: Times,
    waiting: Vec<Pending>,
}

/// When constraints are looked at, other than they are declared.
#[derive(Clone, Debug, Default)]
struct Times {
    all: Option<ConstraintTiming>,
    named: BTreeMap<(EntityId, ConstraintId), ConstraintTiming>,
}

/// A state to come back to.
#[derive(Clone, Debug)]
pub(crate) struct DeferredMark {
    times: Times,
    waiting: usize,
}

impl Deferred {
    /// Of a transaction that is one statement: at its end everything is looked at.
    pub(crate) fn nothing() -> Deferred {
        let times = Times { all: Some(ConstraintTiming::Immediate), named: BTreeMap::new() };
        Deferred { times, waiting: Vec::new() }
    }

    /// The state as it is.
    pub(crate) fn mark(&self) -> DeferredMark {
        DeferredMark { times: self.times.clone(), waiting: self.waiting.len() }
    }

    /// Goes back to a state.
    pub(crate) fn return_to(&mut self, mark: &DeferredMark) {
        self.times = mark.times.clone();
        self.waiting.truncate(mark.waiting);
    }

    /// Says when constraints are looked at from now on; of no names, all are meant. Those that are looked at at once from now
    /// on have to be looked at by the caller.
    ///
    /// # Errors
    /// `UnknownName`; `InvalidQuery` if one is not deferrable.
    pub(crate) fn set(
        &mut self,
        catalog: &Catalog,
        names: &[String],
        timing: ConstraintTiming,
    ) -> Result<()> {
        if names.is_empty() {
            self.times = Times { all: Some(timing), named: BTreeMap::new() };
            return Ok(());
        }
        let keys = || {
            let of = |info: &crate::catalog::EntityInfo| info.id;
            catalog
                .entities()
                .iter()
                .flat_map(move |info| info.foreign_keys.iter().map(move |key| (of(info), key)))
        };
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let Some((entity, key)) = keys().find(|(_, key)| key.name == *name) else {
                let error = Error::new(ErrorCode::UnknownName, format!("there is no foreign key `{name}`"));
                return Err(error.suggest(name, keys().map(|(_, key)| key.name.as_str())));
            };
            if key.deferrable == Deferrable::No {
                let message = format!("the foreign key `{name}` is not deferrable");
                let hint = "the schema says so: `@relation(…, deferrable: initiallyImmediate)`";
                return Err(Error::new(ErrorCode::InvalidQuery, message).constraint(name).hint(hint));
            }
            found.push((entity, key.id));
        }
        self.times.named.extend(found.into_iter().map(|key| (key, timing)));
        Ok(())
    }

    /// Whether a foreign key of an entity is looked at at the end of the transaction.
    pub(super) fn waits(&self, entity: EntityId, key: &ForeignKey) -> bool {
        let declared = match key.deferrable {
            Deferrable::No => return false,
            Deferrable::InitiallyImmediate => ConstraintTiming::Immediate,
            Deferrable::InitiallyDeferred => ConstraintTiming::Deferred,
        };
        let said = self.times.named.get(&(entity, key.id)).copied().or(self.times.all);
        said.unwrap_or(declared) == ConstraintTiming::Deferred
    }

    pub(super) fn push(&mut self, pending: Pending) -> Result<()> {
        if self.waiting.len() >= WAITING_MAX {
            let message = format!("more than {WAITING_MAX} checks wait for the end of the transaction");
            let mut error = Error::new(ErrorCode::LimitExceeded, message)
                .hint("`set constraints all immediate` looks at them now");
            let limit = u64::try_from(WAITING_MAX).unwrap_or(u64::MAX);
            error.detail.limit = Some(Limit {
                name: "deferred checks".to_owned(),
                allowed: limit,
                asked: limit.saturating_add(1),
            });
            return Err(error);
        }
        self.waiting.push(pending);
        Ok(())
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn waiting(&self) -> &[Pending] {
        &self.waiting
    }
}

/// Which of the checks that wait are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// All: the transaction commits.
    All,
    /// Those of constraints that are looked at at once from now on.
    Immediate,
}
