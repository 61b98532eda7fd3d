//! Types as the schema language writes them.

use super::{FieldType, ScalarType, Schema};

/// The names of the scalar types, enums left out.
pub const SCALAR_NAMES: [&str; 16] = [
    "bool",
    "int16",
    "int32",
    "int64",
    "float32",
    "float64",
    "decimal",
    "string",
    "bytes",
    "uuid",
    "datetime",
    "local_datetime",
    "date",
    "time",
    "interval",
    "json",
];

impl ScalarType {
    /// The name without lengths and digits; `enum` of every enum.
    pub const fn name(self) -> &'static str {
        match self {
            ScalarType::Bool => "bool",
            ScalarType::Int16 => "int16",
            ScalarType::Int32 => "int32",
            ScalarType::Int64 => "int64",
            ScalarType::Float32 => "float32",
            ScalarType::Float64 => "float64",
            ScalarType::Decimal { .. } => "decimal",
            ScalarType::String { .. } => "string",
            ScalarType::Bytes => "bytes",
            ScalarType::Uuid => "uuid",
            ScalarType::DateTime => "datetime",
            ScalarType::LocalDateTime => "local_datetime",
            ScalarType::Date => "date",
            ScalarType::Time => "time",
            ScalarType::Interval => "interval",
            ScalarType::Json => "json",
            ScalarType::Enum(_) => "enum",
        }
    }
}

impl std::fmt::Display for ScalarType {
    /// The type with its lengths and digits: `decimal(12,2)`, `string(320)`; `enum` of every enum.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ScalarType::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            ScalarType::String { chars_max: Some(max) } => write!(f, "string({max})"),
            other => f.write_str(other.name()),
        }
    }
}

impl Schema {
    /// The name of a type without lengths and digits, an enum's by its own name: `decimal`, `Role[]`.
    pub fn type_name(&self, ty: FieldType) -> String {
        self.written(ty, |scalar| scalar.name().to_owned())
    }

    /// A type as it is written: `decimal(12,2)`, `Role[]`.
    pub fn type_text(&self, ty: FieldType) -> String {
        self.written(ty, |scalar| scalar.to_string())
    }

    fn written(&self, ty: FieldType, of_scalar: impl Fn(ScalarType) -> String) -> String {
        let of_enum = match ty.scalar() {
            ScalarType::Enum(id) => self.enum_by_id(id).map(|e| e.name.clone()),
            _ => None,
        };
        let name = of_enum.unwrap_or_else(|| of_scalar(ty.scalar()));
        match ty {
            FieldType::Scalar(_) => name,
            FieldType::Array(_) => format!("{name}[]"),
        }
    }
}
