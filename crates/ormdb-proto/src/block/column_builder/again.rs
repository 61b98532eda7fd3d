//! A column builder that is used for another column of its type.

use super::{ColumnBuilder, Values};

impl ColumnBuilder {
    /// Takes all rows out; memory for as many stays.
    pub(in crate::block) fn clear(&mut self) {
        self.rows = 0;
        self.validity = None;
        self.withheld = None;
        match &mut self.values {
            Values::Bool(bits) => {
                bits.bytes.clear();
                bits.len = 0;
            }
            Values::Fixed { bytes, .. } => bytes.clear(),
            Values::Decimal { bytes, scales, scale, mixed } => {
                bytes.clear();
                scales.clear();
                (*scale, *mixed) = (None, false);
            }
            // The first offset is that of the first row, whichever that is.
            Values::Text { offsets, bytes } => {
                offsets.truncate(size_of::<u32>());
                bytes.clear();
            }
            Values::List { offsets, elements } => {
                offsets.truncate(size_of::<u32>());
                elements.clear();
            }
        }
    }

    /// How much memory it has for rows, in bytes.
    pub(in crate::block) fn capacity(&self) -> usize {
        match &self.values {
            Values::Bool(bits) => bits.bytes.capacity(),
            Values::Fixed { bytes, .. } => bytes.capacity(),
            Values::Decimal { bytes, scales, .. } => bytes.capacity() + scales.capacity(),
            Values::Text { offsets, bytes } => offsets.capacity() + bytes.capacity(),
            Values::List { offsets, elements } => offsets.capacity() + elements.capacity(),
        }
    }
}
