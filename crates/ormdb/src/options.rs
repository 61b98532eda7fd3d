//! How a database is opened.

use ordinum::Durability;

use crate::limits::Limits;

/// How a database is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The storage engine's options: its memory, its file system and clock, and where random bytes come from.
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
