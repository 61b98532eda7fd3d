//! The log, read for what each commit wrote.

#![deny(clippy::indexing_slicing)]

use ordinum::{Change, Db, Tail, Write};
use ormdb_proto::Result;
use ormdb_proto::schema::EntityId;

use super::{Version, Written};
use crate::database::Database;
use crate::engine::{EngineResult, engine_error};
use crate::store::layout::ID_BYTES;

/// So many commits are told before it is looked who wants to be told.
const COMMITS_AT_ONCE: usize = 1024;

/// Reads the log behind a version.
#[derive(Debug)]
pub(super) struct LogReader {
    engine: Db,
    tail: Tail,
    /// The numbers of the families of rows, and of versions of the schema.
    rows: u32,
    catalog: u32,
    /// Whether the last reading stopped before the end.
    more: bool,
}

impl LogReader {
    /// A reader of what is committed from now on.
    pub(super) fn open(database: &Database) -> Result<LogReader> {
        let (engine, families) = (database.engine().clone(), database.families());
        let tail = engine.tail_from_now().engine()?;
        Ok(LogReader { engine, tail, rows: families.rows.id(), catalog: families.catalog.id(), more: false })
    }

    /// The version that it has read up to.
    pub(super) fn position(&self) -> Version {
        self.tail.position().seqno
    }

    /// Whether it is known that there is more.
    pub(super) const fn has_more(&self) -> bool {
        self.more
    }

    /// Tells what commits wrote that are in the log, in order.
    ///
    /// # Errors
    /// If the log cannot be read any further.
    pub(super) fn read_on(&mut self, mut tell: impl FnMut(Version, &Written)) -> Result<()> {
        self.more = false;
        for _ in 0..COMMITS_AT_ONCE {
            match self.tail.try_next() {
                Ok(Some(event)) => {
                    let written = written(&event.change, self.rows, self.catalog);
                    if written != Written::default() {
                        tell(event.seqno, &written);
                    }
                }
                Ok(None) => return Ok(()),
                // Written faster than it was read here: what came meanwhile is not known any more.
                Err(ordinum::Error::TooOld { .. }) => {
                    self.tail = self.engine.tail_from_now().engine()?;
                    tell(self.position(), &Written { everything: true, ..Written::default() });
                }
                Err(error) => return Err(engine_error(error)),
            }
        }
        self.more = true;
        Ok(())
    }
}

/// What an event wrote.
fn written(change: &Change<'_>, rows: u32, catalog: u32) -> Written {
    let mut written = Written::default();
    match change {
        Change::Batch(batch) => {
            for write in batch.writes() {
                match write {
                    Write::Put { family, key, .. }
                    | Write::Delete { family, key }
                    | Write::Merge { family, key, .. } => {
                        written.schema |= family == catalog;
                        if family == rows {
                            written.add(key, key);
                        }
                    }
                    Write::DeleteRange { family, start, end } => {
                        written.schema |= family == catalog;
                        if family == rows {
                            written.add(start, end);
                        }
                    }
                    _ => written.everything = true,
                }
            }
        }
        Change::Ingested(ingested) => {
            let (first, last) = ingested.range();
            written.schema = ingested.family() == catalog;
            if ingested.family() == rows {
                written.add(first, last);
            }
        }
        // Families are made and dropped with nothing in them that a reader has seen.
        Change::FamilyCreated { .. } | Change::FamilyDropped { .. } => {}
        _ => written.everything = true,
    }
    written
}

impl Written {
    /// Adds the entity of the rows from one key to another.
    fn add(&mut self, first: &[u8], last: &[u8]) {
        let id = |key: &[u8]| key.first_chunk::<ID_BYTES>().map(|id| EntityId(u32::from_be_bytes(*id)));
        match (id(first), id(last)) {
            (Some(first), Some(last)) if first == last => {
                self.entities.insert(first);
            }
            _ => self.everything = true,
        }
    }
}
