//! Rows and index entries of ids that the catalog does not have: one finding for each id.
//!
//! Entries of an index that was dropped are none: they mean nothing, and await the sweep (catalog::backfill).

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeSet;

use ordinum::{ColumnFamily, KeyRange, Reader};
use ormdb_proto::Result;

use super::{Checker, Finding, FindingKind, hex};
use crate::engine::EngineResult;
use crate::store::layout;

impl Checker<'_> {
    pub(super) fn unknown(&mut self) {
        let catalog = self.catalog;
        let entities: BTreeSet<u32> = catalog.entities().iter().map(|e| e.id.0).collect();
        let indexes: BTreeSet<u32> =
            catalog.entities().iter().flat_map(|e| &e.indexes).map(|i| i.id.0).collect();
        let dropped = 0..catalog.schema().next_ids.index;
        let families = self.families;
        let walks = [
            (&families.rows, entities, 0..0, FindingKind::UnknownEntity, "rows of an entity"),
            (&families.indexes, indexes, dropped, FindingKind::UnknownIndex, "entries of an index"),
        ];
        for (family, known, dropped, kind, what) in walks {
            let expected = |id: u32| known.contains(&id) || dropped.contains(&id);
            if let Err(error) = self.unknown_in(family, expected, kind, what) {
                self.report.find(Finding::of_error(FindingKind::DamagedFile, &error));
            }
        }
    }

    fn unknown_in(
        &mut self,
        family: &ColumnFamily,
        expected: impl Fn(u32) -> bool,
        kind: FindingKind,
        what: &str,
    ) -> Result<()> {
        let mut cursor = self.snapshot.cursor(family, KeyRange::all()).engine()?;
        let mut there = cursor.first().engine()?;
        while there {
            let Some(prefix) = cursor.key().first_chunk::<{ layout::ID_BYTES }>().copied() else {
                let finding = Finding::new(kind, "a key is too short to be one");
                self.report.find(finding.key(hex(cursor.key())));
                there = cursor.next().engine()?;
                continue;
            };
            let id = u32::from_be_bytes(prefix);
            if !expected(id) {
                let message = format!("there are {what} of id {id}, which the catalog does not have");
                self.report.find(Finding::new(kind, message).key(hex(cursor.key())));
            }
            let Some(next) = id.checked_add(1) else { return Ok(()) };
            there = cursor.seek(&next.to_be_bytes()).engine()?;
        }
        Ok(())
    }
}
