//! The values of a row that is being made: what is given, what follows from relations, and defaults for the rest.

use ormdb_proto::ir::Expr;
use ormdb_proto::schema::{Field, FieldId, Generator};
use ormdb_proto::value::{ValueRef, compare};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::create::placed;
use super::writer::Writer;
use super::{embedded, refusal};
use crate::catalog::EntityInfo;
use crate::catalog::rules::DefaultSource;
use crate::expr::{Datum, EvalEnv, NoRow, RowExpr, RowSource};
use crate::store::row::{RowFormat, RowView};
use crate::store::{coerce, generate, sequence};

/// Values by slot, none where nothing was given yet.
pub(super) struct Draft<'a> {
    info: &'a EntityInfo,
    values: Vec<Option<Datum<'static>>>,
}

impl<'a> Draft<'a> {
    /// A draft of nothing.
    pub(super) fn new(info: &'a EntityInfo) -> Draft<'a> {
        Draft { info, values: vec![None; info.store().rows.slot_count()] }
    }

    /// Gives a field a value.
    ///
    /// # Errors
    /// `InvalidQuery` if it has another one already: from an assignment and a relation at once.
    pub(super) fn set(&mut self, field: FieldId, value: Datum<'static>) -> Result<()> {
        let slot = slot_of(self.info, field)?;
        let Some(place) = self.values.get_mut(slot) else { return Err(no_slot(self.info)) };
        match place {
            Some(given) if !is_same(&given.view(), &value.view()) => {
                let name = &self.info.field_of(field)?.name;
                Err(refusal::meaningless(self.info, name, "it is given two different values"))
            }
            _ => {
                *place = Some(value);
                Ok(())
            }
        }
    }

    /// Gives a field a value unless it has one.
    pub(super) fn fill(&mut self, field: FieldId, value: Datum<'static>) -> Result<()> {
        let slot = slot_of(self.info, field)?;
        if let Some(place) = self.values.get_mut(slot)
            && place.is_none()
        {
            *place = Some(value);
        }
        Ok(())
    }

    /// Whether a field was given a value that is not null.
    pub(super) fn has_value(&self, field: FieldId) -> bool {
        let slot = self.info.store().rows.slot(field);
        let value = slot.and_then(|slot| self.values.get(slot)).and_then(Option::as_ref);
        value.is_some_and(|value| !value.is_null())
    }

    fn has(&self, field: FieldId) -> bool {
        let slot = self.info.store().rows.slot(field);
        slot.and_then(|slot| self.values.get(slot)).is_some_and(Option::is_some)
    }

    /// The values given, by slot.
    pub(super) fn into_changes(self) -> super::change::Changes {
        self.values.into_iter().enumerate().filter_map(|(slot, value)| Some((slot, value?))).collect()
    }

    /// A value for each slot, null where none was given.
    pub(super) fn values(&self) -> Vec<ValueRef<'_>> {
        self.values.iter().map(|v| v.as_ref().map_or(ValueRef::Null, Datum::view)).collect()
    }
}

impl RowSource for Draft<'_> {
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>> {
        let slot = slot_of(self.info, field)?;
        Ok(self.values.get(slot).and_then(Option::as_ref).map_or(ValueRef::Null, Datum::view))
    }
}

impl<'a> Writer<'a> {
    /// The value of an expression for a field; it sees `row`, or no fields at all in a new row.
    pub(super) fn evaluate(
        &self,
        info: &EntityInfo,
        field: &Field,
        expr: &Expr,
        row: Option<&RowView<'_>>,
    ) -> Result<Datum<'static>> {
        let schema = self.schema();
        let value = match expr {
            Expr::Literal(literal) => literal.value.clone(),
            Expr::Param { name, span } => {
                self.ctx.params.require(name).map_err(|error| placed(error, *span))?.clone()
            }
            _ => {
                let compiled =
                    RowExpr::compile(schema, info.entity(), expr, Some(field.ty), self.ctx.params)?;
                let env = EvalEnv::at(self.ctx.now);
                match row {
                    Some(row) => compiled.eval_value(row, &env)?,
                    None if compiled.fields().is_empty() => compiled.eval_value(&NoRow, &env)?,
                    None => {
                        let why = "a new row has no fields to read from yet";
                        return Err(refusal::meaningless(info, &field.name, why));
                    }
                }
            }
        };
        let value = coerce::to_field(schema, info.entity(), field, value);
        let value = value.and_then(|value| match value {
            Value::String(text) => Ok(Datum::Text(text)),
            Value::Bytes(bytes) => Ok(Datum::Bytes(bytes)),
            value => Datum::of_value(schema, &value, field.ty),
        });
        value.map_err(|error| placed(error, expr.span()))
    }

    /// Fills in the defaults of the fields that a new row was given no value for.
    pub(super) fn fill_defaults(&mut self, draft: &mut Draft<'a>) -> Result<()> {
        let info = draft.info;
        self.pass_sequences(info, |field| draft.field(field))?;
        let now = |field: &Field| generate::now_value(field.ty, self.ctx.now);
        for field in info.fields.iter().filter(|f| f.updated_at && f.is_stored()) {
            let value = Datum::of_value(self.schema(), &now(field), field.ty)?;
            draft.fill(field.id, value)?;
        }
        let rules = info.rules(self.schema())?;
        let mut waiting: Vec<(FieldId, &RowExpr)> = Vec::new();
        for rule in &rules.defaults {
            if draft.has(rule.field) || embedded::is_absent(info.field_of(rule.field)?, draft) {
                continue;
            }
            match &rule.source {
                DefaultSource::Generated(generator) => {
                    let value = self.generated(info, info.field_of(rule.field)?, *generator)?;
                    draft.fill(rule.field, value)?;
                }
                DefaultSource::Expr(expr) => waiting.push((rule.field, expr)),
            }
        }
        // A default may read fields that have defaults themselves.
        while !waiting.is_empty() {
            let open: Vec<FieldId> = waiting.iter().map(|(field, _)| *field).collect();
            let is_ready =
                |(_, expr): &(FieldId, &RowExpr)| expr.fields().iter().all(|field| !open.contains(field));
            let Some(at) = waiting.iter().position(is_ready) else {
                let name = waiting.first().map_or(String::new(), |(field, _)| info.names_of(&[*field]));
                return Err(refusal::meaningless(info, &name, "its default depends on itself"));
            };
            let (field, expr) = waiting.swap_remove(at);
            let value = self.default_value(info, info.field_of(field)?, expr, draft)?;
            draft.fill(field, value)?;
        }
        Ok(())
    }

    /// The default of one field of a row that is there; null if it has none.
    pub(super) fn default_of(
        &mut self,
        info: &'a EntityInfo,
        field: FieldId,
        row: &RowView<'_>,
    ) -> Result<Datum<'static>> {
        let rules = info.rules(self.schema())?;
        let Some(rule) = rules.defaults.iter().find(|rule| rule.field == field) else {
            return Ok(Datum::NULL);
        };
        let field = info.field_of(field)?;
        match &rule.source {
            DefaultSource::Generated(generator) => self.generated(info, field, *generator),
            DefaultSource::Expr(expr) => self.default_value(info, field, expr, row),
        }
    }

    fn default_value(
        &self,
        info: &EntityInfo,
        field: &Field,
        expr: &RowExpr,
        row: &dyn RowSource,
    ) -> Result<Datum<'static>> {
        let value = expr.eval_value(row, &EvalEnv::at(self.ctx.now))?;
        let value = coerce::to_field(self.schema(), info.entity(), field, value)?;
        Datum::of_value(self.schema(), &value, field.ty)
    }

    fn generated(&self, info: &EntityInfo, field: &Field, generator: Generator) -> Result<Datum<'static>> {
        let value = match generator {
            Generator::Autoincrement => Value::Int64(self.ctx.sequences.next(info.id, field.id)?),
            other => self.ctx.generators.generate(other, field.ty, self.ctx.now)?,
        };
        let value = coerce::to_field(self.schema(), info.entity(), field, value)?;
        Datum::of_value(self.schema(), &value, field.ty)
    }

    /// Makes the sequences of autoincrement fields pass the values that were given explicitly.
    pub(super) fn pass_sequences<'v>(
        &self,
        info: &EntityInfo,
        given: impl Fn(FieldId) -> Result<ValueRef<'v>>,
    ) -> Result<()> {
        for rule in &info.rules(self.schema())?.defaults {
            if !matches!(rule.source, DefaultSource::Generated(Generator::Autoincrement)) {
                continue;
            }
            if let Some(given) = sequence::number_of(&given(rule.field)?) {
                self.ctx.sequences.pass(info.id, rule.field, given)?;
            }
        }
        Ok(())
    }
}

fn is_same(a: &ValueRef<'_>, b: &ValueRef<'_>) -> bool {
    (a.is_null() && b.is_null()) || compare(a, b).is_some_and(std::cmp::Ordering::is_eq)
}

fn slot_of(info: &EntityInfo, field: FieldId) -> Result<usize> {
    let rows: &RowFormat = &info.store().rows;
    let declared = info.field_of(field)?;
    if declared.computed.is_some() {
        let why = "a computed field cannot be written; change what it is computed from";
        return Err(refusal::meaningless(info, &declared.name, why));
    }
    rows.slot(field).ok_or_else(|| no_slot(info))
}

fn no_slot(info: &EntityInfo) -> Error {
    Error::new(ErrorCode::Internal, format!("a row of `{}` has fewer fields than its entity", info.name))
}
