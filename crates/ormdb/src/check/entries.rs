//! Index entries: each belongs to a row, under the key that the row has in the index. What an entry says beside its key
//! was compared when its row was read.

use ordinum::{KeyRange, Reader};
use ormdb_proto::Result;
use ormdb_proto::schema::Index;

use super::lookups::Lookups;
use super::{Checker, Finding, FindingKind, hex};
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::expr::{EvalEnv, RowExpr};
use crate::store::layout;
use crate::store::{IndexFormat, corrupt};

/// An index of an entity.
#[derive(Clone, Copy)]
struct Place<'a> {
    info: &'a EntityInfo,
    index: &'a Index,
    format: &'a IndexFormat,
    condition: Option<&'a RowExpr>,
}

impl Checker<'_> {
    pub(super) fn entries(&mut self) {
        let catalog = self.catalog;
        for info in catalog.entities() {
            let Ok(rules) = info.rules(catalog.schema()) else { continue };
            let formats = info.store().indexes.iter().zip(&rules.conditions);
            for (index, (format, condition)) in info.indexes.iter().zip(formats) {
                let place = Place { info, index, format, condition: condition.as_ref() };
                if let Err(error) = self.entries_of(place) {
                    let finding = Finding::of_error(FindingKind::DamagedFile, &error);
                    self.report.find(finding.entity(&info.name).subject(&index.name));
                }
            }
        }
    }

    fn entries_of(&mut self, place: Place<'_>) -> Result<()> {
        let mut lookups = Lookups::new();
        let range = KeyRange::prefix(&layout::index_prefix(place.index.id));
        let mut cursor = self.snapshot.cursor(&self.families.indexes, range).engine()?;
        let mut there = cursor.first().engine()?;
        while there {
            self.report.entries += 1;
            match place.format.primary_key(cursor.key(), cursor.value().engine()?) {
                Ok(primary_key) => {
                    let row_key = place.info.store().primary_key.row_key(primary_key);
                    lookups.push(row_key, cursor.key().to_vec());
                }
                Err(error) => self.stray(place, cursor.key(), &error.message),
            }
            if lookups.is_full() {
                self.rows_wanted(place, &mut lookups);
            }
            there = cursor.next().engine()?;
        }
        self.rows_wanted(place, &mut lookups);
        Ok(())
    }

    fn rows_wanted(&mut self, place: Place<'_>, lookups: &mut Lookups<Vec<u8>>) {
        let families = self.families;
        for (row_key, entry_key, row) in lookups.take(self, &families.rows) {
            match row {
                None => self.stray(place, &entry_key, "its row is not there"),
                Some(row) => match belongs(place, &row_key, &entry_key, &row) {
                    Ok(true) => {}
                    Ok(false) => self.stray(place, &entry_key, "its row has another one, or none"),
                    // The row itself was found damaged before.
                    Err(_) => {}
                },
            }
        }
    }

    fn stray(&mut self, place: Place<'_>, key: &[u8], why: &str) {
        let message =
            format!("an entry of index `{}` of `{}` is stray: {why}", place.index.name, place.info.name);
        let finding = Finding::new(FindingKind::StrayEntry, message).entity(&place.info.name);
        self.report.find(finding.subject(&place.index.name).key(hex(key)));
    }
}

/// Whether the row has an entry of this key in the index.
fn belongs(place: Place<'_>, row_key: &[u8], entry_key: &[u8], row: &[u8]) -> Result<bool> {
    let row = place.info.store().rows.view(row)?;
    if let Some(condition) = place.condition
        && condition.test(&row, &EvalEnv::at(0))? != Some(true)
    {
        return Ok(false);
    }
    let primary_key =
        row_key.get(layout::ID_BYTES..).ok_or_else(|| corrupt("the key of a row is cut short"))?;
    Ok(place.format.entry(&row, primary_key)?.key == entry_key)
}
