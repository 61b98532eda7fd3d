//! What new indexes and constraints need of the rows that are there: entries, and a look at every row.
//!
//! Invariant: entries that belong to no index of the catalog mean nothing, and are swept away after the change that
//! dropped the index, or when the database is next opened.

#![deny(clippy::indexing_slicing)]

use ordinum::{Db, Durability, KeyRange, Reader, Transaction};
use ormdb_proto::schema::{ConstraintId, ConstraintState, EntityId, IndexId, IndexState, Schema};
use ormdb_proto::{Error, ErrorCode, Result};

use super::{Catalog, EntityInfo};
use crate::engine::EngineResult;
use crate::expr::EvalEnv;
use crate::planted::{Bug, planted};
use crate::store::row::RowView;
use crate::store::{Families, layout, parent::ParentKey};

/// The most entries that a transaction of the sweep deletes.
const SWEEP_ENTRIES_MAX: usize = 10_000;

/// What is to be done for an entity.
pub(super) struct Pending {
    pub(super) entity: EntityId,
    indexes: Vec<IndexId>,
    checks: Vec<ConstraintId>,
    foreign_keys: Vec<ConstraintId>,
}

/// What is to be done for a schema as [`super::resolve`] gives it.
pub(super) fn pending(schema: &Schema) -> Vec<Pending> {
    let of_entity = |entity: &ormdb_proto::schema::Entity| {
        let held = |state: ConstraintState| state == ConstraintState::Public;
        Pending {
            entity: entity.id,
            indexes: entity.indexes.iter().filter(|i| i.state != IndexState::Public).map(|i| i.id).collect(),
            checks: entity.checks.iter().filter(|c| !held(c.state)).map(|c| c.id).collect(),
            foreign_keys: entity.foreign_keys.iter().filter(|k| !held(k.state)).map(|k| k.id).collect(),
        }
    };
    let all = schema.entities.iter().map(of_entity);
    all.filter(|p| !(p.indexes.is_empty() && p.checks.is_empty() && p.foreign_keys.is_empty())).collect()
}

/// Writes the entries of the new indexes, of at most `rows_max` rows, and counts the rows; one more than allowed if
/// there are more.
pub(super) fn write_entries(
    txn: &mut Transaction,
    families: &Families,
    catalog: &Catalog,
    pending: &Pending,
    rows_max: u64,
) -> Result<u64> {
    let info = catalog.entity_by_id(pending.entity)?;
    let mut rows = 0;
    let mut cursor = rows_of(txn, families, pending.entity)?;
    let mut there = cursor.first().engine()? && !planted(Bug::SkipBackfill);
    while there {
        rows += 1;
        if rows > rows_max {
            return Ok(rows);
        }
        let view = info.store().rows.view(cursor.value().engine()?)?;
        let primary_key = layout::primary_key_of(cursor.key())?;
        for id in &pending.indexes {
            write_entry(txn, families, catalog, info, *id, (&view, primary_key))?;
        }
        there = cursor.next().engine()?;
    }
    Ok(rows)
}

fn write_entry(
    txn: &mut Transaction,
    families: &Families,
    catalog: &Catalog,
    info: &EntityInfo,
    id: IndexId,
    (row, primary_key): (&RowView<'_>, &[u8]),
) -> Result<()> {
    let rules = info.rules(catalog.schema())?;
    let condition = info.indexes.iter().zip(&rules.conditions).find(|(i, _)| i.id == id);
    if let Some((_, Some(condition))) = condition
        && condition.test(row, &EvalEnv::at(0))? != Some(true)
    {
        return Ok(());
    }
    let entry = info.store().index(id)?.entry(row, primary_key)?;
    if entry.guards && txn.get(&families.indexes, &entry.key).engine()?.is_some() {
        let name = info.index_by_id(id).map_or("", |i| i.name.as_str());
        let message =
            format!("two rows of `{}` have the same values for the new unique index `{name}`", info.name);
        return Err(Error::new(ErrorCode::UniqueViolation, message)
            .entity(&info.name)
            .constraint(name)
            .key(key_text(info, row))
            .hint("change or delete one of the rows first"));
    }
    txn.put(&families.indexes, &entry.key, &entry.value).engine()
}

/// Looks at every row for the new checks and foreign keys, and adds a violation for each that rows do not meet.
pub(super) fn validate(
    txn: &Transaction,
    families: &Families,
    catalog: &Catalog,
    pending: &Pending,
    violations: &mut Vec<Error>,
) -> Result<()> {
    if pending.checks.is_empty() && pending.foreign_keys.is_empty() {
        return Ok(());
    }
    let info = catalog.entity_by_id(pending.entity)?;
    let rules = info.rules(catalog.schema())?;
    let checks: Vec<_> =
        info.checks.iter().zip(&rules.checks).filter(|(c, _)| pending.checks.contains(&c.id)).collect();
    let keys: Vec<_> = info.foreign_keys.iter().filter(|k| pending.foreign_keys.contains(&k.id)).collect();
    let mut of_checks = vec![Failed::default(); checks.len()];
    let mut of_keys = vec![Failed::default(); keys.len()];
    let mut cursor = rows_of(txn, families, pending.entity)?;
    let mut there = cursor.first().engine()?;
    while there {
        let row = info.store().rows.view(cursor.value().engine()?)?;
        for ((_, compiled), failed) in checks.iter().zip(&mut of_checks) {
            if compiled.test(&row, &EvalEnv::at(0))? == Some(false) {
                failed.add(info, &row);
            }
        }
        for (key, failed) in keys.iter().zip(&mut of_keys) {
            let parent = ParentKey::of(catalog, key, &row)?;
            if let Some(parent) = parent
                && !parent.exists(txn, families)?
            {
                failed.add(info, &row);
            }
        }
        there = cursor.next().engine()?;
    }
    for ((check, _), failed) in checks.iter().zip(of_checks) {
        let what = match failed.count {
            1 => format!("fails the new check `{}`", check.name),
            _ => format!("fail the new check `{}`", check.name),
        };
        violations.extend(failed.violation(ErrorCode::CheckViolation, info, &what, &check.name));
    }
    for (key, failed) in keys.iter().zip(of_keys) {
        let target = &catalog.entity_by_id(key.target)?.name;
        let what = match failed.count {
            1 => format!("refers to a `{target}` that is not there"),
            _ => format!("refer to a `{target}` that is not there"),
        };
        violations.extend(failed.violation(ErrorCode::ForeignKeyViolation, info, &what, &key.name));
    }
    Ok(())
}

/// The rows that do not meet a constraint.
#[derive(Clone, Default)]
struct Failed {
    count: u64,
    /// The primary key of the first, for people.
    first: String,
}

impl Failed {
    fn add(&mut self, info: &EntityInfo, row: &RowView<'_>) {
        if self.count == 0 {
            self.first = key_text(info, row);
        }
        self.count += 1;
    }

    /// The violation, if any row is one; `what` says what the rows do.
    fn violation(self, code: ErrorCode, info: &EntityInfo, what: &str, constraint: &str) -> Option<Error> {
        let Failed { count, first } = self;
        let message = match count {
            0 => return None,
            1 => format!("row {first} of `{}` {what}", info.name),
            _ => format!("{count} rows of `{}` {what}; the first is {first}", info.name),
        };
        let error = Error::new(code, message).entity(&info.name).constraint(constraint).key(first);
        Some(error.hint("change or delete such rows first"))
    }
}

/// The primary key of a row, for people.
pub(crate) fn key_text(info: &EntityInfo, row: &RowView<'_>) -> String {
    let value = |id: &ormdb_proto::schema::FieldId| match row.field(*id) {
        Ok(value) => crate::text::print_value(&value.to_value(&|_| None)),
        Err(_) => "?".to_owned(),
    };
    info.primary_key.iter().map(value).collect::<Vec<_>>().join(", ")
}

/// A cursor over the rows of an entity.
pub(super) fn rows_of(reader: &dyn Reader, families: &Families, entity: EntityId) -> Result<ordinum::Cursor> {
    reader.cursor(&families.rows, KeyRange::prefix(&layout::rows_prefix(entity))).engine()
}

/// Deletes the entries of indexes that were dropped up to this version of the catalog. May be cut off and run again.
pub(crate) fn sweep(engine: &Db, families: &Families, catalog: &Catalog) -> Result<()> {
    let known: std::collections::BTreeSet<IndexId> =
        catalog.entities().iter().flat_map(|e| e.indexes.iter().map(|i| i.id)).collect();
    // Ids from here on are of versions to come.
    let end = catalog.schema().next_ids.index;
    let mut from = 0u32;
    loop {
        let snapshot = engine.snapshot();
        let mut cursor = snapshot.cursor(&families.indexes, KeyRange::all()).engine()?;
        if !cursor.seek(&layout::index_prefix(IndexId(from))).engine()? {
            return Ok(());
        }
        let prefix = cursor.key().first_chunk::<{ layout::ID_BYTES }>().copied();
        let Some(id) = prefix.map(u32::from_be_bytes) else {
            return Err(crate::store::corrupt("the key of an index entry is cut short"));
        };
        if id >= end {
            return Ok(());
        }
        if !known.contains(&IndexId(id)) {
            delete_all(engine, families, IndexId(id))?;
        }
        from = id + 1;
    }
}

fn delete_all(engine: &Db, families: &Families, id: IndexId) -> Result<()> {
    loop {
        let snapshot = engine.snapshot();
        let range = KeyRange::prefix(&layout::index_prefix(id));
        let mut cursor = snapshot.cursor(&families.indexes, range).engine()?;
        let mut batch = ordinum::Batch::new();
        let mut there = cursor.first().engine()?;
        while there && batch.len() < SWEEP_ENTRIES_MAX {
            batch.delete(&families.indexes, cursor.key()).engine()?;
            there = cursor.next().engine()?;
        }
        if batch.is_empty() {
            return Ok(());
        }
        engine.write(batch, Durability::Buffered).engine()?;
    }
}
