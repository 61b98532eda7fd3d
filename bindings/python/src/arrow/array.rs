//! Fields and arrays of Arrow, before they are C structures.
//!
//! Invariant: what is given out was checked as Arrow's readers trust it: offsets ascend and end within their buffer, and text
//! is UTF-8. Arrow's buffers have the machine's order of bytes, and blocks are little-endian: on other machines nothing is
//! given out.

#![deny(clippy::indexing_slicing)]

use std::any::Any;
use std::sync::Arc;

use ormdb_proto::block::{Column, ColumnKind, ColumnType, ColumnValues};
use ormdb_proto::result::{EnumLabels, ShapeColumn};
use ormdb_proto::value::PRECISION_MAX;
use ormdb_proto::{Error, ErrorCode, Result};

/// What keeps buffers alive.
pub(super) type Owner = Arc<dyn Any + Send + Sync>;

/// The type and name of a column.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub(super) format: String,
    pub(super) name: String,
    pub(super) nullable: bool,
    /// The name of an extension type.
    pub(super) extension: Option<&'static str>,
    pub(super) children: Vec<Field>,
    pub(super) dictionary: Option<Box<Field>>,
}

/// The values of a column.
pub(super) struct Data {
    pub(super) rows: usize,
    /// How many are null, if that is known.
    pub(super) nulls: Option<usize>,
    pub(super) buffers: Vec<Buffer>,
    pub(super) children: Vec<Data>,
    pub(super) dictionary: Option<Box<Data>>,
    /// What keeps the buffers of this and its children alive.
    pub(super) owner: Option<Owner>,
}

/// A buffer.
pub(super) enum Buffer {
    /// There is none: all rows are valid.
    None,
    /// Bytes of the owner.
    There(*const u8),
    /// Bytes that were made for this, on whole words, so that every type is aligned.
    Made(Vec<u128>),
}

impl Field {
    /// A struct of these columns.
    pub(super) fn of_struct(children: Vec<Field>) -> Field {
        Field { format: "+s".to_owned(), children, ..Field::default() }
    }

    /// The list of the numbers of child rows.
    pub(super) fn of_edges() -> Field {
        let item = Field { format: "I".to_owned(), name: "item".to_owned(), ..Field::default() };
        Field { format: "+l".to_owned(), name: "rows".to_owned(), children: vec![item], ..Field::default() }
    }

    /// The field of a column of a shape, of decimals with this scale.
    pub(super) fn of_column(column: &ShapeColumn, scale: u8) -> Field {
        let scalar = |kind: ColumnKind, name: &str| {
            let (format, extension) = match kind {
                ColumnKind::Decimal => (format!("d:{PRECISION_MAX},{scale}"), None),
                other => {
                    let (format, extension) = format(other);
                    (format.to_owned(), extension)
                }
            };
            let dictionary = (kind == ColumnKind::Enum)
                .then(|| Box::new(Field { format: "u".to_owned(), ..Field::default() }));
            Field {
                format,
                name: name.to_owned(),
                nullable: true,
                extension,
                children: Vec::new(),
                dictionary,
            }
        };
        match column.ty {
            ColumnType::Scalar(kind) => scalar(kind, &column.name),
            ColumnType::List(kind) => Field {
                format: "+l".to_owned(),
                name: column.name.clone(),
                nullable: true,
                children: vec![scalar(kind, "item")],
                ..Field::default()
            },
        }
    }
}

/// Arrow's format of a type, and the name of its extension.
const fn format(kind: ColumnKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ColumnKind::Bool => ("b", None),
        ColumnKind::Int16 => ("s", None),
        ColumnKind::Int32 | ColumnKind::Enum => ("i", None),
        ColumnKind::Int64 => ("l", None),
        ColumnKind::Float32 => ("f", None),
        ColumnKind::Float64 => ("g", None),
        // Decimals have their scale in it too.
        ColumnKind::Decimal => ("d", None),
        ColumnKind::String => ("u", None),
        ColumnKind::Bytes => ("z", None),
        ColumnKind::Uuid => ("w:16", Some("arrow.uuid")),
        ColumnKind::DateTime => ("tsu:UTC", None),
        ColumnKind::LocalDateTime => ("tsu:", None),
        ColumnKind::Date => ("tdD", None),
        ColumnKind::Time => ("ttu", None),
        ColumnKind::Interval => ("tin", None),
        ColumnKind::Json => ("u", Some("arrow.json")),
        ColumnKind::RowNumber => ("I", None),
    }
}

/// The largest scale of a column of decimals; 0 of any other.
pub(super) fn scale_of(column: &Column<'_>) -> u8 {
    match column.values() {
        ColumnValues::Decimal { scale, scales, .. } => {
            scales.map_or(*scale, |scales| scales.iter().copied().max().unwrap_or(0))
        }
        ColumnValues::List { elements, .. } => scale_of(elements),
        _ => 0,
    }
}

impl Data {
    /// A record batch.
    pub(super) fn of_struct(rows: usize, children: Vec<Data>, owner: Owner) -> Data {
        Data {
            rows,
            nulls: Some(0),
            buffers: vec![Buffer::None],
            children,
            dictionary: None,
            owner: Some(owner),
        }
    }

    /// The values of a column, of decimals with this scale.
    pub(super) fn of_column(column: &Column<'_>, labels: &EnumLabels, scale: u8) -> Result<Data> {
        let rows = column.len();
        let validity = column.validity().map_or(Buffer::None, there);
        let nulls = if column.validity().is_none() { Some(0) } else { None };
        let mut data = Data {
            rows,
            nulls,
            buffers: vec![validity],
            children: Vec::new(),
            dictionary: None,
            owner: None,
        };
        match column.values() {
            ColumnValues::Bool(bits) => data.buffers.push(there(bits)),
            ColumnValues::Int16(v) => data.buffers.push(there(v.as_flattened())),
            ColumnValues::Int32(v)
            | ColumnValues::Float32(v)
            | ColumnValues::Date(v)
            | ColumnValues::RowNumber(v) => data.buffers.push(there(v.as_flattened())),
            ColumnValues::Int64(v)
            | ColumnValues::Float64(v)
            | ColumnValues::DateTime(v)
            | ColumnValues::LocalDateTime(v)
            | ColumnValues::Time(v) => data.buffers.push(there(v.as_flattened())),
            ColumnValues::Uuid(v) => data.buffers.push(there(v.as_flattened())),
            ColumnValues::String { offsets, bytes } | ColumnValues::Json { offsets, bytes } => {
                check_text(offsets, bytes)?;
                data.buffers.extend([there(offsets.as_flattened()), there(bytes)]);
            }
            ColumnValues::Bytes { offsets, bytes } => {
                check_offsets(offsets, bytes.len())?;
                data.buffers.extend([there(offsets.as_flattened()), there(bytes)]);
            }
            ColumnValues::Decimal { values, scale: own, scales } => {
                data.buffers.push(if scales.is_none() && *own == scale {
                    there(values.as_flattened())
                } else {
                    rescaled(column, values, |row| scales.map_or(Some(*own), |s| s.get(row).copied()), scale)?
                });
            }
            ColumnValues::Interval(values) => data.buffers.push(nanoseconds(column, values)?),
            ColumnValues::Enum(values) => {
                data.buffers.push(places(column, values, labels)?);
                data.dictionary = Some(Box::new(dictionary(labels)?));
            }
            ColumnValues::List { offsets, elements } => {
                check_offsets(offsets, elements.len())?;
                data.buffers.push(there(offsets.as_flattened()));
                data.children.push(Data::of_column(elements, labels, scale)?);
            }
        }
        Ok(data)
    }
}

const fn there(bytes: &[u8]) -> Buffer {
    Buffer::There(bytes.as_ptr())
}

/// Little-endian bytes as a buffer.
fn made(bytes: impl IntoIterator<Item = u8>) -> Buffer {
    let mut words = Vec::new();
    let mut word = [0; 16];
    let mut filled = 0;
    for byte in bytes {
        if let Some(place) = word.get_mut(filled) {
            *place = byte;
        }
        filled += 1;
        if filled == word.len() {
            words.push(u128::from_le_bytes(word));
            (word, filled) = ([0; 16], 0);
        }
    }
    if filled > 0 {
        words.push(u128::from_le_bytes(word));
    }
    Buffer::Made(words)
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorCode::ProtocolViolation, format!("malformed result: {what}"))
}

/// Checks that offsets ascend and end within what they point to.
fn check_offsets(offsets: &[[u8; 4]], length: usize) -> Result<()> {
    let mut last = 0;
    for offset in offsets {
        // Arrow's offsets are signed.
        let offset = i32::from_le_bytes(*offset);
        if offset < last {
            return Err(malformed("offsets descend"));
        }
        last = offset;
    }
    match usize::try_from(last) {
        Ok(last) if last <= length => Ok(()),
        _ => Err(malformed("offsets end behind their column")),
    }
}

fn check_text(offsets: &[[u8; 4]], bytes: &[u8]) -> Result<()> {
    check_offsets(offsets, bytes.len())?;
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("a text is not UTF-8"))?;
    let at_boundary = |offset: &[u8; 4]| {
        usize::try_from(u32::from_le_bytes(*offset)).is_ok_and(|offset| text.is_char_boundary(offset))
    };
    if offsets.iter().all(at_boundary) { Ok(()) } else { Err(malformed("a text is not UTF-8")) }
}

/// Decimals of one scale, of those that have their own.
fn rescaled(
    column: &Column<'_>,
    values: &[[u8; 16]],
    own: impl Fn(usize) -> Option<u8>,
    scale: u8,
) -> Result<Buffer> {
    let mut words = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        if !column.is_valid(row) {
            words.push(0);
            continue;
        }
        let own = own(row).ok_or_else(|| malformed("a scale is missing"))?;
        let factor = scale.checked_sub(own).and_then(|digits| 10i128.checked_pow(u32::from(digits)));
        let largest = 10i128.pow(u32::from(PRECISION_MAX));
        let rescaled = factor.and_then(|factor| i128::from_le_bytes(*value).checked_mul(factor));
        let rescaled = rescaled.filter(|value| (-largest + 1..largest).contains(value)).ok_or_else(|| {
            Error::new(
                ErrorCode::NumericOverflow,
                "the decimals of a column have no scale in common within 38 digits",
            )
        })?;
        words.push(u128::from_le_bytes(rescaled.to_le_bytes()));
    }
    Ok(Buffer::Made(words))
}

/// Intervals with nanoseconds, of those with microseconds.
fn nanoseconds(column: &Column<'_>, values: &[[u8; 16]]) -> Result<Buffer> {
    let mut out = Vec::with_capacity(values.len() * 16);
    for (row, value) in values.iter().enumerate() {
        let [m0, m1, m2, m3, d0, d1, d2, d3, micros @ ..] = *value;
        let nanos = if column.is_valid(row) { i64::from_le_bytes(micros).checked_mul(1000) } else { Some(0) };
        let nanos = nanos.ok_or_else(|| {
            Error::new(ErrorCode::NumericOverflow, "an interval is too long to be counted in nanoseconds")
        })?;
        out.extend_from_slice(&[m0, m1, m2, m3, d0, d1, d2, d3]);
        out.extend_from_slice(&nanos.to_le_bytes());
    }
    Ok(made(out))
}

/// The places of labels in the dictionary, of their numbers.
fn places(column: &Column<'_>, values: &[[u8; 4]], labels: &EnumLabels) -> Result<Buffer> {
    let mut out = Vec::with_capacity(values.len() * 4);
    for (row, value) in values.iter().enumerate() {
        let number = u32::from_le_bytes(*value);
        let place = match labels.0.binary_search_by_key(&number, |label| label.position) {
            Ok(place) => i32::try_from(place).map_err(|_| malformed("an enum has too many labels"))?,
            Err(_) if !column.is_valid(row) => 0,
            Err(_) => return Err(malformed("an enum has a label that the shape lacks")),
        };
        out.extend_from_slice(&place.to_le_bytes());
    }
    Ok(made(out))
}

fn dictionary(labels: &EnumLabels) -> Result<Data> {
    let mut offsets = vec![0u8; 4];
    let mut text = Vec::new();
    for label in &labels.0 {
        text.extend_from_slice(label.name.as_bytes());
        let end = i32::try_from(text.len()).map_err(|_| malformed("an enum has too many labels"))?;
        offsets.extend_from_slice(&end.to_le_bytes());
    }
    Ok(Data {
        rows: labels.0.len(),
        nulls: Some(0),
        buffers: vec![Buffer::None, made(offsets), made(text)],
        children: Vec::new(),
        dictionary: None,
        owner: None,
    })
}
