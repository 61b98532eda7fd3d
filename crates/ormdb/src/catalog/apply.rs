//! Applying a schema text: the changes are worked out, the data are asked whether they allow them, and the new version
//! and all that it needs of the data become visible at once.
//!
//! One transaction reads the current version, the rows that a change depends on, and writes index entries and the new
//! version. A write that comes between conflicts with it and one of the two runs again, so that no write is ever
//! checked by an old schema and stored under a new one.
//!
//! Invariant: after a refusal or an error nothing has changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use ordinum::{Db, Durability, KeyRange, Reader, Transaction};
use ormdb_proto::error::Limit;
use ormdb_proto::schema::{ConstraintState, EntityId, IndexOrigin, IndexState, Schema};
use ormdb_proto::{Error, ErrorCode};
use parking_lot::RwLock;

use super::backfill;
use super::record::StoredVersion;
use super::{Catalog, Change, EntityInfo, Grade, diff, greatest, recompute, resolve, store};
use crate::engine::engine_error;
use crate::store::sequence::Sequences;
use crate::store::{Families, layout};
use crate::text::parse_schema;

/// How often a change is tried again when writes come between.
const TRIES_MAX: u32 = 16;
/// The most rows that are read and indexed in the transaction of a change.
pub(crate) const BACKFILL_ROWS_MAX: u64 = 200_000;

/// What applying a schema text did.
#[derive(Debug)]
pub struct Applied {
    /// The catalog that is current now.
    pub catalog: Arc<Catalog>,
    /// The changes; none if the text says what is there already.
    pub changes: Vec<Change>,
}

type Outcome<T> = std::result::Result<T, Vec<Error>>;

/// Applies a schema text at the time `now`, and publishes the new catalog in `published`, which is locked from before
/// the commit until then: who takes catalog and snapshot under this lock gets two that belong together. When this
/// returns the new version is durable.
///
/// # Errors
/// What is wrong with the text; `MigrationRefused` for each change that the rows do not allow; a violation for a row
/// that a new constraint does not; `SerializationConflict` if writes kept coming between.
pub(crate) fn apply(
    engine: &Db,
    families: &Families,
    sequences: &Sequences,
    published: &RwLock<Arc<Catalog>>,
    text: &str,
    now: i64,
) -> Outcome<Applied> {
    let ast = parse_schema(text)?;
    let mut conflict = None;
    for _ in 0..TRIES_MAX {
        let mut txn = engine.transaction();
        let current = store::load(&txn, families).map_err(one)?;
        let schema = resolve(&ast, current.schema())?;
        let changes = diff(current.schema(), &schema);
        if changes.is_empty() && current.version() > 0 && current.text() == text {
            return Ok(Applied { catalog: Arc::new(current), changes });
        }
        let catalog = prepare(&mut txn, families, &current, schema, &changes, text)?;
        let stored = StoredVersion {
            version: catalog.version(),
            applied_at: now,
            text: text.to_owned(),
            schema: Schema::clone(catalog.schema()),
        };
        store::save(&mut txn, families, &stored).map_err(one)?;
        greatest::pass(&txn, families, sequences, &current, &catalog).map_err(one)?;
        let catalog = Arc::new(catalog);
        let mut slot = published.write();
        match txn.commit(Durability::Synced) {
            Ok(_) => {
                *slot = Arc::clone(&catalog);
                drop(slot);
                // The change is done. Entries that stay behind mean nothing, and go when the database is next opened.
                backfill::sweep(engine, families, &catalog).ok();
                return Ok(Applied { catalog, changes });
            }
            Err(error @ ordinum::Error::Conflict { .. }) => conflict = Some(engine_error(error)),
            Err(error) => return Err(one(engine_error(error))),
        }
    }
    Err(conflict.into_iter().collect())
}

/// What applying a schema text would change, and why it would be refused, if it would.
///
/// # Errors
/// As of [`apply`].
pub(crate) fn preview(engine: &Db, families: &Families, text: &str) -> Outcome<Vec<Change>> {
    let ast = parse_schema(text)?;
    let mut txn = engine.transaction();
    let current = store::load(&txn, families).map_err(one)?;
    let schema = resolve(&ast, current.schema())?;
    let changes = diff(current.schema(), &schema);
    prepare(&mut txn, families, &current, schema, &changes, text)?;
    Ok(changes)
}

/// Asks the data, writes the index entries that are new, and gives the catalog with everything public.
fn prepare(
    txn: &mut Transaction,
    families: &Families,
    current: &Catalog,
    schema: Schema,
    changes: &[Change],
    text: &str,
) -> Outcome<Catalog> {
    refuse(txn, families, current, changes)?;
    let pending = backfill::pending(&schema);
    let catalog = Catalog::build(public(schema), text).map_err(one)?;
    let mut budget = BACKFILL_ROWS_MAX;
    let rewritten: BTreeSet<EntityId> = changes
        .iter()
        .filter_map(|change| match change.grade {
            Grade::Rewrite { entity } => Some(entity),
            Grade::Metadata | Grade::Backfill { .. } | Grade::NoDeletedRows { .. } | Grade::NoRows { .. } => {
                None
            }
        })
        .collect();
    for entity in rewritten {
        let old = current.entity_by_id(entity).map_err(one)?;
        let rows = recompute::rewrite(txn, families, old, &catalog, budget).map_err(one)?;
        budget = budget.checked_sub(rows).ok_or_else(|| one(too_many_rows(&catalog, entity)))?;
    }
    // Entries first: a new foreign key may refer to a new unique key.
    for of_entity in &pending {
        let rows = backfill::write_entries(txn, families, &catalog, of_entity, budget).map_err(one)?;
        budget = budget.checked_sub(rows).ok_or_else(|| one(too_many_rows(&catalog, of_entity.entity)))?;
    }
    let mut violations = Vec::new();
    for of_entity in &pending {
        backfill::validate(txn, families, &catalog, of_entity, &mut violations).map_err(one)?;
    }
    if violations.is_empty() { Ok(catalog) } else { Err(violations) }
}

fn too_many_rows(catalog: &Catalog, entity: EntityId) -> Error {
    let name = catalog.entity_by_id(entity).map_or("", |e| e.name.as_str());
    let message = format!(
        "`{name}` has more than {BACKFILL_ROWS_MAX} rows to read for its new indexes, constraints and computed fields"
    );
    let mut error = Error::new(ErrorCode::MigrationRefused, message)
        .entity(name)
        .hint("declare them before the rows are loaded, or load the rows into a new database");
    error.detail.limit = Some(Limit {
        name: "rows of a change".to_owned(),
        allowed: BACKFILL_ROWS_MAX,
        asked: BACKFILL_ROWS_MAX + 1,
    });
    error
}

/// Refuses every change that needs entities without rows, where there are rows.
fn refuse(txn: &Transaction, families: &Families, current: &Catalog, changes: &[Change]) -> Outcome<()> {
    let mut asked = BTreeSet::new();
    let mut with_rows = BTreeSet::new();
    let mut refusals = Vec::new();
    for change in changes {
        if let Grade::NoDeletedRows { entity } = change.grade {
            let info = current.entity_by_id(entity).map_err(one)?;
            if has_deleted_rows(txn, families, info).map_err(one)? {
                let message = format!("cannot {} while there are any: they would be seen again", change.what);
                let hint = format!(
                    "restore them, or remove them: `delete permanently {} where {} is not null`",
                    info.name,
                    info.soft_delete.map_or(String::new(), |soft| info.names_of(&[soft.field]))
                );
                let error = Error::new(ErrorCode::MigrationRefused, message).entity(&info.name);
                refusals.push(error.hint(hint));
            }
            continue;
        }
        let Grade::NoRows { entities, because, instead } = &change.grade else { continue };
        for id in entities {
            if asked.insert(*id) && has_rows(txn, families, *id).map_err(one)? {
                with_rows.insert(*id);
            }
        }
        let hindering: Vec<&str> = entities
            .iter()
            .filter(|id| with_rows.contains(id))
            .filter_map(|id| current.entity_by_id(*id).ok())
            .map(|e| e.name.as_str())
            .collect();
        if let Some(first) = hindering.first() {
            let message = format!(
                "cannot {} while {} has rows: {because}",
                change.what,
                hindering.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            );
            refusals.push(Error::new(ErrorCode::MigrationRefused, message).entity(*first).hint(*instead));
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

fn has_rows(txn: &Transaction, families: &Families, entity: EntityId) -> ormdb_proto::Result<bool> {
    use crate::engine::EngineResult;
    let range = KeyRange::prefix(&layout::rows_prefix(entity));
    txn.cursor(&families.rows, range).engine()?.first().engine()
}

/// Whether an entity has rows that are deleted and kept: they are what its index of them has.
fn has_deleted_rows(
    txn: &Transaction,
    families: &Families,
    entity: &EntityInfo,
) -> ormdb_proto::Result<bool> {
    use crate::engine::EngineResult;
    let index = entity.indexes.iter().find(|index| index.origin == IndexOrigin::SoftDelete);
    let Some(index) = index else { return Ok(false) };
    let range = KeyRange::prefix(&layout::index_prefix(index.id));
    txn.cursor(&families.indexes, range).engine()?.first().engine()
}

/// The schema with every index and constraint public.
fn public(mut schema: Schema) -> Schema {
    for entity in &mut schema.entities {
        entity.indexes.iter_mut().for_each(|index| index.state = IndexState::Public);
        entity.checks.iter_mut().for_each(|check| check.state = ConstraintState::Public);
        entity.foreign_keys.iter_mut().for_each(|key| key.state = ConstraintState::Public);
    }
    schema
}

fn one(error: Error) -> Vec<Error> {
    vec![error]
}

#[cfg(test)]
mod tests;
