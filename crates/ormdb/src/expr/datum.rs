//! The value that an expression gives: borrowed from where it lies, or made.

use ormdb_proto::schema::{FieldType, ScalarType, Schema};
use ormdb_proto::value::{ValueRef, canonical_json};
use ormdb_proto::{Error, ErrorCode, Result, Value};

/// A value, borrowed if it lies in a row or in the expression, owned if it was computed.
#[derive(Clone, Debug)]
pub(crate) enum Datum<'a> {
    /// A value of fixed width, or one that lies elsewhere.
    Ref(ValueRef<'a>),
    /// Computed text.
    Text(String),
    /// Computed bytes.
    Bytes(Vec<u8>),
    /// A computed JSON document.
    Json(String),
    /// A computed array.
    Array(Vec<Datum<'a>>),
}

impl<'a> Datum<'a> {
    /// The absent value.
    pub(crate) const NULL: Datum<'static> = Datum::Ref(ValueRef::Null);

    /// A truth value; none is null.
    pub(crate) fn bool(value: Option<bool>) -> Datum<'static> {
        Datum::Ref(value.map_or(ValueRef::Null, ValueRef::Bool))
    }

    /// Whether this is the absent value.
    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Datum::Ref(ValueRef::Null))
    }

    /// The value as it lies. Costs an allocation for arrays only.
    pub(crate) fn view(&self) -> ValueRef<'_> {
        match self {
            Datum::Ref(value) => value.clone(),
            Datum::Text(text) => ValueRef::String(text),
            Datum::Bytes(bytes) => ValueRef::Bytes(bytes),
            Datum::Json(text) => ValueRef::Json(text),
            Datum::Array(items) => ValueRef::Array(items.iter().map(Datum::view).collect()),
        }
    }

    /// The same value with bytes of its own.
    pub(crate) fn into_owned(self) -> Datum<'static> {
        match self {
            Datum::Ref(value) => own(&value),
            Datum::Text(text) => Datum::Text(text),
            Datum::Bytes(bytes) => Datum::Bytes(bytes),
            Datum::Json(text) => Datum::Json(text),
            Datum::Array(items) => Datum::Array(items.into_iter().map(Datum::into_owned).collect()),
        }
    }

    /// How many bytes the value holds beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Datum::Ref(_) => 0,
            Datum::Text(text) | Datum::Json(text) => text.capacity(),
            Datum::Bytes(bytes) => bytes.capacity(),
            Datum::Array(items) => items.iter().map(|d| size_of::<Datum<'_>>() + d.heap_bytes()).sum(),
        }
    }

    /// The datum of a value that already has the type `ty`; `schema` numbers the labels of enums.
    pub(crate) fn of_value(schema: &Schema, value: &Value, ty: FieldType) -> Result<Datum<'static>> {
        Ok(match value {
            Value::Null => Datum::NULL,
            Value::Bool(v) => Datum::Ref(ValueRef::Bool(*v)),
            Value::Int16(v) => Datum::Ref(ValueRef::Int16(*v)),
            Value::Int32(v) => Datum::Ref(ValueRef::Int32(*v)),
            Value::Int64(v) => Datum::Ref(ValueRef::Int64(*v)),
            Value::Float32(v) => Datum::Ref(ValueRef::Float32(*v)),
            Value::Float64(v) => Datum::Ref(ValueRef::Float64(*v)),
            Value::Decimal(v) => Datum::Ref(ValueRef::Decimal(*v)),
            Value::String(v) => Datum::Text(v.clone()),
            Value::Bytes(v) => Datum::Bytes(v.clone()),
            Value::Uuid(v) => Datum::Ref(ValueRef::Uuid(*v)),
            Value::DateTime(v) => Datum::Ref(ValueRef::DateTime(*v)),
            Value::LocalDateTime(v) => Datum::Ref(ValueRef::LocalDateTime(*v)),
            Value::Date(v) => Datum::Ref(ValueRef::Date(*v)),
            Value::Time(v) => Datum::Ref(ValueRef::Time(*v)),
            Value::Interval(v) => Datum::Ref(ValueRef::Interval(*v)),
            // Documents of equal meaning are compared by their one text.
            Value::Json(v) => Datum::Json(canonical_json(v).map_err(|why| {
                Error::new(ErrorCode::InvalidValue, format!("that is no JSON document: {why}"))
            })?),
            Value::Enum(label) => {
                let ScalarType::Enum(id) = ty.scalar() else {
                    return Err(Error::new(
                        ErrorCode::TypeMismatch,
                        format!("the label `{label}` stands where no enum is wanted"),
                    ));
                };
                let labels = schema.enum_by_id(id);
                let position = labels.and_then(|e| e.position(label)).ok_or_else(|| {
                    let known = labels.into_iter().flat_map(|e| e.labels.iter().map(|l| l.name.as_str()));
                    let name = labels.map_or("?", |e| e.name.as_str());
                    Error::new(ErrorCode::InvalidValue, format!("the enum {name} has no label `{label}`"))
                        .suggest(label, known)
                })?;
                Datum::Ref(ValueRef::Enum(position))
            }
            Value::Array(items) => {
                let element = FieldType::Scalar(ty.scalar());
                let items = items.iter().map(|item| Datum::of_value(schema, item, element));
                Datum::Array(items.collect::<Result<_>>()?)
            }
        })
    }
}

/// A value with bytes of its own.
fn own(value: &ValueRef<'_>) -> Datum<'static> {
    match value {
        ValueRef::Null => Datum::NULL,
        ValueRef::Bool(v) => Datum::Ref(ValueRef::Bool(*v)),
        ValueRef::Int16(v) => Datum::Ref(ValueRef::Int16(*v)),
        ValueRef::Int32(v) => Datum::Ref(ValueRef::Int32(*v)),
        ValueRef::Int64(v) => Datum::Ref(ValueRef::Int64(*v)),
        ValueRef::Float32(v) => Datum::Ref(ValueRef::Float32(*v)),
        ValueRef::Float64(v) => Datum::Ref(ValueRef::Float64(*v)),
        ValueRef::Decimal(v) => Datum::Ref(ValueRef::Decimal(*v)),
        ValueRef::String(v) => Datum::Text((*v).to_owned()),
        ValueRef::Bytes(v) => Datum::Bytes(v.to_vec()),
        ValueRef::Uuid(v) => Datum::Ref(ValueRef::Uuid(*v)),
        ValueRef::DateTime(v) => Datum::Ref(ValueRef::DateTime(*v)),
        ValueRef::LocalDateTime(v) => Datum::Ref(ValueRef::LocalDateTime(*v)),
        ValueRef::Date(v) => Datum::Ref(ValueRef::Date(*v)),
        ValueRef::Time(v) => Datum::Ref(ValueRef::Time(*v)),
        ValueRef::Interval(v) => Datum::Ref(ValueRef::Interval(*v)),
        ValueRef::Json(v) => Datum::Json((*v).to_owned()),
        ValueRef::Enum(v) => Datum::Ref(ValueRef::Enum(*v)),
        ValueRef::Array(items) => Datum::Array(items.iter().map(own).collect()),
    }
}

impl<'a> From<ValueRef<'a>> for Datum<'a> {
    fn from(value: ValueRef<'a>) -> Datum<'a> {
        Datum::Ref(value)
    }
}
