//! How a database is opened.

use std::time::Duration;

use ordinum::Durability;
use ormdb_proto::{Error, ErrorCode, Result};

use crate::limits::Limits;

/// The longest that versions are kept: a thousand years of 365 days.
const RETENTION_AGE_MAX: Duration = Duration::from_secs(1000 * 365 * 24 * 60 * 60);

/// How a database is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The storage engine's options: its memory, its file system and clock, where random bytes come from, and how far back versions
    /// are kept (`retention`; an opening that says nothing keeps what the database was told before).
    pub engine: ordinum::Options,
    /// How durable a write is when it is acknowledged. What changes the schema is synced whatever this says.
    pub durability: Durability,
    /// The limits of sessions that set none.
    pub limits: Limits,
    /// When the rows are sampled for the planner.
    pub sampling: Sampling,
    /// From which side conditions on related rows are tested.
    pub semi_joins: SemiJoins,
    /// Whether rows are looked for in several indexes at once.
    pub intersections: Intersections,
}

impl Options {
    /// Whether a database can be opened so.
    pub(crate) fn check(&self) -> Result<()> {
        match self.engine.retention {
            Some(window) if window.age > RETENTION_AGE_MAX => {
                let (asked, most) = (window.age.as_secs(), RETENTION_AGE_MAX.as_secs());
                let message = format!("versions are kept for at most {most} seconds, not for {asked}");
                Err(Error::new(ErrorCode::InvalidValue, message))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// When the rows are sampled for the planner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// On a thread of the database, when a share of an entity's rows has changed.
    #[default]
    Background,
    /// By [`crate::Database::refresh_statistics`] only.
    OnRequest,
}

/// From which side conditions on related rows are tested. Answers do not depend on it: it is for tests and measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SemiJoins {
    /// From the one that is estimated to cost less.
    #[default]
    ByCost,
    /// From the rows that have the relation: the related ones of each are looked for.
    FromParents,
    /// From the related rows that satisfy the condition, wherever that is possible.
    FromChildren,
}

/// Whether rows that two or more indexes tell something of are looked for in all of these, or in one of them. Answers do not depend on
/// it: it is for tests and measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intersections {
    /// What is estimated to cost less.
    #[default]
    ByCost,
    /// In one of them.
    Never,
    /// In all of them, wherever that is possible.
    Always,
}
