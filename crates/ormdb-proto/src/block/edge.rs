//! Reads an edge block: the child rows of each parent row.

use crate::error::Result;

use super::column::bounds;
use super::layout::size;
use super::malformed;

/// The edges of a relation in one chunk.
#[derive(Clone, Copy, Debug)]
pub struct Edges<'a> {
    offsets: &'a [[u8; 4]],
    rows: &'a [[u8; 4]],
}

/// The numbers of the child rows of one parent, in the order asked for.
#[derive(Clone, Copy, Debug)]
pub struct Children<'a> {
    rows: &'a [[u8; 4]],
}

impl<'a> Edges<'a> {
    pub(super) const fn new(offsets: &'a [[u8; 4]], rows: &'a [[u8; 4]]) -> Edges<'a> {
        Edges { offsets, rows }
    }

    /// How many parents there are.
    pub const fn parents(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The children of a parent row.
    ///
    /// # Errors
    /// `ProtocolViolation` if the offsets make no sense, or there is no such parent.
    pub fn children(&self, parent: usize) -> Result<Children<'a>> {
        let (start, end) = bounds(self.offsets, parent)?;
        let rows = self.rows.get(start..end).ok_or_else(|| malformed("edges end behind their block"))?;
        Ok(Children { rows })
    }
}

impl<'a> Children<'a> {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row number of a child.
    pub fn get(&self, at: usize) -> Option<usize> {
        self.rows.get(at).map(|n| size(u32::from_le_bytes(*n)))
    }

    /// The row numbers. That they lie within the child's block is checked where the row is read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        self.rows.iter().map(|n| size(u32::from_le_bytes(*n)))
    }
}
