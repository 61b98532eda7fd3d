//! The last pass, over the whole schema: layouts, defaults, computed fields, conditions of partial indexes, checks and
//! default orders, compiled once to see that they can be.
//!
//! Nothing compiled is kept: the schema holds expressions by name, and whoever runs one compiles it.

use std::collections::HashSet;

use ormdb_proto::error::Span;
use ormdb_proto::ir::{Expr, Params, Quantifier, RelationAggregate};
use ormdb_proto::schema::{
    Check, ConstraintState, Default, Entity, Field, FieldId, FieldType, Relation, ScalarType, Schema,
};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::recomputed::Recomputed;
use super::{Draft, Resolver, indexes, rewrite, structs};
use crate::expr::{EvalEnv, External, NoRow, Parameters, RowExpr, Scope};
use crate::text::ast::{
    CheckDecl, DefaultDecl, EntityAttributeKind, EntityDecl, ExprText, FieldAttributeKind, Name,
};

pub(super) fn resolve(resolver: &mut Resolver<'_>, schema: &mut Schema) {
    for at in 0..resolver.drafts.len() {
        let Some(draft) = resolver.drafts.get(at) else { return };
        // Names of members that were reported would be reported again.
        if let Some(decl) = draft.decl
            && draft.broken.is_empty()
        {
            entity(resolver, schema, at, decl);
        }
        let (Some(draft), Some(entity)) = (resolver.drafts.get(at), schema.entities.get_mut(at)) else {
            return;
        };
        set_layout(draft, entity);
    }
}

fn entity(resolver: &mut Resolver<'_>, schema: &mut Schema, at: usize, decl: &EntityDecl) {
    let mut defaults = Vec::new();
    for field in decl.fields() {
        if schema.entities.get(at).is_none_or(|e| e.field(&field.name.text).is_none()) {
            continue;
        }
        for attribute in &field.attributes {
            match &attribute.kind {
                FieldAttributeKind::Default(DefaultDecl::Expr(text)) => {
                    defaults.extend(default(resolver, schema, at, &field.name, text));
                }
                FieldAttributeKind::Check(check) => {
                    add_check(resolver, schema, at, check, Some(&field.name));
                }
                _ => {}
            }
        }
        if let Some(text) = &field.computed {
            computed(resolver, schema, at, &field.name, text);
        }
    }
    report_default_cycles(resolver, schema, at, &defaults);
    for attribute in decl.attributes() {
        match &attribute.kind {
            EntityAttributeKind::Check(check) => add_check(resolver, schema, at, check, None),
            EntityAttributeKind::Unique { index, .. } | EntityAttributeKind::Index(index) => {
                if let Some(filter) = &index.filter {
                    condition(resolver, schema, at, filter);
                }
            }
            EntityAttributeKind::Order(order) => {
                for key in order {
                    let text = ExprText { expr: key.expr.clone(), span: attribute.span };
                    let result = compile_any(schema, at, &text.expr, None);
                    report(resolver, result.err(), text.span);
                }
                if let Some(entity) = schema.entities.get_mut(at) {
                    entity.default_order = rewrite::order_without_spans(order);
                }
            }
            EntityAttributeKind::Id(_)
            | EntityAttributeKind::Map(_)
            | EntityAttributeKind::Was(_)
            | EntityAttributeKind::SoftDelete(_) => {}
        }
    }
}

const BOOL: FieldType = FieldType::Scalar(ScalarType::Bool);

/// Reports an error, at its own place or at that of the whole expression.
fn report(resolver: &mut Resolver<'_>, error: Option<Error>, span: Span) {
    if let Some(mut error) = error {
        error.detail.span.get_or_insert(span);
        resolver.error(error);
    }
}

/// Compiles an expression over the row's own fields.
fn compile(schema: &Schema, at: usize, expr: &Expr, want: FieldType) -> Result<RowExpr> {
    let entity = schema.entities.get(at).ok_or_else(no_entity)?;
    RowExpr::compile(schema, entity, expr, Some(want), &Params::none())
}

/// Compiles an expression that may lead over relations.
fn compile_any(schema: &Schema, at: usize, expr: &Expr, want: Option<FieldType>) -> Result<RowExpr> {
    let entity = schema.entities.get(at).ok_or_else(no_entity)?;
    RowExpr::compile_in(&mut TypeScope { schema, entity }, expr, want, &Parameters::none())
}

fn no_entity() -> Error {
    Error::new(ErrorCode::Internal, "an expression belongs to no entity")
}

fn condition(resolver: &mut Resolver<'_>, schema: &Schema, at: usize, text: &ExprText) {
    report(resolver, compile(schema, at, &text.expr, BOOL).err(), text.span);
}

fn add_check(
    resolver: &mut Resolver<'_>,
    schema: &mut Schema,
    at: usize,
    decl: &CheckDecl,
    field: Option<&Name>,
) {
    condition(resolver, schema, at, &decl.expr);
    let name = match &decl.name {
        Some(name) => indexes::explicit_name(resolver, name),
        None => {
            let field = field.and_then(|n| schema.entities.get(at)?.field(&n.text)).map(|f| f.id);
            indexes::generated_name(resolver, at, field.as_slice(), "check")
        }
    };
    let expr = rewrite::without_spans(&decl.expr.expr);
    let Some(draft) = resolver.drafts.get(at) else { return };
    let names = indexes::renamed_fields(draft);
    let taken: HashSet<_> = draft.entity.checks.iter().map(|c| c.id).collect();
    let holds_still = !Recomputed::of(draft).is_read_by(&expr);
    let same =
        |old: &&Check| holds_still && !taken.contains(&old.id) && rewrite::renamed(&old.expr, &names) == expr;
    let was = draft.was.and_then(|was| was.checks.iter().find(same));
    let check = match was {
        Some(was) => Check { id: was.id, name, expr, state: was.state },
        None => {
            let old_entity = draft.was.is_some();
            let state = if old_entity { ConstraintState::Backfilling } else { ConstraintState::Public };
            Check { id: resolver.constraint_id(), name, expr, state }
        }
    };
    // The draft keeps the names that are taken; the schema is what comes out.
    if let Some(draft) = resolver.drafts.get_mut(at) {
        draft.entity.checks.push(check.clone());
    }
    if let Some(entity) = schema.entities.get_mut(at) {
        entity.checks.push(check);
    }
}

/// A default that reads fields.
struct DefaultReads {
    field: FieldId,
    reads: Vec<FieldId>,
    span: Span,
}

/// Defaults that wait for one another have no value. Each circle is reported once, at its first field in the text.
fn report_default_cycles(resolver: &mut Resolver<'_>, schema: &Schema, at: usize, defaults: &[DefaultReads]) {
    let Some(entity) = schema.entities.get(at) else { return };
    let mut waiting: Vec<&DefaultReads> = defaults.iter().collect();
    while let Some(circle) = circle(&mut waiting) {
        waiting.retain(|default| !circle.contains(&default.field));
        let Some(first) = defaults.iter().find(|default| circle.contains(&default.field)) else { return };
        let name = |id: &FieldId| entity.field_by_id(*id).map_or(String::new(), |f| format!("`{}`", f.name));
        let names: Vec<String> =
            defaults.iter().map(|d| d.field).filter(|id| circle.contains(id)).map(|id| name(&id)).collect();
        let message = format!("the defaults of {} are made from each other", names.join(", "));
        resolver.invalid(first.span, message, "give one of them a default that names none of the others");
    }
}

/// The fields of a circle among `waiting`, of which only what waits for a circle is left.
fn circle(waiting: &mut Vec<&DefaultReads>) -> Option<Vec<FieldId>> {
    loop {
        let open: HashSet<FieldId> = waiting.iter().map(|default| default.field).collect();
        let before = waiting.len();
        waiting.retain(|default| default.reads.iter().any(|field| open.contains(field)));
        if waiting.len() == before {
            break;
        }
    }
    let mut path: Vec<FieldId> = vec![waiting.first()?.field];
    loop {
        let last = waiting.iter().find(|default| Some(&default.field) == path.last())?;
        let next = last.reads.iter().find(|field| waiting.iter().any(|default| default.field == **field))?;
        if let Some(start) = path.iter().position(|field| field == next) {
            return Some(path.split_off(start));
        }
        path.push(*next);
    }
}

/// Checks a default, and turns a constant into a value of the field's type. Gives what the default reads, if it may.
fn default(
    resolver: &mut Resolver<'_>,
    schema: &mut Schema,
    at: usize,
    name: &Name,
    text: &ExprText,
) -> Option<DefaultReads> {
    let field = schema.entities.get(at).and_then(|e| e.field(&name.text))?;
    let compiled = match compile(schema, at, &text.expr, field.ty) {
        Ok(compiled) => compiled,
        Err(error) => {
            report(resolver, Some(error), text.span);
            return None;
        }
    };
    let made_later = |id: &FieldId| entity_field(schema, at, *id).is_some_and(|f| f.stored_expr().is_some());
    if let Some(made) = compiled.fields().iter().find(|id| made_later(id)) {
        let made = entity_field(schema, at, *made).map_or("", |f| f.name.as_str());
        let message = format!("the default of `{name}` reads `{made}`, which is computed after the defaults");
        resolver.invalid(text.span, message, "name the fields that it is computed from");
        return None;
    }
    let mut reads = DefaultReads { field: field.id, reads: compiled.fields(), span: text.span };
    let mut expr = rewrite::without_spans(&text.expr);
    if compiled.fields().is_empty() && !calls(&text.expr) {
        match compiled.eval_value(&NoRow, &EvalEnv::at(0)) {
            Ok(Value::Null) if !field.optional => {
                let message = format!("the default of `{name}` is null, which is required");
                resolver.invalid(text.span, message, "write another default, or `?` behind the type");
            }
            Ok(value) => expr = Expr::literal(value),
            Err(error) => report(resolver, Some(error), text.span),
        }
    } else if compiled.fields().contains(&field.id) {
        let message = format!("the default of `{name}` is made from `{name}` itself");
        resolver.invalid(text.span, message, "name other fields");
        reads.reads.clear();
    }
    let field = schema.entities.get_mut(at).and_then(|e| e.fields.iter_mut().find(|f| f.name == name.text));
    if let Some(field) = field {
        field.default = Some(Default::Expr(expr));
    }
    Some(reads)
}

fn entity_field(schema: &Schema, at: usize, id: FieldId) -> Option<&Field> {
    schema.entities.get(at)?.field_by_id(id)
}

/// Whether a function is called, whose value may be another one each time.
fn calls(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Path { .. } => false,
        Expr::Unary { operand, .. } => calls(operand),
        Expr::List(items) => items.iter().any(calls),
        Expr::Binary { left, right, .. } => calls(left) || calls(right),
        _ => true,
    }
}

fn computed(resolver: &mut Resolver<'_>, schema: &mut Schema, at: usize, name: &Name, text: &ExprText) {
    let Some(field) = schema.entities.get(at).and_then(|e| e.field(&name.text)) else { return };
    if field.computed.as_ref() != Some(&text.expr) {
        // It was reported as one that leads back to itself.
        return;
    }
    let error = if field.stored_expr().is_some() {
        stored(schema, at, field, text).err()
    } else {
        compile_any(schema, at, &text.expr, Some(field.ty)).err()
    };
    report(resolver, error, text.span);
    let expr = rewrite::without_spans(&text.expr);
    let field = schema.entities.get_mut(at).and_then(|e| e.fields.iter_mut().find(|f| f.name == name.text));
    if let Some(field) = field {
        field.computed = Some(expr);
    }
}

/// Checks a stored computed field: its value must follow from the row alone, at any time.
fn stored(schema: &Schema, at: usize, field: &Field, text: &ExprText) -> Result<()> {
    const WHEN_READ: &str = "without `@stored` it is computed when it is read, and may use anything";
    let compiled = compile(schema, at, &text.expr, field.ty).map_err(|error| match error.code {
        ErrorCode::UnsupportedFeature => error.hint(WHEN_READ),
        _ => error,
    })?;
    let Some(function) = compiled.volatile() else { return Ok(()) };
    let message = format!(
        "`{}` is stored, so that it cannot be made from `{function}()`, which gives another value each time",
        field.name
    );
    let mut error = Error::new(ErrorCode::InvalidSchema, message).field(&field.name).hint(WHEN_READ);
    error.detail.span = call_of(&text.expr, function);
    Err(error)
}

/// Where a function is called.
fn call_of(expr: &Expr, name: &str) -> Option<Span> {
    match expr {
        Expr::Call { function, span, .. } if function == name => *span,
        other => other.children().into_iter().find_map(|child| call_of(child, name)),
    }
}

/// Raises the layout if what rows store changes, and says of new fields since when they are stored.
fn set_layout(draft: &Draft<'_>, entity: &mut Entity) {
    let stored = |e: &Entity| {
        let mut stored: Vec<_> = e.fields.iter().filter(|f| f.is_stored()).map(|f| (f.id, f.ty)).collect();
        stored.sort_by_key(|(id, _)| *id);
        stored
    };
    if let Some(was) = draft.was
        && stored(was) != stored(entity)
    {
        entity.layout = was.layout.saturating_add(1);
    }
    let layout = entity.layout;
    for field in &mut entity.fields {
        let was = draft.was.and_then(|was| was.field_by_id(field.id)).filter(|was| was.is_stored());
        if was.is_none() {
            field.since_layout = layout;
            field.absent_value = structs::absent_value(field).unwrap_or_else(|| constant_default(field));
        }
    }
}

/// The value that older rows have in a new field.
fn constant_default(field: &Field) -> Value {
    match &field.default {
        Some(Default::Expr(Expr::Literal(literal))) => literal.value.clone(),
        Some(Default::Expr(_) | Default::Generated(_)) | None => Value::Null,
    }
}

/// A scope that gives types and no values: of expressions over relations, which a query supplies when it runs them.
struct TypeScope<'s> {
    schema: &'s Schema,
    entity: &'s Entity,
}

impl<'s> TypeScope<'s> {
    fn behind(&self, relation: &Relation) -> Result<TypeScope<'s>> {
        let entity = self.schema.entity_by_id(relation.target).ok_or_else(no_entity)?;
        Ok(TypeScope { schema: self.schema, entity })
    }
}

impl<'s> Scope<'s> for TypeScope<'s> {
    fn schema(&self) -> &'s Schema {
        self.schema
    }

    fn entity(&self) -> &'s Entity {
        self.entity
    }

    fn remote(&mut self, relation: &Relation, tail: &Expr, _absent: Value) -> Result<External> {
        let tail = RowExpr::compile_in(&mut self.behind(relation)?, tail, None, &Parameters::none())?;
        Ok(External { slot: 0, ty: tail.ty() })
    }

    fn related(
        &mut self,
        relation: &Relation,
        _quantifier: Quantifier,
        filter: &Expr,
        _span: Option<Span>,
    ) -> Result<External> {
        RowExpr::compile_in(&mut self.behind(relation)?, filter, Some(BOOL), &Parameters::none())?;
        Ok(External { slot: 0, ty: Some(BOOL) })
    }

    fn aggregate(&mut self, relation: &Relation, aggregate: &RelationAggregate) -> Result<External> {
        let mut behind = self.behind(relation)?;
        if let Some(filter) = &aggregate.filter {
            RowExpr::compile_in(&mut behind, filter, Some(BOOL), &Parameters::none())?;
        }
        let value = match &aggregate.value {
            Some(value) => RowExpr::compile_in(&mut behind, value, None, &Parameters::none())?.ty(),
            None => None,
        };
        let ty = match aggregate.function {
            ormdb_proto::ir::AggregateFunction::Count => Some(FieldType::Scalar(ScalarType::Int64)),
            ormdb_proto::ir::AggregateFunction::Min | ormdb_proto::ir::AggregateFunction::Max => value,
            // Wider than the value; every number fits where a number is wanted.
            ormdb_proto::ir::AggregateFunction::Sum | ormdb_proto::ir::AggregateFunction::Avg => None,
        };
        Ok(External { slot: 0, ty })
    }
}
