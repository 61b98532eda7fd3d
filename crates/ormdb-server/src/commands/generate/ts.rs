//! The types of a schema for TypeScript, as `@ormdb/client` gives and takes values.
//!
//! Of each entity: its row as `*` gives it, its computed fields and relations where it has any, the values of a create and of an
//! update, and its keys. Structs nest in rows; in a create and an update their members stand under dotted names, so that any
//! object is a JSON document. `Entities` has them all by the names of the entities: `connect<Entities>(…)`.
//!
//! Invariants: (1) equal schemas give equal texts; (2) every name that is exported is an identifier of its own, or it is an error.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ormdb_proto::schema::{
    Computation, Embedded, Entity, Field, FieldId, FieldType, Relation, RelationKind, ScalarType, Schema,
};

use crate::args::Int64;
use crate::exit::{Failure, Result};

/// The package, as it is imported; and names that a type of the schema would hide.
const RESERVED: [&str; 4] = ["ormdb", "Date", "Uint8Array", "Entities"];

/// What a type is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is in a result.
    Given,
    /// It is a parameter.
    Taken,
}

/// The module of a schema.
pub(super) fn types(schema: &Schema, int64: Int64) -> Result<String> {
    let mut writer = Writer { schema, int64, out: String::new(), exported: BTreeMap::new() };
    writer.line("// The types of a schema, written by `ormdb generate ts`. What is changed here is lost.");
    writer.line("/* eslint-disable */");
    writer.line("import type * as ormdb from \"@ormdb/client\";");
    for of in &schema.enums {
        let labels: Vec<String> = of.labels.iter().map(|label| quoted(&label.name)).collect();
        let name = writer.export(&of.name, "")?;
        writer.doc(of.doc.as_deref(), None, "");
        writer.line(&format!("export type {name} = {};", labels.join(" | ")));
    }
    for entity in &schema.entities {
        writer.entity(entity)?;
    }
    writer.line("\n/** Every entity by its name. */\nexport interface Entities {");
    for entity in &schema.entities {
        let name = type_name(&entity.name);
        let line = format!(
            "  {}: {{ row: {name}; create: {name}Create; update: {name}Update; key: {name}Key }};",
            property(&entity.name)
        );
        writer.line(&line);
    }
    writer.line("}");
    Ok(writer.out)
}

struct Writer<'a> {
    schema: &'a Schema,
    int64: Int64,
    out: String,
    /// The names that are exported, each with what it is of.
    exported: BTreeMap<String, String>,
}

impl<'a> Writer<'a> {
    fn entity(&mut self, entity: &'a Entity) -> Result<()> {
        let row = self.export(&entity.name, "")?;
        self.doc(entity.doc.as_deref(), None, "");
        self.line(&format!("export interface {row} {{"));
        let in_row = |field: &&Field| {
            !field.hidden && (field.computed.is_none() || field.computation == Computation::WhenWritten)
        };
        let fields: Vec<&Field> = entity.fields.iter().filter(in_row).collect();
        self.members(entity, &fields, None, "  ");
        self.line("}");

        let computed: Vec<&Field> =
            entity.fields.iter().filter(|field| !field.hidden && !in_row(field)).collect();
        if !computed.is_empty() {
            let name = self.export(&entity.name, "Computed")?;
            self.doc(
                None,
                Some(&format!("Fields of `{}` that are computed when they are asked for.", entity.name)),
                "",
            );
            self.line(&format!("export interface {name} {{"));
            self.members(entity, &computed, None, "  ");
            self.line("}");
        }
        if !entity.relations.is_empty() {
            let name = self.export(&entity.name, "Relations")?;
            self.doc(None, Some(&format!("What leads from `{}` to other rows.", entity.name)), "");
            self.line(&format!("export interface {name} {{"));
            for relation in &entity.relations {
                let ty = self.relation_type(entity, relation);
                self.doc(relation.doc.as_deref(), None, "  ");
                self.line(&format!("  {}: {ty};", property(&relation.name)));
            }
            self.line("}");
        }
        self.inputs(entity)?;
        self.keys(entity)
    }

    /// The values of a create and of an update.
    fn inputs(&mut self, entity: &'a Entity) -> Result<()> {
        let assigned: Vec<&Field> =
            entity.fields.iter().filter(|f| !f.hidden && f.computed.is_none()).collect();
        for (suffix, what) in [("Create", "a new"), ("Update", "a change of a")] {
            let name = self.export(&entity.name, suffix)?;
            self.doc(None, Some(&format!("Values of {what} `{}`.", entity.name)), "");
            self.line(&format!("export interface {name} {{"));
            for field in &assigned {
                let left_out = suffix == "Update"
                    || field.optional
                    || field.default.is_some()
                    || field.updated_at
                    || field.inside().is_some();
                let ty = self.field_type(field, Use::Taken);
                let ty = if field.declared_optional() { format!("{ty} | null") } else { ty };
                self.line(&format!("  {}{}: {ty};", property(&field.name), if left_out { "?" } else { "" }));
            }
            for embedded in entity.embedded.iter().filter(|e| e.optional()) {
                self.line(&format!("  {}?: null;", property(&embedded.path)));
            }
            self.line("}");
        }
        Ok(())
    }

    /// The fields that name one row: the primary key, and unique keys that hold for every row.
    fn keys(&mut self, entity: &'a Entity) -> Result<()> {
        let mut keys: Vec<Vec<FieldId>> = vec![entity.primary_key.clone()];
        for index in entity.indexes.iter().filter(|i| i.unique.is_some() && i.filter.is_none()) {
            keys.push(index.columns.iter().map(|column| column.field).collect());
        }
        let mut written: Vec<String> = Vec::new();
        for key in keys {
            let fields: Vec<&Field> = key.iter().filter_map(|id| entity.field_by_id(*id)).collect();
            if fields.iter().any(|field| field.hidden) {
                continue;
            }
            let parts: Vec<String> = fields
                .iter()
                .map(|field| format!("{}: {}", property(&field.name), self.field_type(field, Use::Taken)))
                .collect();
            let text = format!("{{ {} }}", parts.join("; "));
            if !written.contains(&text) {
                written.push(text);
            }
        }
        let name = self.export(&entity.name, "Key")?;
        self.doc(None, Some(&format!("What names one `{}`.", entity.name)), "");
        let keys = if written.is_empty() { "never".to_owned() } else { written.join(" | ") };
        self.line(&format!("export type {name} = {keys};"));
        Ok(())
    }

    /// The members of a row, or of a struct of it. Structs nest as deep as the schema allows.
    fn members(&mut self, entity: &Entity, fields: &[&Field], of: Option<&Embedded>, indent: &str) {
        let mut structs: Vec<&Embedded> = Vec::new();
        for field in fields {
            let Some(rest) = (match of {
                Some(of) => of.rest(&field.name),
                None => Some(field.name.as_str()),
            }) else {
                continue;
            };
            let path = field.name.get(..field.name.len() - rest.len()).unwrap_or("");
            match rest.split_once('.') {
                None => {
                    let ty = self.field_type(field, Use::Given);
                    let ty = if field.declared_optional() { format!("{ty} | null") } else { ty };
                    self.doc(field.doc.as_deref(), None, indent);
                    self.line(&format!("{indent}{}: {ty};", property(rest)));
                }
                Some((name, _)) => {
                    let Some(embedded) = entity.embedded_at(&format!("{path}{name}")) else { continue };
                    if structs.iter().any(|seen| seen.path == embedded.path) {
                        continue;
                    }
                    structs.push(embedded);
                    self.doc(embedded.doc.as_deref(), None, indent);
                    self.line(&format!("{indent}{}: {{", property(name)));
                    self.members(entity, fields, Some(embedded), &format!("{indent}  "));
                    self.line(&format!("{indent}}}{};", if embedded.optional() { " | null" } else { "" }));
                }
            }
        }
    }

    fn relation_type(&self, entity: &Entity, relation: &Relation) -> String {
        let target =
            self.schema.entity_by_id(relation.target).map_or("never".to_owned(), |e| type_name(&e.name));
        if !relation.kind.is_to_one() {
            return format!("{target}[]");
        }
        let required = match &relation.kind {
            RelationKind::Forward { foreign_key } => entity.foreign_key(*foreign_key).is_some_and(|key| {
                key.fields.iter().all(|id| entity.field_by_id(*id).is_some_and(|field| !field.optional))
            }),
            RelationKind::Inverse { .. } | RelationKind::Through { .. } => false,
        };
        if required { target } else { format!("{target} | null") }
    }

    fn field_type(&self, field: &Field, used: Use) -> String {
        match field.ty {
            FieldType::Scalar(scalar) => self.scalar_type(scalar, used),
            FieldType::Array(scalar) => format!("({} | null)[]", self.scalar_type(scalar, used)),
        }
    }

    fn scalar_type(&self, scalar: ScalarType, used: Use) -> String {
        let taken = used == Use::Taken;
        match scalar {
            ScalarType::Bool => "boolean",
            ScalarType::Int16 | ScalarType::Int32 | ScalarType::Float32 | ScalarType::Float64 => "number",
            ScalarType::Int64 if taken => "number | bigint",
            ScalarType::Int64 => match self.int64 {
                Int64::Number => "number",
                Int64::Bigint => "bigint",
            },
            ScalarType::Decimal { .. } if taken => "ormdb.Decimal | number | bigint | string",
            ScalarType::Decimal { .. } => "ormdb.Decimal",
            ScalarType::String { .. }
            | ScalarType::Uuid
            | ScalarType::LocalDateTime
            | ScalarType::Date
            | ScalarType::Time => "string",
            ScalarType::Bytes => "Uint8Array",
            ScalarType::DateTime if taken => "Date | string",
            ScalarType::DateTime => "Date",
            ScalarType::Interval if taken => "ormdb.Interval | string",
            ScalarType::Interval => "ormdb.Interval",
            ScalarType::Json => "ormdb.JsonValue",
            ScalarType::Enum(id) => {
                return self.schema.enum_by_id(id).map_or("never".to_owned(), |e| type_name(&e.name));
            }
        }
        .to_owned()
    }

    /// The name that a type of `of` is exported by.
    fn export(&mut self, of: &str, suffix: &str) -> Result<String> {
        let name = format!("{}{suffix}", type_name(of));
        match self.exported.insert(name.clone(), of.to_owned()) {
            None => Ok(name),
            Some(other) => {
                let message =
                    format!("`{other}` and `{of}` would both export the type `{name}`: rename one of them");
                Err(Failure::Request(message))
            }
        }
    }

    /// A comment: that of the schema, or one of the writer's own. Declarations at the margin stand apart.
    fn doc(&mut self, of_schema: Option<&str>, own: Option<&str>, indent: &str) {
        if indent.is_empty() {
            self.line("");
        }
        if let Some(text) = of_schema.or(own) {
            let text = text.replace("*/", "* /");
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            match lines.as_slice() {
                [one] => self.line(&format!("{indent}/** {one} */")),
                several => {
                    self.line(&format!("{indent}/**"));
                    for line in several {
                        self.line(format!("{indent} * {line}").trim_end());
                    }
                    self.line(&format!("{indent} */"));
                }
            }
        }
    }

    fn line(&mut self, text: &str) {
        // Writing into a string cannot fail.
        writeln!(self.out, "{text}").unwrap_or_default();
    }
}

/// The identifier of a type: letters, digits and `_` of its name; a namespace and its point become `billing_`.
fn type_name(name: &str) -> String {
    let mut out: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    if out.starts_with(|c: char| c.is_numeric()) {
        out.insert(0, '_');
    }
    if RESERVED.contains(&out.as_str()) {
        out.push('_');
    }
    out
}

/// A name as a property: quoted where it is no identifier.
fn property(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain { name.to_owned() } else { quoted(name) }
}

/// A text as a literal.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
