//! The errors of names that lead to no field: what the entity or struct does not have, and what is a struct.

use ormdb_proto::schema::{Embedded, Entity, Field, Lead};
use ormdb_proto::{Error, ErrorCode};

/// The error of a path that leads to a struct, or to a member that its struct does not have, where a field is wanted.
pub(crate) fn no_field(entity: &Entity, path: &[String]) -> Option<Error> {
    match entity.lead(path)? {
        // What stands behind a field of one name reads as a relation, which is told of elsewhere.
        Lead::Field(field, names) if names > 1 && names < path.len() => Some(no_members(entity, field)),
        Lead::Field(..) => None,
        Lead::Struct(of) => Some(struct_is_no_value(entity, of)),
        Lead::Unknown(of, at) => path.get(at).map(|name| unknown_member(entity, of, name)),
    }
}

fn no_members(entity: &Entity, field: &Field) -> Error {
    let message = format!("`{}` of {} is no struct and has no members", field.name, entity.name);
    Error::new(ErrorCode::UnknownField, message).entity(&entity.name).field(&field.name)
}

/// A struct stands where one value is wanted.
pub(crate) fn struct_is_no_value(entity: &Entity, of: &Embedded) -> Error {
    let members: Vec<String> =
        entity.struct_members(of).map(|name| format!("`{}.{name}`", of.path)).collect();
    Error::new(
        ErrorCode::TypeMismatch,
        format!("`{}` is a struct of {}, not a value; name one of its members", of.path, entity.name),
    )
    .entity(&entity.name)
    .field(&of.path)
    .hint(format!("its members are {}", members.join(", ")))
}

/// A struct has no member of this name.
pub(crate) fn unknown_member(entity: &Entity, of: &Embedded, name: &str) -> Error {
    let message = format!("struct `{}` of {} has no member `{name}`", of.path, entity.name);
    Error::new(ErrorCode::UnknownField, message)
        .entity(&entity.name)
        .field(format!("{}.{name}", of.path))
        .suggest(name, entity.struct_members(of))
}
