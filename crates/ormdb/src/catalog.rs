//! The catalog: what the schema says, compiled into the lookups that reads and writes need, how a schema text becomes
//! the next schema, and how its versions are stored.
//!
//! Knows no socket and no query. Invariants: (1) a catalog never changes: a change of the schema makes another one of
//! the next version; (2) names are looked up here and nowhere else, so that every unknown name gets the same error
//! with the nearest known one.

pub(crate) mod apply;
pub(crate) mod backfill;
mod change;
mod compiled;
pub(crate) mod diff;
mod entity_info;
mod greatest;
mod navigation;
mod recompute;
mod record;
mod resolve;
pub(crate) mod rules;
pub(crate) mod store;
pub(crate) mod stored_fields;

pub use apply::Applied;
pub use change::{Change, Grade};
pub use compiled::Catalog;
pub use diff::diff;
pub use entity_info::{EntityInfo, Member, Referrer, UniqueKey};
pub use navigation::{Hop, KeyAccess, Navigation};
pub use record::StoredVersion;
pub(crate) use record::{fuzz as fuzz_record, seed as record_seed};
pub use resolve::resolve;

#[cfg(test)]
pub(crate) mod testing;
