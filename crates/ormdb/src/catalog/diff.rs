//! What changes between two versions of a schema, and what each change asks of the rows that are there.
//!
//! Things are matched by id alone: which old thing a name of the new text stands for was decided when the text was
//! resolved. An index, check or foreign key keeps its id only while its definition stays, so that a new definition
//! shows as one drop and one add.
//!
//! Invariant: the changes do not depend on data; [`Grade`] says what of the data decides whether one can be applied.

use ormdb_proto::schema::{
    Default, Entity, EntityId, EnumId, EnumLabel, EnumType, Field, FieldType, ForeignKey, Index, IndexState,
    ScalarType, Schema, SoftDelete,
};

use super::change::{Change, Grade};
use super::resolve::renamed;
use crate::store::tuple::NARROW_PRECISION_MAX;

mod embedded;

/// The changes that lead from `old` to `new`.
pub fn diff(old: &Schema, new: &Schema) -> Vec<Change> {
    let mut diff = Diff { old, new, changes: Vec::new() };
    diff.enums();
    diff.structs();
    diff.entities();
    diff.changes
}

struct Diff<'a> {
    old: &'a Schema,
    new: &'a Schema,
    changes: Vec<Change>,
}

const REWRITE: &str = "their rows would have to be rewritten";
const DATA_LOSS: &str = "their data would be lost";
const UNKNOWN_VALUE: &str = "their rows have no value for it";
const COPY_OVER: &str =
    "add an optional field beside it, and copy the values with an update; the old one stays";
const DELETE_FIRST: &str = "delete the rows first";

impl Diff<'_> {
    fn push(&mut self, what: String, grade: Grade) {
        self.changes.push(Change { what, grade });
    }

    fn metadata(&mut self, what: String) {
        self.push(what, Grade::Metadata);
    }

    fn no_rows(&mut self, what: String, entity: EntityId, because: &'static str, instead: &'static str) {
        self.push(what, Grade::NoRows { entities: vec![entity], because, instead });
    }

    fn enums(&mut self) {
        let (old, new) = (self.old, self.new);
        for was in old.enums.iter().filter(|was| new.enum_by_id(was.id).is_none()) {
            self.metadata(format!("drop enum `{}`", was.name));
        }
        for is in &new.enums {
            match old.enum_by_id(is.id) {
                None => self.metadata(format!("add enum `{}`", is.name)),
                Some(was) => self.labels(was, is),
            }
        }
    }

    fn labels(&mut self, was: &EnumType, is: &EnumType) {
        if was.name != is.name {
            self.metadata(format!("rename enum `{}` to `{}`", was.name, is.name));
        }
        if was.doc != is.doc {
            self.metadata(format!("change the comment of enum `{}`", is.name));
        }
        let users = self.users_of(is.id);
        let grade = |because, instead| Grade::NoRows { entities: users.clone(), because, instead };
        let moves =
            |label: &EnumLabel| is.label(label.position).is_none() && is.position(&label.name).is_some();
        if was.labels.iter().any(moves) {
            let of = |a: &EnumType, b: &EnumType| -> Vec<String> {
                let both = a.labels.iter().filter(|label| b.position(&label.name).is_some());
                both.map(|label| label.name.clone()).collect()
            };
            let verb = if of(was, is) == of(is, was) { "make room between" } else { "reorder" };
            let what = format!("{verb} the labels of enum `{}`", is.name);
            let instead = "keep the order, and add new labels at the end; or delete the rows first";
            self.push(what, grade("their rows hold the places of their labels", instead));
        }
        for label in &was.labels {
            match is.label(label.position) {
                Some(name) if name == label.name => {}
                Some(name) => {
                    self.metadata(format!("rename label `{}.{}` to `{name}`", is.name, label.name));
                }
                None if is.position(&label.name).is_some() => {}
                None => {
                    let what = format!("drop label `{}.{}`", is.name, label.name);
                    let instead = "keep the label, or delete the rows first";
                    self.push(what, grade("their rows may have it", instead));
                }
            }
        }
        for label in &is.labels {
            if was.label(label.position).is_none() && was.position(&label.name).is_none() {
                self.metadata(format!("add label `{}.{}`", is.name, label.name));
            }
        }
    }

    /// The entities of the old schema that store this enum.
    fn users_of(&self, id: EnumId) -> Vec<EntityId> {
        let stores = |f: &Field| f.is_stored() && f.ty.scalar() == ScalarType::Enum(id);
        self.old.entities.iter().filter(|e| e.fields.iter().any(stores)).map(|e| e.id).collect()
    }

    fn entities(&mut self) {
        let (old, new) = (self.old, self.new);
        for was in old.entities.iter().filter(|was| new.entity_by_id(was.id).is_none()) {
            self.no_rows(format!("drop entity `{}`", was.name), was.id, DATA_LOSS, DELETE_FIRST);
        }
        for is in &new.entities {
            match old.entity_by_id(is.id) {
                None => self.metadata(format!("add entity `{}`", is.name)),
                Some(was) => self.entity(was, is),
            }
        }
    }

    fn entity(&mut self, was: &Entity, is: &Entity) {
        let name = &is.name;
        if was.name != is.name {
            self.metadata(format!("rename entity `{}` to `{name}`", was.name));
        }
        if was.mapped_name != is.mapped_name {
            self.metadata(format!("change the mapped name of `{name}`"));
        }
        if was.doc != is.doc {
            self.metadata(format!("change the comment of `{name}`"));
        }
        if was.default_order != is.default_order {
            self.metadata(format!("change the default order of `{name}`"));
        }
        self.soft_delete(was, is);
        if was.primary_key != is.primary_key {
            let instead =
                "add a new entity of this key, and copy the rows; delete the old ones to drop the old entity";
            self.no_rows(format!("change the primary key of `{name}`"), was.id, REWRITE, instead);
        }
        self.embedded(was, is);
        self.fields(was, is);
        self.relations(was, is);
        self.foreign_keys(was, is);
        self.indexes(was, is);
        self.checks(was, is);
    }

    fn soft_delete(&mut self, was: &Entity, is: &Entity) {
        let name = &is.name;
        let by = |entity: &Entity, soft: SoftDelete| {
            entity.field_by_id(soft.field).map_or(String::new(), |field| field.name.clone())
        };
        let kept = |entity: &Entity| entity.soft_delete.map(|soft| soft.field);
        if kept(was) == kept(is) {
            if was.soft_delete != is.soft_delete {
                self.metadata(format!("change for how long deleted rows of `{name}` are kept"));
            }
            return;
        }
        if let Some(soft) = was.soft_delete {
            let what = format!("stop keeping deleted rows of `{name}` by `{}`", by(was, soft));
            self.push(what, Grade::NoDeletedRows { entity: was.id });
        }
        if let Some(soft) = is.soft_delete {
            let what = format!("keep deleted rows of `{name}` by `{}`", by(is, soft));
            match was.field_by_id(soft.field) {
                // Rows that have a time in it are deleted from now on.
                Some(_) => self.push(what, Grade::Backfill { entity: is.id }),
                None => self.metadata(what),
            }
        }
    }

    fn fields(&mut self, was: &Entity, is: &Entity) {
        for field in was.fields.iter().filter(|f| !f.is_presence() && is.field_by_id(f.id).is_none()) {
            let what = format!("drop field `{}.{}`", is.name, field.name);
            if field.stored_expr().is_some() {
                self.push(what, Grade::Rewrite { entity: was.id });
            } else if field.is_stored() {
                let instead = "keep the field for now";
                self.no_rows(what, was.id, DATA_LOSS, instead);
            } else {
                self.metadata(what);
            }
        }
        for field in is.fields.iter().filter(|f| !f.is_presence()) {
            match was.field_by_id(field.id) {
                None if field.inside().is_some() => self.added_member(was, is, field),
                None => self.added_field(is, field),
                Some(old) if old.is_stored() != field.is_stored() => self.stored_or_not(is, old, field),
                Some(old) => self.field(is, old, field),
            }
        }
        let kept = |from: &Entity, to: &Entity| -> Vec<_> {
            from.fields.iter().map(|f| f.id).filter(|id| to.field_by_id(*id).is_some()).collect()
        };
        if kept(was, is) != kept(is, was) {
            self.metadata(format!("reorder the fields of `{}`", is.name));
        }
    }

    fn added_field(&mut self, entity: &Entity, field: &Field) {
        let what = format!("add field `{}.{}`", entity.name, field.name);
        match &field.default {
            _ if field.stored_expr().is_some() => self.push(what, Grade::Rewrite { entity: entity.id }),
            _ if !field.is_stored() => self.metadata(what),
            Some(Default::Expr(expr)) if is_constant(expr) => self.metadata(what),
            None if field.optional => self.metadata(what),
            None => {
                let instead = "make it optional, or give it a constant default";
                self.no_rows(what, entity.id, UNKNOWN_VALUE, instead);
            }
            Some(_) => {
                let instead =
                    "add it as optional without the default, set it with an update, then add the default";
                self.no_rows(what, entity.id, UNKNOWN_VALUE, instead);
            }
        }
    }

    /// A field that rows store now and did not before, or the other way round.
    fn stored_or_not(&mut self, entity: &Entity, was: &Field, is: &Field) {
        let name = format!("`{}.{}`", entity.name, is.name);
        if was.name != is.name {
            self.metadata(format!("rename field `{}.{}` to `{}`", entity.name, was.name, is.name));
        }
        match (was.computed.is_some(), is.computed.is_some()) {
            (true, true) => {
                let when = if is.is_stored() { "when its row is written" } else { "when it is read" };
                self.push(format!("compute {name} {when}"), Grade::Rewrite { entity: entity.id });
            }
            (false, _) => {
                let instead = "add the computed field under another name";
                self.no_rows(format!("compute {name}"), entity.id, DATA_LOSS, instead);
            }
            (true, false) => {
                let what = format!("store {name} instead of computing it");
                let instead = "say `@stored` first, which fills it in; then drop the expression";
                self.no_rows(what, entity.id, UNKNOWN_VALUE, instead);
            }
        }
    }

    /// Whether a foreign key refers to a field.
    fn is_referred_to(&self, entity: &Entity, field: &Field) -> bool {
        let refers = |key: &ForeignKey| key.target == entity.id && key.references.contains(&field.id);
        self.new.entities.iter().any(|e| e.foreign_keys.iter().any(refers))
    }

    /// Whether the expressions differ only in the names of fields that have other names now.
    fn renames_explain(&self, entity: &Entity, was: &Field, is: &Field) -> bool {
        let Some(old) = self.old.entity_by_id(entity.id) else { return false };
        let names = old.fields.iter().filter_map(|field| {
            let new = entity.field_by_id(field.id)?;
            (new.name != field.name).then(|| (field.name.clone(), new.name.clone()))
        });
        let names = names.collect();
        was.computed.as_ref().map(|expr| renamed(expr, &names)) == is.computed
    }

    /// The expression or the type of a stored computed field.
    fn recomputed(&mut self, entity: &Entity, is: &Field, what: String) {
        if self.is_referred_to(entity, is) {
            let instead = "drop the foreign keys that refer to it first";
            self.no_rows(what, entity.id, "rows refer to them by its values", instead);
        } else {
            self.push(what, Grade::Rewrite { entity: entity.id });
        }
    }

    fn field(&mut self, entity: &Entity, was: &Field, is: &Field) {
        let name = format!("`{}.{}`", entity.name, is.name);
        if was.name != is.name {
            self.metadata(format!("rename field `{}.{}` to `{}`", entity.name, was.name, is.name));
        }
        if was.doc != is.doc {
            self.metadata(format!("change the comment of {name}"));
        }
        if was.mapped_name != is.mapped_name {
            self.metadata(format!("change the mapped name of {name}"));
        }
        if was.ty != is.ty {
            let what = format!("change the type of {name}");
            if was.stored_expr().is_some() && is.stored_expr().is_some() {
                self.recomputed(entity, is, what);
            } else if !is.is_stored() || widens(was.ty, is.ty) {
                self.metadata(what);
            } else {
                self.no_rows(what, entity.id, REWRITE, COPY_OVER);
            }
        }
        match (was.declared_optional(), is.declared_optional()) {
            (false, true) => self.metadata(format!("make {name} optional")),
            (true, false) if is.stored_expr().is_some() => {
                self.push(format!("make {name} required"), Grade::Rewrite { entity: entity.id });
            }
            (true, false) if is.is_stored() => {
                let instead = "declare a check that it is not null";
                self.no_rows(format!("make {name} required"), entity.id, "their rows may lack it", instead);
            }
            (true, false) => self.metadata(format!("make {name} required")),
            (true, true) | (false, false) => {}
        }
        if was.default != is.default {
            let verb = match (&was.default, &is.default) {
                (None, _) => "add",
                (_, None) => "drop",
                (Some(_), Some(_)) => "change",
            };
            self.metadata(format!("{verb} the default of {name}"));
        }
        if was.updated_at != is.updated_at {
            self.metadata(format!("change whether {name} is set by every update"));
        }
        if was.computed != is.computed {
            let what = format!("change the expression of {name}");
            match (was.stored_expr().is_some(), is.stored_expr().is_some()) {
                (true, true) if !self.renames_explain(entity, was, is) => self.recomputed(entity, is, what),
                (true, true) => {}
                (true, false) => self.metadata(format!("store {name} as it is, without its expression")),
                (false, true) => {
                    let instead = "add the computed field under another name";
                    self.no_rows(format!("compute {name}"), entity.id, DATA_LOSS, instead);
                }
                (false, false) => self.metadata(what),
            }
        }
    }

    fn relations(&mut self, was: &Entity, is: &Entity) {
        for relation in was.relations.iter().filter(|r| is.relation_by_id(r.id).is_none()) {
            self.metadata(format!("drop relation `{}.{}`", is.name, relation.name));
        }
        for relation in &is.relations {
            let name = format!("`{}.{}`", is.name, relation.name);
            match was.relation_by_id(relation.id) {
                None => self.metadata(format!("add relation {name}")),
                Some(old) => {
                    if old.name != relation.name {
                        self.metadata(format!("rename relation `{}.{}` to {name}", is.name, old.name));
                    }
                    if old.kind != relation.kind || old.target != relation.target {
                        self.metadata(format!("change what relation {name} goes along"));
                    }
                    if old.doc != relation.doc {
                        self.metadata(format!("change the comment of {name}"));
                    }
                }
            }
        }
    }

    fn foreign_keys(&mut self, was: &Entity, is: &Entity) {
        for key in was.foreign_keys.iter().filter(|k| is.foreign_key(k.id).is_none()) {
            self.metadata(format!("drop foreign key `{}`", key.name));
        }
        for key in &is.foreign_keys {
            match was.foreign_key(key.id) {
                None => {
                    let what = format!("add foreign key `{}`", key.name);
                    self.push(what, added_foreign_key_grade(was, is, key));
                }
                Some(old) => {
                    if old.name != key.name {
                        self.metadata(format!("rename foreign key `{}` to `{}`", old.name, key.name));
                    }
                    if (old.on_delete, old.on_update) != (key.on_delete, key.on_update) {
                        self.metadata(format!("change the actions of foreign key `{}`", key.name));
                    }
                    if old.deferrable != key.deferrable {
                        self.metadata(format!("change when foreign key `{}` is looked at", key.name));
                    }
                }
            }
        }
    }

    fn indexes(&mut self, was: &Entity, is: &Entity) {
        for index in was.indexes.iter().filter(|i| is.index_by_id(i.id).is_none()) {
            self.metadata(format!("drop {}", named(index)));
        }
        for index in &is.indexes {
            match was.index_by_id(index.id) {
                // Of what no row has yet there are no entries to write.
                None if index.state == IndexState::Public => self.metadata(format!("add {}", named(index))),
                None => self.push(format!("add {}", named(index)), Grade::Backfill { entity: is.id }),
                Some(old) if old.name != index.name => {
                    self.metadata(format!("rename {} to `{}`", named(old), index.name));
                }
                Some(_) => {}
            }
        }
    }

    fn checks(&mut self, was: &Entity, is: &Entity) {
        for check in was.checks.iter().filter(|c| !is.checks.iter().any(|n| n.id == c.id)) {
            self.metadata(format!("drop check `{}`", check.name));
        }
        for check in &is.checks {
            match was.checks.iter().find(|old| old.id == check.id) {
                None => self.push(format!("add check `{}`", check.name), Grade::Backfill { entity: is.id }),
                Some(old) if old.name != check.name => {
                    self.metadata(format!("rename check `{}` to `{}`", old.name, check.name));
                }
                Some(_) => {}
            }
        }
    }
}

/// A foreign key over a new field that older rows have null in holds for them without a look.
fn added_foreign_key_grade(was: &Entity, is: &Entity, key: &ForeignKey) -> Grade {
    let null_in_old_rows =
        |field: &Field| was.field_by_id(field.id).is_none() && field.absent_value.is_null();
    if key.fields.iter().filter_map(|id| is.field_by_id(*id)).any(null_in_old_rows) {
        return Grade::Metadata;
    }
    Grade::Backfill { entity: is.id }
}

fn named(index: &Index) -> String {
    let kind = if index.unique.is_some() { "unique index" } else { "index" };
    format!("{kind} `{}`", index.name)
}

/// Whether an expression is one value that does not depend on row, time or chance.
pub(super) fn is_constant(expr: &ormdb_proto::ir::Expr) -> bool {
    use ormdb_proto::ir::Expr;
    match expr {
        Expr::Literal(_) => true,
        Expr::List(items) => items.iter().all(is_constant),
        _ => false,
    }
}

/// Whether every stored value of one type is one of the other, with the same bytes in rows and keys.
fn widens(from: FieldType, to: FieldType) -> bool {
    let scalar = |from: ScalarType, to: ScalarType| match (from, to) {
        (ScalarType::String { .. }, ScalarType::String { chars_max: None }) => true,
        (ScalarType::String { chars_max: Some(from) }, ScalarType::String { chars_max: Some(to) }) => {
            from <= to
        }
        (ScalarType::Decimal { precision: p, scale: s }, ScalarType::Decimal { precision, scale }) => {
            scale == s && precision >= p && (p <= NARROW_PRECISION_MAX) == (precision <= NARROW_PRECISION_MAX)
        }
        _ => from == to,
    };
    match (from, to) {
        (FieldType::Scalar(from), FieldType::Scalar(to)) | (FieldType::Array(from), FieldType::Array(to)) => {
            scalar(from, to)
        }
        (FieldType::Scalar(_), FieldType::Array(_)) | (FieldType::Array(_), FieldType::Scalar(_)) => false,
    }
}
