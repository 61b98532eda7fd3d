//! Fields: what a row stores, or computes.

use serde::{Deserialize, Serialize};

use super::{EnumId, FieldId, Membership};
use crate::ir::Expr;
use crate::value::Value;

/// A field of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its id.
    pub id: FieldId,
    /// Its name.
    pub name: String,
    /// Its name outside (`@map`), where it differs.
    pub mapped_name: Option<String>,
    /// The comment above it.
    pub doc: Option<String>,
    /// Its type.
    pub ty: FieldType,
    /// Whether it may be null (`?` behind the type).
    pub optional: bool,
    /// What it has when a create gives no value.
    pub default: Option<Default>,
    /// Whether every write of the row sets it to the time of the transaction (`@updatedAt`).
    pub updated_at: bool,
    /// The expression of a computed field (`= expr`).
    pub computed: Option<Expr>,
    /// When the expression of a computed field is evaluated.
    #[serde(default, skip_serializing_if = "Computation::is_when_read")]
    pub computation: Computation,
    /// Whether `*` and schema listings leave it out: the generated key of an entity that declares none, and the
    /// presence flags of optional structs.
    pub hidden: bool,
    /// What it is to the embedded struct that it belongs to, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<Membership>,
    /// The layout of the entity that first stored this field; rows of an older layout lack it.
    pub since_layout: u32,
    /// What rows of a layout older than `since_layout` have in this field: its default when it was added.
    pub absent_value: Value,
}

/// When the expression of a computed field is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Computation {
    /// When the field is read; rows do not store it.
    #[default]
    WhenRead,
    /// When the row is written (`@stored`); rows store the value.
    WhenWritten,
}

impl Computation {
    /// Whether it is [`Computation::WhenRead`], which the catalog leaves out.
    pub const fn is_when_read(&self) -> bool {
        matches!(self, Computation::WhenRead)
    }
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// One value.
    Scalar(ScalarType),
    /// Values of one type in order.
    Array(ScalarType),
}

/// A scalar type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalarType {
    /// `bool`
    Bool,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `float32`
    Float32,
    /// `float64`
    Float64,
    /// `decimal(precision, scale)`
    Decimal {
        /// All digits, at most 38.
        precision: u8,
        /// Digits behind the point, at most `precision`.
        scale: u8,
    },
    /// `string` or `string(n)`
    String {
        /// The most characters, where the type limits them.
        chars_max: Option<u32>,
    },
    /// `bytes`
    Bytes,
    /// `uuid`
    Uuid,
    /// `datetime`: an instant
    DateTime,
    /// `local_datetime`
    LocalDateTime,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `interval`
    Interval,
    /// `json`
    Json,
    /// An enum of the schema.
    Enum(EnumId),
}

/// What a field has when a create gives no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Default {
    /// A value that is made anew for each row.
    Generated(Generator),
    /// A constant or an expression over the row's other fields.
    Expr(Expr),
}

/// How a value is made for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// The next number of the field's sequence: greater than every number that the field ever had.
    Autoincrement,
    /// A random UUID (RFC 9562 version 4).
    UuidV4,
    /// A UUID that ascends with time (RFC 9562 version 7).
    UuidV7,
    /// A collision-resistant id of 25 letters and digits that begins with `c`.
    Cuid,
    /// A lexicographically sortable id of 26 characters in Crockford's base 32.
    Ulid,
    /// A random URL-safe id of 21 characters.
    Nanoid,
    /// The time at which the transaction began.
    Now,
}

impl FieldType {
    /// The scalar type, or the type of the array's elements.
    pub const fn scalar(self) -> ScalarType {
        match self {
            FieldType::Scalar(scalar) | FieldType::Array(scalar) => scalar,
        }
    }
}

impl Field {
    /// Whether rows store the field.
    pub const fn is_stored(&self) -> bool {
        self.computed.is_none() || !self.computation.is_when_read()
    }

    /// The expression of a stored computed field.
    pub const fn stored_expr(&self) -> Option<&Expr> {
        match self.computation {
            Computation::WhenRead => None,
            Computation::WhenWritten => self.computed.as_ref(),
        }
    }
}
