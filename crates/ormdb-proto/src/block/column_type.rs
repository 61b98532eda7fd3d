//! Types of columns.

use rkyv::{Archive, Deserialize, Serialize};

use crate::schema::{FieldType, ScalarType};
use crate::value::{Value, ValueRef};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// The type of single values. The numbers stand in blocks and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Archive, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum ColumnKind {
            $($(#[$doc])* $name = $code,)*
        }

        impl ColumnKind {
            /// Every kind.
            pub const ALL: &'static [ColumnKind] = &[$(ColumnKind::$name,)*];

            /// The number in blocks.
            pub const fn code(self) -> u8 {
                match self { $(ColumnKind::$name => $code,)* }
            }

            /// The kind of a number in blocks.
            pub const fn from_code(code: u8) -> Option<ColumnKind> {
                match code { $($code => Some(ColumnKind::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Truth values, a bit each.
    Bool = 1;
    /// 16-bit integers.
    Int16 = 2;
    /// 32-bit integers.
    Int32 = 3;
    /// 64-bit integers.
    Int64 = 4;
    /// 32-bit floating-point numbers.
    Float32 = 5;
    /// 64-bit floating-point numbers.
    Float64 = 6;
    /// Decimals: 128-bit integers, divided by ten to the column's scale or to the cell's own.
    Decimal = 7;
    /// Text: offsets and UTF-8.
    String = 8;
    /// Bytes: offsets and bytes.
    Bytes = 9;
    /// UUIDs, 16 bytes each.
    Uuid = 10;
    /// Instants: 64-bit microseconds since 1970-01-01T00:00:00Z.
    DateTime = 11;
    /// Dates and times of no zone: 64-bit microseconds since 1970-01-01T00:00:00.
    LocalDateTime = 12;
    /// Days: 32-bit days since 1970-01-01.
    Date = 13;
    /// Times of day: 64-bit microseconds since midnight.
    Time = 14;
    /// Spans: 32-bit months, 32-bit days, 64-bit microseconds.
    Interval = 15;
    /// JSON documents: offsets and UTF-8.
    Json = 16;
    /// Enums: 32-bit numbers of labels; the shape of the result has the labels.
    Enum = 17;
    /// Numbers of rows of another block of the same chunk; in edge blocks only.
    RowNumber = 18;
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Archive, Serialize, Deserialize)]
pub enum ColumnType {
    /// One value in each row.
    Scalar(ColumnKind),
    /// A list of values in each row.
    List(ColumnKind),
}

impl ColumnKind {
    /// The name of the type, as schemas have it.
    pub const fn name(self) -> &'static str {
        match self {
            ColumnKind::Bool => "bool",
            ColumnKind::Int16 => "int16",
            ColumnKind::Int32 => "int32",
            ColumnKind::Int64 => "int64",
            ColumnKind::Float32 => "float32",
            ColumnKind::Float64 => "float64",
            ColumnKind::Decimal => "decimal",
            ColumnKind::String => "string",
            ColumnKind::Bytes => "bytes",
            ColumnKind::Uuid => "uuid",
            ColumnKind::DateTime => "datetime",
            ColumnKind::LocalDateTime => "local_datetime",
            ColumnKind::Date => "date",
            ColumnKind::Time => "time",
            ColumnKind::Interval => "interval",
            ColumnKind::Json => "json",
            ColumnKind::Enum => "enum",
            ColumnKind::RowNumber => "row_number",
        }
    }

    /// The bytes of a value of fixed width.
    pub(crate) const fn width(self) -> Option<usize> {
        match self {
            ColumnKind::Int16 => Some(2),
            ColumnKind::Int32
            | ColumnKind::Float32
            | ColumnKind::Date
            | ColumnKind::Enum
            | ColumnKind::RowNumber => Some(4),
            ColumnKind::Int64
            | ColumnKind::Float64
            | ColumnKind::DateTime
            | ColumnKind::LocalDateTime
            | ColumnKind::Time => Some(8),
            ColumnKind::Decimal | ColumnKind::Uuid | ColumnKind::Interval => Some(16),
            ColumnKind::Bool | ColumnKind::String | ColumnKind::Bytes | ColumnKind::Json => None,
        }
    }
}

impl ColumnType {
    /// The type of single values, or of the elements of lists.
    pub const fn kind(self) -> ColumnKind {
        match self {
            ColumnType::Scalar(kind) | ColumnType::List(kind) => kind,
        }
    }

    /// The type of a column that can hold this value; none for null and for lists of lists.
    pub fn of_value(value: &Value) -> Option<ColumnType> {
        let kind = match value {
            Value::Null => return None,
            Value::Bool(_) => ColumnKind::Bool,
            Value::Int16(_) => ColumnKind::Int16,
            Value::Int32(_) => ColumnKind::Int32,
            Value::Int64(_) => ColumnKind::Int64,
            Value::Float32(_) => ColumnKind::Float32,
            Value::Float64(_) => ColumnKind::Float64,
            Value::Decimal(_) => ColumnKind::Decimal,
            Value::String(_) => ColumnKind::String,
            Value::Bytes(_) => ColumnKind::Bytes,
            Value::Uuid(_) => ColumnKind::Uuid,
            Value::DateTime(_) => ColumnKind::DateTime,
            Value::LocalDateTime(_) => ColumnKind::LocalDateTime,
            Value::Date(_) => ColumnKind::Date,
            Value::Time(_) => ColumnKind::Time,
            Value::Interval(_) => ColumnKind::Interval,
            Value::Json(_) => ColumnKind::Json,
            Value::Enum(_) => ColumnKind::Enum,
            Value::Array(items) => {
                return match items.iter().find_map(ColumnType::of_value)? {
                    ColumnType::Scalar(kind) => Some(ColumnType::List(kind)),
                    ColumnType::List(_) => None,
                };
            }
        };
        Some(ColumnType::Scalar(kind))
    }
}

impl From<ScalarType> for ColumnKind {
    fn from(scalar: ScalarType) -> ColumnKind {
        match scalar {
            ScalarType::Bool => ColumnKind::Bool,
            ScalarType::Int16 => ColumnKind::Int16,
            ScalarType::Int32 => ColumnKind::Int32,
            ScalarType::Int64 => ColumnKind::Int64,
            ScalarType::Float32 => ColumnKind::Float32,
            ScalarType::Float64 => ColumnKind::Float64,
            ScalarType::Decimal { .. } => ColumnKind::Decimal,
            ScalarType::String { .. } => ColumnKind::String,
            ScalarType::Bytes => ColumnKind::Bytes,
            ScalarType::Uuid => ColumnKind::Uuid,
            ScalarType::DateTime => ColumnKind::DateTime,
            ScalarType::LocalDateTime => ColumnKind::LocalDateTime,
            ScalarType::Date => ColumnKind::Date,
            ScalarType::Time => ColumnKind::Time,
            ScalarType::Interval => ColumnKind::Interval,
            ScalarType::Json => ColumnKind::Json,
            ScalarType::Enum(_) => ColumnKind::Enum,
        }
    }
}

impl From<FieldType> for ColumnType {
    fn from(field: FieldType) -> ColumnType {
        match field {
            FieldType::Scalar(scalar) => ColumnType::Scalar(scalar.into()),
            FieldType::Array(scalar) => ColumnType::List(scalar.into()),
        }
    }
}

/// The type's name for messages about a value of another type.
pub(super) fn value_type_name(value: &ValueRef<'_>) -> &'static str {
    value.to_value(&|_| None).type_name()
}
