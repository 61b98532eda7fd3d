//! Options of families that change while the database is open.
//!
//! Invariants:
//! (1) the edit of the manifest is durable before the options are in use;
//! (2) work that was begun ends with the options that it began with.

use std::path::Path;
use std::sync::Arc;

use super::core::Core;
use crate::error::{Error, Result};
use crate::family::ColumnFamily;
use crate::file_name::CURRENT;
use crate::manifest::{Edit, FamilyState};
use crate::options::{FamilyOptions, Options};

impl Core {
    pub(super) fn set_family_options(&self, family: &ColumnFamily, asked: FamilyOptions) -> Result<()> {
        asked.check()?;
        let _changing = self.family_changes.lock();
        self.check_family(family)?;
        let before = family.options();
        // What is code stays as the opening was given it.
        let (compaction_filter, merge_operator) =
            (before.compaction_filter.clone(), before.merge_operator.clone());
        let options = FamilyOptions { compaction_filter, merge_operator, ..asked };
        let edit = Edit::SetOptions { family: family.family.id, options: options.encode() };
        self.install(&mut self.manifest.lock(), &[edit])?;
        let is_buffer_changed = options.write_buffer_bytes != before.write_buffer_bytes;
        let range_index = options.range_index;
        family.family.set_options(Arc::new(options));
        // Not what the options were: one that was asked for before may not have been built.
        let indexed = match (family.family.view.load().range_index.is_given_up(), range_index) {
            (true, true) => self.build_range_index(family),
            (false, false) => {
                self.give_up_range_index(family);
                Ok(())
            }
            (true, false) | (false, true) => Ok(()),
        };
        // The other options are in use, with an index or without.
        if is_buffer_changed {
            let _commits = self.commits.lock();
            self.seal(&family.family, 0);
        }
        self.weigh(&family.family);
        self.room.changed();
        indexed
    }
}

/// The options of a family: those that an opening names it with, or those that were chosen while it was open, or the defaults.
pub(super) fn options_of(options: &Options, family: &FamilyState, directory: &Path) -> Result<FamilyOptions> {
    let given = options.family(&family.name);
    let is_named = options.families.contains_key(&family.name);
    let Some(stored) = family.options.as_ref().filter(|_| !is_named) else { return Ok(given.clone()) };
    given.with_stored(stored).ok_or_else(|| Error::Corrupt {
        file: directory.join(CURRENT),
        offset: 0,
        expected: format!("a manifest with options of {:?} that this version knows", family.name),
        found: "others".to_owned(),
    })
}

#[cfg(test)]
mod effects_tests;
#[cfg(test)]
mod tests;
