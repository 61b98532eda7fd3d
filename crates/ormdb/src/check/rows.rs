//! Rows: each can be decoded, lies under its own key, has what it must have, its entry in every index, and the rows
//! that it refers to.

use ordinum::{Cursor, KeyRange, Reader};
use ormdb_proto::Result;
use ormdb_proto::schema::{ConstraintState, IndexState};
use ormdb_proto::value::ValueRef;

use super::lookups::Lookups;
use super::{Checker, Finding, FindingKind, hex};
use crate::catalog::backfill::key_text;
use crate::catalog::rules::Rules;
use crate::catalog::{EntityInfo, stored_fields};
use crate::engine::EngineResult;
use crate::expr::EvalEnv;
use crate::store::index::IndexEntry;
use crate::store::layout;
use crate::store::parent::ParentKey;
use crate::store::row::RowView;
use crate::store::tuple::TupleLayout;
use crate::text::print_value;

/// The entry that a row must have.
struct WantedEntry {
    /// The place of the index among the entity's.
    index: usize,
    entry: IndexEntry,
    primary_key: Vec<u8>,
    row: String,
}

/// The parent that a row must have.
struct WantedParent {
    /// The place of the foreign key among the entity's.
    foreign_key: usize,
    row: String,
}

/// What is to be looked up for the rows of an entity.
struct Wanted {
    entries: Lookups<WantedEntry>,
    parent_rows: Lookups<WantedParent>,
    parent_entries: Lookups<WantedParent>,
}

impl Checker<'_> {
    pub(super) fn rows(&mut self) {
        let catalog = self.catalog;
        for info in catalog.entities() {
            if let Err(error) = self.rows_of(info) {
                self.report.find(Finding::of_error(FindingKind::DamagedFile, &error).entity(&info.name));
            }
        }
    }

    fn rows_of(&mut self, info: &EntityInfo) -> Result<()> {
        let rules = info.rules(self.catalog.schema())?;
        let mut wanted =
            Wanted { entries: Lookups::new(), parent_rows: Lookups::new(), parent_entries: Lookups::new() };
        let range = KeyRange::prefix(&layout::rows_prefix(info.id));
        let mut cursor = self.snapshot.cursor(&self.families.rows, range).engine()?;
        let mut there = cursor.first().engine()?;
        while there {
            self.report.rows += 1;
            if let Err(error) = self.row(info, rules, &cursor, &mut wanted) {
                let finding = Finding::of_error(FindingKind::UndecodableRow, &error);
                self.report.find(finding.entity(&info.name).key(hex(cursor.key())));
            }
            if wanted.entries.is_full() {
                self.entries_wanted(info, &mut wanted.entries);
            }
            if wanted.parent_rows.is_full() || wanted.parent_entries.is_full() {
                self.parents_wanted(info, &mut wanted);
            }
            there = cursor.next().engine()?;
        }
        self.entries_wanted(info, &mut wanted.entries);
        self.parents_wanted(info, &mut wanted);
        Ok(())
    }

    fn row(&mut self, info: &EntityInfo, rules: &Rules, cursor: &Cursor, wanted: &mut Wanted) -> Result<()> {
        let format = info.store();
        let row = format.rows.view(cursor.value().engine()?)?;
        row.values()?;
        let primary_key = layout::primary_key_of(cursor.key())?;
        if format.primary_key.encode_row(&row)? != primary_key {
            let message = format!("a row of `{}` lies under another key than its own", info.name);
            let finding = Finding::new(FindingKind::MisplacedRow, message).entity(&info.name);
            self.report.find(finding.key(key_text(info, &row)));
        }
        self.constraints(info, rules, &row)?;
        for (at, (index, condition)) in format.indexes.iter().zip(&rules.conditions).enumerate() {
            let belongs = match condition {
                Some(condition) => condition.test(&row, &EvalEnv::at(0))? == Some(true),
                None => true,
            };
            if belongs {
                let entry = index.entry(&row, primary_key)?;
                let key = entry.key.clone();
                let row = key_text(info, &row);
                let primary_key = primary_key.to_vec();
                wanted.entries.push(key, WantedEntry { index: at, entry, primary_key, row });
            }
        }
        for (at, key) in info.foreign_keys.iter().enumerate() {
            let found = WantedParent { foreign_key: at, row: key_text(info, &row) };
            match ParentKey::of(self.catalog, key, &row)? {
                Some(ParentKey::Row(key)) => wanted.parent_rows.push(key, found),
                Some(ParentKey::Entry(key)) => wanted.parent_entries.push(key, found),
                None => {}
            }
        }
        Ok(())
    }

    fn constraints(&mut self, info: &EntityInfo, rules: &Rules, row: &RowView<'_>) -> Result<()> {
        for field in info.fields.iter().filter(|f| f.is_stored() && !f.optional) {
            if row.field(field.id)?.is_null() {
                let message = format!("`{}.{}` is required, and a row has no value", info.name, field.name);
                let finding = Finding::new(FindingKind::MissingValue, message).entity(&info.name);
                self.report.find(finding.subject(&field.name).key(key_text(info, row)));
            }
        }
        self.computed(info, rules, row)?;
        for (check, compiled) in info.checks.iter().zip(&rules.checks) {
            let holds = matches!(check.state, ConstraintState::Validated | ConstraintState::Public);
            if holds && compiled.test(row, &EvalEnv::at(0))? == Some(false) {
                let message = format!("a row of `{}` fails the check `{}`", info.name, check.name);
                let finding = Finding::new(FindingKind::FailedCheck, message).entity(&info.name);
                self.report.find(finding.subject(&check.name).key(key_text(info, row)));
            }
        }
        Ok(())
    }

    /// Each stored computed field has the value of its expression, to the byte.
    fn computed(&mut self, info: &EntityInfo, rules: &Rules, row: &RowView<'_>) -> Result<()> {
        if rules.stored.is_empty() {
            return Ok(());
        }
        let (schema, format) = (self.catalog.schema(), &info.store().rows);
        let values = row.values()?;
        for (slot, wanted) in
            stored_fields::compute(&rules.stored, (schema, info.entity(), format), &values, None)?
        {
            let Some(field) = format.field(slot).map(|id| info.field_of(id)).transpose()? else { continue };
            let bytes = |value: ValueRef<'_>| {
                let mut out = Vec::new();
                TupleLayout::new([field.ty]).encode(&[value], &mut out).map(|()| out)
            };
            if bytes(row.get(slot)?)? != bytes(wanted.view())? {
                let message = format!(
                    "`{}.{}` of a row is not what it is computed from: the expression gives {}",
                    info.name,
                    field.name,
                    print_value(&wanted.view().to_value(&|_| None))
                );
                let finding = Finding::new(FindingKind::WrongComputed, message).entity(&info.name);
                self.report.find(finding.subject(&field.name).key(key_text(info, row)));
            }
        }
        Ok(())
    }

    fn entries_wanted(&mut self, info: &EntityInfo, lookups: &mut Lookups<WantedEntry>) {
        let family = self.families.indexes.clone();
        for (_, wanted, value) in lookups.take(self, &family) {
            let (Some(index), Some(format)) =
                (info.indexes.get(wanted.index), info.store().indexes.get(wanted.index))
            else {
                continue;
            };
            let complete = matches!(index.state, IndexState::Validated | IndexState::Public);
            let (kind, message) = match &value {
                None if !complete => continue,
                None => (
                    FindingKind::MissingEntry,
                    format!("a row of `{}` has no entry in index `{}`", info.name, index.name),
                ),
                Some(value) if value[..] == wanted.entry.value[..] => continue,
                Some(value) => match format.primary_key(&wanted.entry.key, value) {
                    Ok(owner) if owner != wanted.primary_key => (
                        FindingKind::DuplicateKey,
                        format!(
                            "another row of `{}` owns the unique key of a row in index `{}`",
                            info.name, index.name
                        ),
                    ),
                    _ => (
                        FindingKind::WrongEntry,
                        format!(
                            "the entry of a row of `{}` in index `{}` says something else than the row",
                            info.name, index.name
                        ),
                    ),
                },
            };
            let finding = Finding::new(kind, message).entity(&info.name).subject(&index.name);
            self.report.find(finding.key(wanted.row));
        }
    }

    fn parents_wanted(&mut self, info: &EntityInfo, wanted: &mut Wanted) {
        let families = self.families;
        let mut found = wanted.parent_rows.take(self, &families.rows);
        found.append(&mut wanted.parent_entries.take(self, &families.indexes));
        for (_, parent, value) in found {
            self.report.references += 1;
            let Some(key) = info.foreign_keys.get(parent.foreign_key) else { continue };
            let holds = matches!(key.state, ConstraintState::Validated | ConstraintState::Public);
            if value.is_some() || !holds {
                continue;
            }
            let target = self.catalog.entity_by_id(key.target).map_or("", |e| e.name.as_str());
            let message = format!(
                "a row of `{}` refers by `{}` to a `{target}` that is not there",
                info.name, key.name
            );
            let finding = Finding::new(FindingKind::MissingParent, message).entity(&info.name);
            self.report.find(finding.subject(&key.name).key(parent.row));
        }
    }
}
