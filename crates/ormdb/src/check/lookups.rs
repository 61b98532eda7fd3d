//! Keys that are looked up together: a batch is sorted by the engine and read in one pass.

use ordinum::{ColumnFamily, Reader, Slice};

use super::{Checker, Finding, FindingKind};
use crate::engine::engine_error;

/// The most lookups that are gathered.
const BATCH: usize = 1_024;

/// Keys to look up, each with what is wanted of it.
pub(super) struct Lookups<T> {
    keys: Vec<Vec<u8>>,
    wanted: Vec<T>,
}

impl<T> Lookups<T> {
    pub(super) const fn new() -> Lookups<T> {
        Lookups { keys: Vec::new(), wanted: Vec::new() }
    }

    pub(super) fn push(&mut self, key: Vec<u8>, wanted: T) {
        self.keys.push(key);
        self.wanted.push(wanted);
    }

    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= BATCH
    }

    /// Looks the keys up and empties the batch: each key with what was wanted of it and its value.
    pub(super) fn take(
        &mut self,
        checker: &mut Checker<'_>,
        family: &ColumnFamily,
    ) -> Vec<(Vec<u8>, T, Option<Slice>)> {
        let keys = std::mem::take(&mut self.keys);
        let wanted = std::mem::take(&mut self.wanted);
        let borrowed: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        match checker.snapshot.multi_get(family, &borrowed) {
            Ok(values) => keys.into_iter().zip(wanted).zip(values).map(|((k, w), v)| (k, w, v)).collect(),
            Err(error) => {
                checker.report.find(Finding::of_error(FindingKind::DamagedFile, &engine_error(error)));
                Vec::new()
            }
        }
    }
}
