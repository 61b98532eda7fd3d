//! The new database: written through its public interface, in batches that are as durable as it is told to be at the end.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use super::report::RescuedFamily;
use super::survey::Survey;
use crate::batch::Batch;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::event::{Change, Event};
use crate::family::{ColumnFamily, FamilyId};
use crate::key::{Kind, SeqNo};
use crate::options::{Durability, Options, RecoveryMode};

/// A batch is written when it has this many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// A family of the new database.
#[derive(Debug)]
pub(super) struct OutFamily {
    pub(super) family: ColumnFamily,
    /// Whether operands can be written.
    pub(super) merges: bool,
    pub(super) told: RescuedFamily,
}

/// The new database.
#[derive(Debug)]
pub(super) struct Output {
    db: Db,
    pub(super) families: BTreeMap<FamilyId, OutFamily>,
    batch: Batch,
}

impl Output {
    /// Begins the database, with the families of the old one. Its sequence numbers go on behind those.
    pub(super) fn begin(directory: &Path, options: &Options, survey: &Survey) -> Result<Output> {
        let recovery = RecoveryMode::Strict;
        let options = Options { create_if_missing: true, recovery, history: None, ..options.clone() };
        let db = Db::open(directory, options.clone())?;
        if survey.known.last > SeqNo::ZERO {
            db.write_at(survey.known.last, Batch::new(), Durability::Buffered)?;
        }
        let mut output = Output { db, families: BTreeMap::new(), batch: Batch::new() };
        for (id, known) in &survey.known.families {
            let name = known.name.as_deref().unwrap_or_default();
            let db = &output.db;
            if *id != FamilyId(0) {
                let seqno = db.last_seqno().next().ok_or_else(no_number)?;
                db.apply(
                    &Event { seqno, change: Change::FamilyCreated { id: id.0, name } },
                    Durability::Buffered,
                )?;
            }
            let family = db.column_family(name);
            let family = family.ok_or_else(|| Error::Bug { message: format!("no family {name:?}") })?;
            let given = options.family(name);
            let stored = known.options.as_ref().filter(|_| !options.families.contains_key(name));
            if let Some(stored) = stored.and_then(|stored| given.with_stored(stored)) {
                db.set_family_options(&family, stored)?;
            }
            let operator = given.merge_operator.as_ref().map(|operator| operator.name());
            let merges = operator.is_some()
                && known.merge_operator.as_deref().is_none_or(|name| operator == Some(name));
            let told = RescuedFamily {
                id: id.0,
                name: name.to_owned(),
                is_name_lost: survey.nameless.contains(id),
                keys: 0,
                operations: 0,
            };
            output.families.insert(*id, OutFamily { family, merges, told });
        }
        Ok(output)
    }

    /// Writes an operation behind those before it.
    pub(super) fn push(&mut self, id: FamilyId, kind: Kind, key: &[u8], value: &[u8]) -> Result<()> {
        let Some(to) = self.families.get(&id) else { return Ok(()) };
        self.batch.push(&to.family, kind, key, value)?;
        if self.batch.bytes() >= BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.db.write(batch, Durability::Buffered).map(drop)
    }

    /// Makes everything durable, in tables, and closes the database.
    pub(super) fn finish(mut self) -> Result<Vec<RescuedFamily>> {
        self.write()?;
        self.db.flush_all()?;
        let seqno = self.db.last_seqno().next().ok_or_else(no_number)?;
        self.db.write_at(seqno, Batch::new(), Durability::Synced)?;
        Ok(self.families.into_values().map(|family| family.told).collect())
    }
}

fn no_number() -> Error {
    let limit = SeqNo::MAX.get();
    Error::LimitExceeded { what: "a sequence number", actual: limit.saturating_add(1), limit }
}
