//! The errors of writes: which row of which entity, which field, which constraint, which key.

use ormdb_proto::schema::{Field, FieldId, ForeignKey, Schema};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Token};

use crate::catalog::EntityInfo;
use crate::store::coerce;
use crate::store::row::RowView;

/// `name = value` of each field, with commas.
pub(crate) fn describe(
    schema: &Schema,
    info: &EntityInfo,
    fields: &[FieldId],
    values: &[ValueRef<'_>],
) -> String {
    let part = |(id, value): (&FieldId, &ValueRef<'_>)| match info.entity().field_by_id(*id) {
        Some(field) => {
            let value = coerce::owned(schema, field.ty, value);
            format!("{} = {}", field.name, coerce::quoted(&value))
        }
        None => "?".to_owned(),
    };
    fields.iter().zip(values).map(part).collect::<Vec<_>>().join(", ")
}

/// The values of some fields of a row, described; what cannot be read is left out.
pub(super) fn describe_row(
    schema: &Schema,
    info: &EntityInfo,
    fields: &[FieldId],
    row: &RowView<'_>,
) -> String {
    let values: Vec<ValueRef<'_>> = fields.iter().map(|f| row.field(*f).unwrap_or(ValueRef::Null)).collect();
    describe(schema, info, fields, &values)
}

/// `a Post`, `an Album`
fn with_article(name: &str) -> String {
    // A `U` is mostly spoken as in "user".
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

/// Another row has the unique key.
pub(super) fn not_unique(info: &EntityInfo, fields: &[FieldId], constraint: &str, key: String) -> Error {
    let error = Error::new(
        ErrorCode::UniqueViolation,
        format!("{} with {key} exists already", with_article(&info.name)),
    )
    .entity(&info.name)
    .constraint(constraint)
    .key(key);
    match fields {
        [only] => error.field(info.names_of(&[*only])),
        _ => error,
    }
}

/// The row that stands in the way, or is wanted, is deleted and kept.
pub(super) fn of_kept(error: Error, info: &EntityInfo) -> Error {
    let field = info.soft_delete.map_or(String::new(), |soft| info.names_of(&[soft.field]));
    error.hint(format!(
        "that {0} is deleted: `update {0} with deleted where … set {{ {field}: null }}` restores it, \
         `delete permanently {0} …` removes it",
        info.name
    ))
}

/// A row is restored, and another one has its unique key.
pub(super) fn of_restoring(error: Error) -> Error {
    match error.code {
        ErrorCode::UniqueViolation => {
            error.hint("it took the key while this row was deleted: change one of them in the same update")
        }
        _ => error,
    }
}

/// A required field has no value.
pub(super) fn required(info: &EntityInfo, field: &Field) -> Error {
    let error = Error::new(ErrorCode::NotNullViolation, format!("{}.{} is required", info.name, field.name))
        .entity(&info.name)
        .field(&field.name);
    if field.stored_expr().is_none() {
        return error;
    }
    error.hint("its expression is null for this row: `coalesce(…)` gives another value, `?` lets it be null")
}

/// A row fails a check.
pub(super) fn check_failed(info: &EntityInfo, check: &str, key: String, fields: &[FieldId]) -> Error {
    let error =
        Error::new(ErrorCode::CheckViolation, format!("{} ({key}) fails the check `{check}`", info.name))
            .entity(&info.name)
            .constraint(check)
            .key(key);
    match fields {
        [only] => error.field(info.names_of(&[*only])),
        _ => error,
    }
}

/// A row refers to a row that is not there.
pub(super) fn no_target(
    schema: &Schema,
    info: &EntityInfo,
    target: &EntityInfo,
    foreign_key: &ForeignKey,
    values: &[ValueRef<'_>],
) -> Error {
    let key = describe(schema, target, &foreign_key.references, values);
    let fields = info.names_of(&foreign_key.fields);
    Error::new(
        ErrorCode::ForeignKeyViolation,
        format!(
            "{}.{fields} refers to {} with {key}, which does not exist",
            info.name,
            with_article(&target.name)
        ),
    )
    .entity(&info.name)
    .field(fields)
    .constraint(&foreign_key.name)
    .key(key)
}

/// Rows still refer to a row that goes or whose key changes.
pub(super) fn still_referred(
    schema: &Schema,
    target: &EntityInfo,
    holder: &EntityInfo,
    foreign_key: &ForeignKey,
    values: &[ValueRef<'_>],
    child: &RowView<'_>,
) -> Error {
    let key = describe(schema, target, &foreign_key.references, values);
    let child = describe_row(schema, holder, &holder.primary_key, child);
    let fields = holder.names_of(&foreign_key.fields);
    Error::new(
        ErrorCode::ForeignKeyViolation,
        format!(
            "the {} with {key} cannot go or change its key: {} ({child}) refers to it by {fields}",
            target.name, holder.name
        ),
    )
    .entity(&holder.name)
    .field(fields)
    .constraint(&foreign_key.name)
    .key(key)
}

/// The row was changed behind the version that a statement expects.
pub(super) fn version_changed(
    schema: &Schema,
    info: &EntityInfo,
    row: &RowView<'_>,
    expected: Token,
) -> Error {
    let key = describe_row(schema, info, &info.primary_key, row);
    let message = format!("the {} with {key} was changed behind the version {expected}", info.name);
    Error::new(ErrorCode::VersionChanged, message)
        .entity(&info.name)
        .key(key)
        .hint("read it again, and decide anew")
}

/// The row that must exist is not there.
pub(super) fn not_found(info: &EntityInfo, key: String) -> Error {
    Error::new(ErrorCode::RecordNotFound, format!("no {} has {key}", info.name)).entity(&info.name).key(key)
}

/// The row is there, but the relation does not lead to it.
pub(super) fn not_connected(info: &EntityInfo, relation: &str, target: &EntityInfo, key: String) -> Error {
    let error = |message| Error::new(ErrorCode::RecordNotFound, message).entity(&info.name).field(relation);
    if key.is_empty() {
        return error(format!("{}.{relation} leads to no {}", info.name, target.name));
    }
    error(format!("{}.{relation} does not lead to the {} with {key}", info.name, target.name)).key(key)
}

/// The statement has no meaning.
pub(super) fn meaningless(info: &EntityInfo, member: &str, why: &str) -> Error {
    Error::new(ErrorCode::InvalidQuery, format!("{}.{member}: {why}", info.name))
        .entity(&info.name)
        .field(member)
}
