//! Looks for faults of the storage engine before users do. This file is the table of contents; docs/reliability.md tells what is
//! promised, and which test holds it.
//!
//! Two things are looked at: the engine alone, by scripts, and the database on it, by transactions ([`database`]).
//!
//! A script is a list of operations in text. A seed generates one; the [`Bed`] runs it on a disk in memory that loses power and
//! fails, on one thread, beside a [`model`] that remembers every version; a script that fails is made short and kept.

pub mod damage;
pub mod database;
pub mod entropy;
pub mod generate;
pub mod history;
pub mod model;
pub mod script;
pub mod settings;
pub mod shrink;
pub mod soak;
pub mod torture;
pub mod trace;
pub mod writer;

mod bed;

pub use bed::{Bed, Outcome, Stop, run};

/// Ends the check with what was wrong, unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($told:tt)+) => {
        if !$holds {
            return Err($crate::Stop::Wrong(format!($($told)+)));
        }
    };
}
pub(crate) use ensure;
