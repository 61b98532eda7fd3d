//! Fetches of one row by its key: the path is known when the plan is made, but for the values of the key.

use ormdb_proto::Result;
use ormdb_proto::schema::{FieldId, FieldType, IndexId};

use super::bounds::as_key;
use super::cover::Needed;
use super::exact::has_a_key_each;
use super::{Level, Path, RootAccess, Served, Source, order};
use crate::catalog::EntityInfo;
use crate::expr::{Comparison, EvalEnv, NoRow, Node, eval_constant};
use crate::store::key::{self, Direction};
use crate::store::layout;

/// Most keys have no more bytes.
const KEY_BYTES: usize = 64;

/// The key of a root of one row.
pub(super) struct Point {
    /// The index that has the key; none for the primary key.
    index: Option<IndexId>,
    /// The value of each of its fields, with the type of the field.
    parts: Vec<(FieldType, Node)>,
    /// Whether the entry of the index has all that is read of the row.
    covered: bool,
}

impl Point {
    /// The point that a level is, if its condition says that each field of a unique key equals a constant, and no more.
    pub(super) fn of(level: &Level<'_>, needed: &Needed, rows_alone: bool) -> Option<Point> {
        let (entity, rows) = (level.entity, &level.rows);
        let filter = rows.filter.as_ref()?.root();
        if !rows_alone || rows.deleted.are_shown() {
            return None;
        }
        let conditions = match filter {
            Node::And(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let equal = |condition: &Node| match condition {
            Node::Compare(Comparison::Equal, left, right) => match (&**left, &**right) {
                (Node::Field(field), value) if value.is_constant() => Some((*field, value.clone())),
                _ => None,
            },
            _ => None,
        };
        let given: Vec<(FieldId, Node)> = conditions.iter().map(equal).collect::<Option<_>>()?;
        let parts_of = |fields: &[FieldId]| {
            let part = |field: &FieldId| {
                let (_, node) = given.iter().find(|(given, _)| given == field)?;
                Some((entity.field_by_id(*field)?.ty, node.clone()))
            };
            (fields.len() == given.len()).then(|| fields.iter().map(part).collect::<Option<Vec<_>>>())?
        };
        if let Some(parts) = parts_of(&entity.primary_key) {
            return Some(Point { index: None, parts, covered: false });
        }
        let unique = order::sources(entity).find_map(|source| match source {
            Source::Primary => None,
            Source::Index(id) => {
                let index = entity.index_by_id(id).filter(|index| index.unique.is_some())?;
                let fields: Vec<FieldId> = index.columns.iter().map(|column| column.field).collect();
                Some((id, parts_of(&fields)?))
            }
        });
        unique.map(|(index, parts)| {
            let covered = needed.covered_by(entity, Source::Index(index));
            Point { index: Some(index), parts, covered }
        })
    }

    /// The path to the row; none if keys do not compare with a value as the condition does.
    ///
    /// # Errors
    /// `Internal` if a key cannot have a value.
    pub(super) fn access(&self, entity: &EntityInfo, env: &EvalEnv<'_>) -> Result<Option<RootAccess>> {
        let access = |path| {
            let equal_columns = self.parts.len();
            let (served, ranged, hashed) = (Served::Exact, false, Vec::new());
            let (covered, filters) = (self.covered, self.parts.iter().all(|(ty, _)| has_a_key_each(*ty)));
            RootAccess { path, served, equal_columns, ranged, covered, filters, hashed }
        };
        let (prefix, format) = match self.index {
            None => (layout::rows_prefix(entity.id), None),
            Some(id) => (layout::index_prefix(id), Some(entity.store().index(id)?)),
        };
        let mut key = Vec::with_capacity(KEY_BYTES);
        key.extend_from_slice(&prefix);
        for (at, (ty, node)) in self.parts.iter().enumerate() {
            let Ok(value) = eval_constant(node, &NoRow, env) else { return Ok(None) };
            let Some(value) = as_key(*ty, &value.view()) else { return Ok(None) };
            if value.is_null() {
                // Nothing equals null.
                return Ok(Some(access(Path::Nothing)));
            }
            match format {
                None => key::push_key_field(&mut key, &value.view())?,
                Some(format) => {
                    let direction = format.columns().get(at).map_or(Direction::Ascending, |c| c.direction);
                    key::push_column(&mut key, &value.view(), direction);
                }
            }
        }
        Ok(Some(access(match self.index {
            None => Path::Rows(vec![key]),
            Some(index) => Path::Unique { index, keys: vec![key] },
        })))
    }
}
