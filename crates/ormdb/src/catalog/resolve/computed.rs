//! Computed fields that name computed fields: none may lead back to itself, and none may grow without bound when the
//! names are replaced by what they stand for.

use std::collections::HashMap;

use ormdb_proto::ir::Expr;
use ormdb_proto::schema::{Entity, EntityId, FieldId, Schema};
use ormdb_proto::{Error, ErrorCode, Value};

use super::Resolver;
use crate::text::ast::EntityDecl;

/// The most parts of a computed field, those of the computed fields that it names included.
const PARTS_MAX: u64 = 10_000;
/// The longest chain of computed fields that name each other.
const CHAIN_MAX: usize = 64;

type Place = (EntityId, FieldId);

/// What an expression is made of.
#[derive(Default)]
struct Parts {
    count: u64,
    names: Vec<Place>,
}

/// What is known of a computed field.
#[derive(Clone, Copy)]
enum State {
    InWork,
    Parts(u64),
    Reported,
}

/// Reports computed fields that cannot be, and makes them null, so that nothing runs after them.
pub(super) fn check(resolver: &mut Resolver<'_>, schema: &mut Schema) {
    let mut states = HashMap::new();
    let mut bad = Vec::new();
    for entity in &schema.entities {
        for field in entity.fields.iter().filter(|f| f.computed.is_some()) {
            let place = (entity.id, field.id);
            if let Err(message) = size(schema, place, &mut states, 0) {
                states.insert(place, State::Reported);
                bad.push((place, message));
            }
        }
    }
    for ((entity, field), message) in bad {
        let Some(at) = schema.entities.iter().position(|e| e.id == entity) else { continue };
        let decl = resolver.drafts.get(at).and_then(|d| d.decl);
        let Some(field) =
            schema.entities.get_mut(at).and_then(|e| e.fields.iter_mut().find(|f| f.id == field))
        else {
            continue;
        };
        field.computed = Some(Expr::literal(Value::Null));
        let mut error = Error::new(ErrorCode::InvalidSchema, message).field(&field.name);
        error.detail.span = decl.and_then(|decl| place_of(decl, &field.name));
        resolver.error(error.hint("compute it from stored fields"));
    }
}

fn place_of(decl: &EntityDecl, name: &str) -> Option<ormdb_proto::error::Span> {
    let field = decl.fields().find(|f| f.name.text == name)?;
    field.computed.as_ref().map(|c| c.span)
}

/// How many parts a computed field has, or why it cannot be.
fn size(
    schema: &Schema,
    place: Place,
    states: &mut HashMap<Place, State>,
    depth: usize,
) -> Result<u64, String> {
    match states.get(&place) {
        Some(State::Parts(count)) => return Ok(*count),
        Some(State::Reported) => return Ok(0),
        Some(State::InWork) => return Err(format!("{} is computed from itself", name_of(schema, place))),
        None if depth > CHAIN_MAX => {
            return Err(format!("more than {CHAIN_MAX} computed fields name one another"));
        }
        None => {}
    }
    let entity = schema.entity_by_id(place.0);
    let field = entity.and_then(|e| e.field_by_id(place.1));
    let (Some(entity), Some(expr)) = (entity, field.and_then(|f| f.computed.as_ref())) else { return Ok(0) };
    states.insert(place, State::InWork);
    let mut parts = Parts::default();
    add_parts(schema, entity, expr, &mut parts);
    let mut total = parts.count;
    for name in parts.names {
        match size(schema, name, states, depth + 1) {
            Ok(count) => total = total.saturating_add(count),
            Err(message) => {
                states.remove(&place);
                return Err(message);
            }
        }
    }
    if total > PARTS_MAX {
        states.remove(&place);
        let name = name_of(schema, place);
        return Err(format!(
            "{name} has more than {PARTS_MAX} parts, those of the computed fields in it included"
        ));
    }
    states.insert(place, State::Parts(total));
    Ok(total)
}

fn name_of(schema: &Schema, (entity, field): Place) -> String {
    let entity = schema.entity_by_id(entity);
    let field = entity.and_then(|e| e.field_by_id(field)).map_or("", |f| f.name.as_str());
    format!("`{}.{field}`", entity.map_or("", |e| e.name.as_str()))
}

/// The entity that relations lead to.
fn follow<'s>(schema: &'s Schema, from: &'s Entity, path: &[String]) -> Option<&'s Entity> {
    path.iter().try_fold(from, |entity, name| schema.entity_by_id(entity.relation(name)?.target))
}

fn add_parts(schema: &Schema, entity: &Entity, expr: &Expr, parts: &mut Parts) {
    parts.count += 1;
    let mut add = |expr: &Expr| add_parts(schema, entity, expr, parts);
    match expr {
        Expr::Literal(_) | Expr::Param { .. } => {}
        Expr::Path { path, .. } => {
            let Some((last, relations)) = path.split_last() else { return };
            let Some(owner) = follow(schema, entity, relations) else { return };
            if let Some(field) = owner.field(last).filter(|f| f.computed.is_some()) {
                parts.names.push((owner.id, field.id));
            }
        }
        Expr::Unary { operand, .. } | Expr::IsNull { operand, .. } => add(operand),
        Expr::Binary { left, right, .. } => {
            add(left);
            add(right);
        }
        Expr::Match { text, pattern, .. } => {
            add(text);
            add(pattern);
        }
        Expr::In { operand, list, .. } => {
            add(operand);
            add(list);
        }
        Expr::List(items) | Expr::And(items) | Expr::Or(items) => items.iter().for_each(add),
        Expr::Between { operand, low, high, .. } => {
            add(operand);
            add(low);
            add(high);
        }
        Expr::Call { args, .. } => args.iter().for_each(add),
        Expr::Related { path, filter, .. } => {
            if let Some(target) = follow(schema, entity, path) {
                add_parts(schema, target, filter, parts);
            }
        }
        Expr::Aggregate(aggregate) => {
            if let Some(target) = follow(schema, entity, &aggregate.relation) {
                let inside = [aggregate.value.as_ref(), aggregate.filter.as_ref()];
                inside.into_iter().flatten().for_each(|expr| add_parts(schema, target, expr, parts));
            }
        }
    }
}
