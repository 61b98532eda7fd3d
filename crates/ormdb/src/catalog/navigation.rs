//! How a relation is navigated: from the rows of one entity to the rows of another, by equal fields, through the
//! key or index that serves them.
//!
//! Invariants: (1) `local` and `remote` of a hop are paired, and stand in the order of the key that serves the hop, as
//! its first columns; (2) a partial index serves no hop, nor one that reads may not use yet.

use ormdb_proto::schema::{
    ConstraintId, Entity, EntityId, FieldId, ForeignKey, IndexId, IndexState, Relation, RelationKind, Schema,
};
use ormdb_proto::{Error, ErrorCode, Result};

/// What finds rows of an entity by the values of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAccess {
    /// The primary key, or its first fields.
    PrimaryKey,
    /// An index, or its first columns.
    Index(IndexId),
    /// Nothing but a scan of all rows.
    Scan,
}

/// One step from the rows of an entity to rows of another: those whose `remote` fields equal the `local` fields. A
/// null equals nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The entity that it leads to.
    pub target: EntityId,
    /// The fields on this side.
    pub local: Vec<FieldId>,
    /// The fields of the target, one for each of `local`.
    pub remote: Vec<FieldId>,
    /// What finds the rows of the target.
    pub access: KeyAccess,
    /// Whether at most one row can match.
    pub to_one: bool,
}

/// How a relation is navigated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Navigation {
    /// In one step, along a foreign key or against it.
    Direct(Hop),
    /// Through an edge entity.
    Through {
        /// The edge entity.
        edge: EntityId,
        /// To the rows of the edge entity.
        near: Hop,
        /// From the rows of the edge entity to the target.
        far: Hop,
    },
}

/// How `relation` of `entity` is navigated.
pub(super) fn of_relation(schema: &Schema, entity: &Entity, relation: &Relation) -> Result<Navigation> {
    match &relation.kind {
        RelationKind::Forward { foreign_key } => {
            let target = entity_of(schema, relation.target)?;
            Ok(Navigation::Direct(along(target, key_of(entity, *foreign_key)?)?))
        }
        RelationKind::Inverse { foreign_key, to_one } => {
            let target = entity_of(schema, relation.target)?;
            Ok(Navigation::Direct(against(target, key_of(target, *foreign_key)?, *to_one)?))
        }
        RelationKind::Through { edge, near, far } => {
            let edge = entity_of(schema, *edge)?;
            let near = key_of(edge, *near)?;
            Ok(Navigation::Through {
                edge: edge.id,
                near: against(edge, near, edge.is_unique_key(&near.fields))?,
                far: along(entity_of(schema, relation.target)?, key_of(edge, *far)?)?,
            })
        }
    }
}

/// The step from the holder of a foreign key to the row that it refers to.
fn along(target: &Entity, key: &ForeignKey) -> Result<Hop> {
    hop(target, &key.fields, &key.references, true)
}

/// The step from a row to those that refer to it by a foreign key of `holder`.
fn against(holder: &Entity, key: &ForeignKey, to_one: bool) -> Result<Hop> {
    hop(holder, &key.references, &key.fields, to_one)
}

fn hop(target: &Entity, local: &[FieldId], remote: &[FieldId], to_one: bool) -> Result<Hop> {
    let (access, remote) = serving(target, remote);
    let pair = |&(at, field): &(usize, FieldId)| {
        Ok((local.get(at).copied().ok_or_else(|| dangling("field", field.0))?, field))
    };
    let (local, remote) = remote.iter().map(pair).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    Ok(Hop { target: target.id, local, remote, access, to_one })
}

/// What finds rows of `entity` by values of all of `fields`, and the fields with their old places, in the order of its
/// columns: the primary key, else the index of the fewest columns.
pub(super) fn serving(entity: &Entity, fields: &[FieldId]) -> (KeyAccess, Vec<(usize, FieldId)>) {
    if let Some(order) = as_prefix(entity.primary_key.iter().copied(), fields) {
        return (KeyAccess::PrimaryKey, order);
    }
    let usable = entity.indexes.iter().filter(|i| i.state == IndexState::Public && i.filter.is_none());
    let fitting = usable.filter_map(|index| {
        let order = as_prefix(index.columns.iter().map(|c| c.field), fields)?;
        Some((index.columns.len(), index.id, order))
    });
    match fitting.min_by_key(|(columns, id, _)| (*columns, *id)) {
        Some((_, id, order)) => (KeyAccess::Index(id), order),
        None => (KeyAccess::Scan, fields.iter().copied().enumerate().collect()),
    }
}

/// The places in `fields` of the first columns of a key, if these are exactly `fields`.
pub(super) fn as_prefix(
    columns: impl Iterator<Item = FieldId>,
    fields: &[FieldId],
) -> Option<Vec<(usize, FieldId)>> {
    let order: Vec<(usize, FieldId)> = columns
        .take(fields.len())
        .map(|column| fields.iter().position(|f| *f == column).map(|at| (at, column)))
        .collect::<Option<_>>()?;
    (order.len() == fields.len()).then_some(order)
}

fn entity_of(schema: &Schema, id: EntityId) -> Result<&Entity> {
    schema.entity_by_id(id).ok_or_else(|| dangling("entity", id.0))
}

fn key_of(entity: &Entity, id: ConstraintId) -> Result<&ForeignKey> {
    entity.foreign_key(id).ok_or_else(|| dangling("foreign key", id.0))
}

fn dangling(what: &str, id: u32) -> Error {
    Error::new(ErrorCode::Internal, format!("the schema mentions {what} {id}, which it does not have"))
}
