//! The targets of foreign keys that a statement has found: rows of one create mostly refer to few others, again and again.
//!
//! Invariant: each is there, and its key locked, as long as this statement has removed no row, hidden none, changed no key, and
//! taken nothing back.

use std::collections::HashSet;

use ormdb_proto::ir::DeletedRows;
use ormdb_proto::schema::ForeignKey;
use ormdb_proto::value::ValueRef;

use crate::store::key::{self, Direction};

/// The most targets that are remembered; then it begins anew.
const TARGETS_MAX: usize = 1 << 16;

/// Targets that were found.
#[derive(Debug, Default)]
pub(super) struct Referred {
    found: HashSet<Vec<u8>>,
    /// The target that was asked for last.
    asked: Vec<u8>,
}

impl Referred {
    /// Whether the target of these values was found.
    pub(super) fn contains(
        &mut self,
        foreign_key: &ForeignKey,
        values: &[ValueRef<'_>],
        targets: DeletedRows,
    ) -> bool {
        self.asked.clear();
        self.asked.extend_from_slice(&foreign_key.id.0.to_le_bytes());
        self.asked.push(u8::from(targets == DeletedRows::Shown));
        for value in values {
            key::push_column(&mut self.asked, value, Direction::Ascending);
        }
        self.found.contains(&self.asked)
    }

    /// The target that was asked for last was found now.
    pub(super) fn insert_asked(&mut self) {
        if self.found.len() >= TARGETS_MAX {
            self.found.clear();
        }
        self.found.insert(self.asked.clone());
    }

    /// What was found may not be there any more.
    pub(super) fn forget(&mut self) {
        self.found.clear();
    }
}
