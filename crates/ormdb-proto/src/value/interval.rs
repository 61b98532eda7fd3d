//! Spans of time whose parts do not convert into each other: months, days, microseconds.

use rkyv::{Archive, Deserialize, Serialize};

/// A span of months, days and microseconds.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Default,
    Archive,
    Serialize,
    Deserialize,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Interval {
    /// Months, of whatever length.
    pub months: i32,
    /// Days, of whatever length.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}
