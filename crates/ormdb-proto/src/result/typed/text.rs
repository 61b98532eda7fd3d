//! Text, labels, and types that are labels.

use super::node::Place;
use super::scalar::ColumnPlan;
use super::{FromMember, OpenChunk, null, other_shape};
use crate::block::{Column, ColumnKind, ColumnValues, bounds, malformed};
use crate::error::Result;
use crate::result::EnumLabels;

/// A column of text.
#[derive(Debug)]
pub struct TextReader<'r> {
    column: Column<'r>,
    texts: Texts<'r>,
}

#[derive(Debug)]
enum Texts<'r> {
    /// All of them in a row, which is UTF-8: checked once.
    Sound { offsets: &'r [[u8; 4]], all: &'r str },
    /// Where not, each is looked at by itself: what no row leads to may be anything.
    Each { offsets: &'r [[u8; 4]], bytes: &'r [u8] },
    /// Labels of an enum.
    Labels { positions: &'r [[u8; 4]], labels: &'r EnumLabels },
}

impl<'r> TextReader<'r> {
    fn open(plan: &ColumnPlan, chunk: &OpenChunk<'r>) -> Result<TextReader<'r>> {
        let column = plan.open(chunk)?;
        let texts = match *column.values() {
            ColumnValues::String { offsets, bytes } | ColumnValues::Json { offsets, bytes } => {
                match std::str::from_utf8(bytes) {
                    Ok(all) => Texts::Sound { offsets, all },
                    Err(_) => Texts::Each { offsets, bytes },
                }
            }
            ColumnValues::Enum(positions) => Texts::Labels { positions, labels: plan.labels(chunk)? },
            _ => return Err(other_shape()),
        };
        Ok(TextReader { column, texts })
    }

    #[inline]
    fn get(&self, row: usize) -> Result<&'r str> {
        if !self.column.is_valid(row) {
            return Err(null());
        }
        match self.texts {
            Texts::Sound { offsets, all } => {
                let (start, end) = bounds(offsets, row)?;
                all.get(start..end)
                    .ok_or_else(|| malformed("a text ends behind its column, or within a character"))
            }
            Texts::Each { offsets, bytes } => {
                let (start, end) = bounds(offsets, row)?;
                let bytes =
                    bytes.get(start..end).ok_or_else(|| malformed("a text ends behind its column"))?;
                std::str::from_utf8(bytes).map_err(|_| malformed("a text is not UTF-8"))
            }
            Texts::Labels { positions, labels } => {
                let position = u32::from_le_bytes(*positions.get(row).ok_or_else(other_shape)?);
                labels.get(position).ok_or_else(|| malformed(format!("no label has the number {position}")))
            }
        }
    }
}

macro_rules! texts {
    ($($ty:ty),*) => {
        $(impl FromMember for $ty {
            type Plan = ColumnPlan;
            type Reader<'r> = TextReader<'r>;

            fn plan(place: &Place<'_>) -> Result<ColumnPlan> {
                ColumnPlan::of(place, "text", &[ColumnKind::String, ColumnKind::Json, ColumnKind::Enum])
            }

            fn open<'r>(plan: &'r ColumnPlan, chunk: &OpenChunk<'r>) -> Result<TextReader<'r>> {
                TextReader::open(plan, chunk)
            }

            #[inline]
            fn is_absent(reader: &TextReader<'_>, row: usize) -> bool {
                !reader.column.is_valid(row)
            }

            #[inline]
            fn read(reader: &TextReader<'_>, row: usize) -> Result<$ty> {
                reader.get(row).map(<$ty>::from)
            }
        })*
    };
}

texts!(String, Box<str>, std::sync::Arc<str>);

/// A Rust enum whose variants are the labels of an enum of the schema. Implemented by `#[derive(FromLabel)]`.
pub trait FromLabel: Sized {
    /// The variant of a label.
    fn from_label(label: &str) -> Option<Self>;
}

/// A column of an enum, with the variant of each of its labels, by ascending number.
pub struct LabelReader<'r, T> {
    column: Column<'r>,
    variants: Vec<(u32, Option<T>)>,
    labels: &'r EnumLabels,
}

impl<T: FromLabel + Clone> LabelReader<'_, T> {
    fn get(&self, row: usize) -> Result<T> {
        if !self.column.is_valid(row) {
            return Err(null());
        }
        let ColumnValues::Enum(positions) = self.column.values() else { return Err(other_shape()) };
        let position = u32::from_le_bytes(*positions.get(row).ok_or_else(other_shape)?);
        let at = self.variants.binary_search_by_key(&position, |(position, _)| *position);
        match at.ok().and_then(|at| self.variants.get(at)) {
            Some((_, Some(variant))) => Ok(variant.clone()),
            _ => {
                let label = self.labels.get(position).unwrap_or("");
                Err(super::mismatch("no variant", &format!("the label `{label}`")))
            }
        }
    }
}

/// What `#[derive(FromLabel)]` calls.
#[doc(hidden)]
pub mod label {
    use super::{Column, ColumnKind, ColumnPlan, FromLabel, LabelReader, OpenChunk, Place, Result};

    pub type Plan = ColumnPlan;
    pub type Reader<'r, T> = LabelReader<'r, T>;

    pub fn plan(place: &Place<'_>) -> Result<Plan> {
        ColumnPlan::of(place, "an enum", &[ColumnKind::Enum])
    }

    pub fn open<'r, T: FromLabel>(plan: &Plan, chunk: &OpenChunk<'r>) -> Result<LabelReader<'r, T>> {
        let labels = plan.labels(chunk)?;
        let column: Column<'r> = plan.open(chunk)?;
        let variants = labels.0.iter().map(|label| (label.position, T::from_label(&label.name))).collect();
        Ok(LabelReader { column, variants, labels })
    }

    pub fn is_absent<T>(reader: &LabelReader<'_, T>, row: usize) -> bool {
        !reader.column.is_valid(row)
    }

    pub fn read<T: FromLabel + Clone>(reader: &LabelReader<'_, T>, row: usize) -> Result<T> {
        reader.get(row)
    }
}
