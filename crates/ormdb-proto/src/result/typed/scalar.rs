//! Single values.

use super::node::{Place, What};
use super::{FromMember, OfBytes, OpenChunk, mismatch, null, other_shape};
use crate::block::{Column, ColumnKind, ColumnValues};
use crate::error::Result;
use crate::result::EnumLabels;
use crate::value::{Decimal, Interval, Value, ValueRef};

/// A column, or the elements of one of lists.
#[derive(Clone, Copy, Debug)]
pub struct ColumnPlan {
    node: usize,
    column: usize,
    elements: bool,
}

impl ColumnPlan {
    /// The column at a place, of one of these kinds.
    pub(super) fn of(place: &Place<'_>, wanted: &str, kinds: &[ColumnKind]) -> Result<ColumnPlan> {
        match (place.kind(), &place.what) {
            (Some(kind), What::Column(at) | What::Elements(at)) if kinds.contains(&kind) => Ok(ColumnPlan {
                node: place.node_at(),
                column: *at,
                elements: matches!(place.what, What::Elements(_)),
            }),
            _ => Err(mismatch(wanted, &place.told())),
        }
    }

    pub(super) fn open<'r>(&self, chunk: &OpenChunk<'r>) -> Result<Column<'r>> {
        let column = chunk.chunk.entity(self.node)?.column(self.column)?;
        if !self.elements {
            return Ok(column);
        }
        match column.into_values() {
            ColumnValues::List { elements, .. } => Ok(*elements),
            _ => Err(other_shape()),
        }
    }

    pub(super) fn labels<'r>(&self, chunk: &OpenChunk<'r>) -> Result<&'r EnumLabels> {
        let node = chunk.shape.node(self.node).ok_or_else(other_shape)?;
        node.columns.get(self.column).map(|column| &column.labels).ok_or_else(other_shape)
    }
}

/// The bytes of a row's value.
#[inline]
fn at<const N: usize>(values: &[[u8; N]], row: usize) -> Result<[u8; N]> {
    values.get(row).copied().ok_or_else(other_shape)
}

/// Types whose values are read from the buffers of some kinds of columns.
macro_rules! scalars {
    ($($ty:ty, $wanted:literal, [$($kind:ident),*], |$values:ident, $row:ident| { $($pattern:pat => $read:expr,)* };)*) => {
        $(impl FromMember for $ty {
            type Plan = ColumnPlan;
            type Reader<'r> = Column<'r>;

            fn plan(place: &Place<'_>) -> Result<ColumnPlan> {
                ColumnPlan::of(place, $wanted, &[$(ColumnKind::$kind),*])
            }

            fn open<'r>(plan: &'r ColumnPlan, chunk: &OpenChunk<'r>) -> Result<Column<'r>> {
                plan.open(chunk)
            }

            #[inline]
            fn is_absent(reader: &Column<'_>, row: usize) -> bool {
                !reader.is_valid(row)
            }

            #[inline]
            fn read(reader: &Column<'_>, $row: usize) -> Result<$ty> {
                if !reader.is_valid($row) {
                    return Err(null());
                }
                let $values = reader.values();
                match $values {
                    $($pattern => $read,)*
                    _ => Err(other_shape()),
                }
            }
        })*
    };
}

scalars! {
    i16, "an `i16`", [Int16], |values, row| {
        ColumnValues::Int16(v) => Ok(i16::from_le_bytes(at(v, row)?)),
    };
    i32, "an `i32`", [Int16, Int32, Date], |values, row| {
        ColumnValues::Int32(v) | ColumnValues::Date(v) => Ok(i32::from_le_bytes(at(v, row)?)),
        ColumnValues::Int16(v) => Ok(i16::from_le_bytes(at(v, row)?).into()),
    };
    i64, "an `i64`", [Int16, Int32, Int64, DateTime, LocalDateTime, Time], |values, row| {
        ColumnValues::Int64(v)
        | ColumnValues::DateTime(v)
        | ColumnValues::LocalDateTime(v)
        | ColumnValues::Time(v) => Ok(i64::from_le_bytes(at(v, row)?)),
        ColumnValues::Int32(v) => Ok(i32::from_le_bytes(at(v, row)?).into()),
        ColumnValues::Int16(v) => Ok(i16::from_le_bytes(at(v, row)?).into()),
    };
    f32, "an `f32`", [Float32], |values, row| {
        ColumnValues::Float32(v) => Ok(f32::from_le_bytes(at(v, row)?)),
    };
    f64, "an `f64`", [Float32, Float64], |values, row| {
        ColumnValues::Float64(v) => Ok(f64::from_le_bytes(at(v, row)?)),
        ColumnValues::Float32(v) => Ok(f32::from_le_bytes(at(v, row)?).into()),
    };
    [u8; 16], "a UUID", [Uuid], |values, row| {
        ColumnValues::Uuid(v) => at(v, row),
    };
}

/// Types whose values are checked as they are read.
macro_rules! checked {
    ($($ty:ty, $wanted:literal, $kind:ident;)*) => {
        $(impl FromMember for $ty {
            type Plan = ColumnPlan;
            type Reader<'r> = Column<'r>;

            fn plan(place: &Place<'_>) -> Result<ColumnPlan> {
                ColumnPlan::of(place, $wanted, &[ColumnKind::$kind])
            }

            fn open<'r>(plan: &'r ColumnPlan, chunk: &OpenChunk<'r>) -> Result<Column<'r>> {
                plan.open(chunk)
            }

            fn is_absent(reader: &Column<'_>, row: usize) -> bool {
                !reader.is_valid(row)
            }

            #[inline]
            fn read(reader: &Column<'_>, row: usize) -> Result<$ty> {
                match reader.get(row)? {
                    ValueRef::$kind(value) => Ok(value),
                    ValueRef::Null => Err(null()),
                    _ => Err(other_shape()),
                }
            }
        })*
    };
}

checked! {
    bool, "a `bool`", Bool;
    Decimal, "a decimal", Decimal;
    Interval, "an interval", Interval;
}

/// A column with its labels.
#[derive(Debug)]
pub struct AnyReader<'r> {
    column: Column<'r>,
    labels: &'r EnumLabels,
}

impl FromMember for Value {
    type Plan = ColumnPlan;
    type Reader<'r> = AnyReader<'r>;

    fn plan(place: &Place<'_>) -> Result<ColumnPlan> {
        match place.what {
            // Whole lists, too.
            What::Column(column) => Ok(ColumnPlan { node: place.node_at(), column, elements: false }),
            _ => ColumnPlan::of(place, "a value", ColumnKind::ALL),
        }
    }

    fn open<'r>(plan: &'r ColumnPlan, chunk: &OpenChunk<'r>) -> Result<AnyReader<'r>> {
        Ok(AnyReader { column: plan.open(chunk)?, labels: plan.labels(chunk)? })
    }

    fn is_absent(reader: &AnyReader<'_>, row: usize) -> bool {
        !reader.column.is_valid(row)
    }

    fn read(reader: &AnyReader<'_>, row: usize) -> Result<Value> {
        Ok(reader.column.get(row)?.to_value(&|position| reader.labels.get(position)))
    }
}

/// The element of bytes, and nothing by itself.
impl FromMember for u8 {
    type Plan = ColumnPlan;
    type Reader<'r> = Column<'r>;

    const OF_BYTES: Option<OfBytes<u8>> = Some(<[u8]>::to_vec);

    fn plan(place: &Place<'_>) -> Result<ColumnPlan> {
        ColumnPlan::of(place, "a `u8`", &[])
    }

    fn open<'r>(plan: &'r ColumnPlan, chunk: &OpenChunk<'r>) -> Result<Column<'r>> {
        plan.open(chunk)
    }

    fn is_absent(reader: &Column<'_>, row: usize) -> bool {
        !reader.is_valid(row)
    }

    fn read(_reader: &Column<'_>, _row: usize) -> Result<u8> {
        Err(other_shape())
    }
}
