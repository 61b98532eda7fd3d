//! What a statement takes and gives, told without running it: its parameters with the types of their places, and what its rows
//! are like.
//!
//! A parameter has no value here. Where an expression gives it a type, the checker takes note of it; the first one holds.

use ormdb_proto::ir::{
    AssignOp, BinaryOp, Delete, DeletedRows, Expr, Fetch, KeyPart, NestedWrite, RecordInput, Removal,
    SelectItem, Selection, Statement, Target,
};
use ormdb_proto::result::ResultShape;
use ormdb_proto::schema::{FieldType, ScalarType};
use ormdb_proto::{Description, Parameter, Result};

use crate::catalog::{Catalog, EntityInfo, Member};
use crate::expr::{LocalScope, Parameters, RowExpr, Wanted};
use crate::plan::{Binder, Known, Prepared, RootInput};
use crate::session::{Session, SessionContext};

const TEXT: FieldType = FieldType::Scalar(ScalarType::String { chars_max: None });

impl Session {
    /// What a statement takes and gives, in the schema as it is.
    ///
    /// # Errors
    /// What is wrong with the statement whatever the values of its parameters are: unknown names, wrong types.
    ///
    /// # Example
    /// ```
    /// # fn f(session: &ormdb::Session) -> ormdb::Result<()> {
    /// let described = session.describe(&session.prepare("User[email: $email] { id, name }")?)?;
    /// assert_eq!(described.params[0].ty.as_deref(), Some("string(320)"));
    /// assert_eq!(described.shape.unwrap().nodes[0].columns.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn describe(&self, prepared: &Prepared) -> Result<Description> {
        let statement = prepared.statement();
        let catalog = self.database().catalog();
        let wanted = Wanted::default();
        let describer = Describer {
            catalog: &catalog,
            session: self.context(),
            wanted: &wanted,
            now: self.database().now(),
        };
        let shape = describer.statement(statement)?;
        let schema = catalog.schema();
        let parameter = |name: &str| Parameter {
            name: name.to_owned(),
            ty: wanted.of(name).map(|ty| schema.type_text(ty)),
        };
        let params = statement.parameters()?.into_iter().map(parameter).collect();
        let gives_rows = prepared.explain().is_none() && statement.gives_rows();
        Ok(Description { params, shape: shape.filter(|_| gives_rows) })
    }
}

/// Describes one statement.
struct Describer<'a> {
    catalog: &'a Catalog,
    session: &'a SessionContext,
    wanted: &'a Wanted,
    now: i64,
}

impl Describer<'_> {
    /// The shape of the rows of a statement; none where it depends on a parameter, or there are none.
    fn statement(&self, statement: &Statement) -> Result<Option<ResultShape>> {
        match statement {
            Statement::Fetch(fetch) => {
                self.text(fetch.as_of.as_ref());
                self.fetch(fetch.clone())
            }
            Statement::Create(create) => {
                let entity = self.catalog.entity(&create.entity)?;
                create.rows.iter().try_for_each(|row| self.record(entity, "", row))?;
                self.returned(entity, create.returning.as_ref())
            }
            Statement::Update(update) => {
                let entity = self.catalog.entity(&update.entity)?;
                self.target(entity, &update.target, update.deleted)?;
                self.text(update.expected.as_ref());
                self.record(entity, "", &update.set)?;
                self.returned(entity, update.returning.as_ref())
            }
            Statement::Upsert(upsert) => {
                let entity = self.catalog.entity(&upsert.entity)?;
                self.key(entity, &upsert.key)?;
                self.record(entity, "", &upsert.create)?;
                self.record(entity, "", &upsert.update)?;
                self.returned(entity, upsert.returning.as_ref())
            }
            Statement::Delete(Delete { entity, target, removal, expected, returning, .. }) => {
                let entity = self.catalog.entity(entity)?;
                let deleted = match removal {
                    Removal::AsDeclared => DeletedRows::Hidden,
                    Removal::Permanent => DeletedRows::Shown,
                };
                self.target(entity, target, deleted)?;
                self.text(expected.as_ref());
                self.returned(entity, returning.as_ref())
            }
            Statement::Control(_) => Ok(None),
        }
    }

    fn fetch(&self, mut fetch: Fetch) -> Result<Option<ResultShape>> {
        let entity = self.catalog.entity(&fetch.entity)?;
        if fetch.group.is_none() {
            self.cursors(entity, &mut fetch.selection)?;
        }
        let shape = self.plan(RootInput::Fetch(&fetch))?;
        Ok(shape.filter(|_| !fetch.selection.items.iter().any(depends_on_parameter)))
    }

    fn returned(&self, entity: &EntityInfo, selection: Option<&Selection>) -> Result<Option<ResultShape>> {
        let Some(selection) = selection else { return Ok(None) };
        let mut selection = Selection { items: selection.items.clone(), ..Selection::default() };
        self.cursors(entity, &mut selection)?;
        let rows = RootInput::Keys { entity: &entity.name, row_keys: Vec::new(), selection: &selection };
        let shape = self.plan(rows)?;
        Ok(shape.filter(|_| !selection.items.iter().any(depends_on_parameter)))
    }

    fn plan(&self, input: RootInput<'_>) -> Result<Option<ResultShape>> {
        let (params, known) = (Parameters::described(self.wanted), Known::of(self.catalog, self.session));
        let binder = Binder::new(self.catalog, &known, &params, self.now, self.session.limits.depth_max);
        Ok(Some(ResultShape::clone(&binder.plan(input)?.shape)))
    }

    /// Takes out the cursors, which are no part of a plan, with the keys that they name.
    fn cursors(&self, entity: &EntityInfo, selection: &mut Selection) -> Result<()> {
        if let Some(place) = selection.cursor.take() {
            self.key(entity, &place.key)?;
        }
        for item in &mut selection.items {
            // What is no relation is told where the fetch is planned.
            if let SelectItem::Include(include) = item
                && let Ok(relation) = entity.relation_named(&include.relation)
            {
                let target = self.catalog.entity_by_id(relation.target)?;
                self.cursors(target, &mut include.selection)?;
            }
        }
        Ok(())
    }

    /// The rows that a write is for.
    fn target(&self, entity: &EntityInfo, target: &Target, deleted: DeletedRows) -> Result<()> {
        let (filter, limit) = match target {
            Target::Key(key) => return self.key(entity, key),
            Target::Filter { filter, limit } => (filter.clone(), limit.clone()),
        };
        let selection = Selection { deleted, filter, limit, ..Selection::default() };
        self.plan(RootInput::Fetch(&Fetch::of(&entity.name, selection))).map(drop)
    }

    fn filter(&self, entity: &EntityInfo, filter: Option<&Expr>) -> Result<()> {
        let target = Target::Filter { filter: filter.cloned(), limit: None };
        self.target(entity, &target, DeletedRows::Shown)
    }

    fn key(&self, entity: &EntityInfo, parts: &[KeyPart]) -> Result<()> {
        let key = entity.unique_key(parts)?;
        for (field, part) in key.fields.iter().zip(&key.parts) {
            if let Some(part) = parts.get(*part) {
                self.value(entity, &part.value, entity.field_of(*field)?.ty)?;
            }
        }
        Ok(())
    }

    /// The values of a row, or of the struct at `path` in it.
    fn record(&self, entity: &EntityInfo, path: &str, record: &RecordInput) -> Result<()> {
        for assignment in &record.assignments {
            let name = match path {
                "" => assignment.name.clone(),
                path => format!("{path}.{}", assignment.name),
            };
            let placed = |mut error: ormdb_proto::Error| {
                error.detail.span = error.detail.span.or(assignment.span);
                error
            };
            match (entity.member(&name).map_err(placed)?, &assignment.op) {
                (Member::Relation(relation), AssignOp::Nested(writes)) => {
                    let target = self.catalog.entity_by_id(relation.target)?;
                    writes.iter().try_for_each(|write| self.nested(target, write))?;
                }
                (Member::Struct(_), AssignOp::Struct(members)) => self.record(entity, &name, members)?,
                (Member::Field(field), AssignOp::Set(expr)) => {
                    self.value(entity, expr, field.ty).map_err(placed)?;
                }
                (
                    Member::Field(field),
                    AssignOp::Increment(operand)
                    | AssignOp::Decrement(operand)
                    | AssignOp::Multiply(operand)
                    | AssignOp::Divide(operand),
                ) => {
                    let step =
                        Expr::binary(BinaryOp::Add, Expr::path([field.name.as_str()]), operand.clone());
                    self.value(entity, &step, field.ty).map_err(placed)?;
                }
                // A struct that is given as a document, and what the write itself refuses.
                (Member::Relation(_) | Member::Struct(_) | Member::Field(_), _) => {}
            }
        }
        Ok(())
    }

    fn nested(&self, target: &EntityInfo, write: &NestedWrite) -> Result<()> {
        let keys = |keys: &[Vec<KeyPart>]| keys.iter().try_for_each(|key| self.key(target, key));
        let key = |key: &Option<Vec<KeyPart>>| key.iter().try_for_each(|key| self.key(target, key));
        match write {
            NestedWrite::Create { rows, .. } => {
                rows.iter().try_for_each(|record| self.record(target, "", record))
            }
            NestedWrite::Connect(given) | NestedWrite::Disconnect(given) | NestedWrite::Replace(given) => {
                keys(given)
            }
            NestedWrite::ConnectOrCreate { key, create } => {
                self.key(target, key)?;
                self.record(target, "", create)
            }
            NestedWrite::Update { key: given, filter, set } => {
                key(given)?;
                self.filter(target, filter.as_ref())?;
                self.record(target, "", set)
            }
            NestedWrite::Upsert { key: given, create, update } => {
                key(given)?;
                self.record(target, "", create)?;
                self.record(target, "", update)
            }
            NestedWrite::Delete { key: given, filter } => {
                key(given)?;
                self.filter(target, filter.as_ref())
            }
        }
    }

    /// An expression that gives a value of this type.
    fn value(&self, entity: &EntityInfo, expr: &Expr, want: FieldType) -> Result<()> {
        match expr {
            // A value that is written as it is is read as the field's type, in its own way.
            Expr::Literal(_) => {}
            Expr::Param { name, .. } => self.wanted.note(name, want),
            _ => {
                let mut scope = LocalScope::new(self.catalog.schema(), entity.entity());
                RowExpr::compile_in(&mut scope, expr, Some(want), &Parameters::described(self.wanted))?;
            }
        }
        Ok(())
    }

    /// A version token, which is given as its text.
    fn text(&self, expr: Option<&Expr>) {
        if let Some(Expr::Param { name, .. }) = expr {
            self.wanted.note(name, TEXT);
        }
    }
}

/// Whether it depends on the value of a parameter which levels there are.
fn depends_on_parameter(item: &SelectItem) -> bool {
    let SelectItem::Include(include) = item else { return false };
    matches!(&include.recursive, Some(levels) if !matches!(levels, Expr::Literal(_)))
        || include.selection.items.iter().any(depends_on_parameter)
}

#[cfg(test)]
mod tests;
