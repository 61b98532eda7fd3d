//! New values of fixed width, put into a tuple where the old ones stand.

use ormdb_proto::Result;
use ormdb_proto::value::ValueRef;

use super::{Place, TupleLayout, bit, bitmap_bytes, push_fixed};

impl TupleLayout {
    /// Puts a value where the one at a place stands, in a tuple of this layout; says whether it did: only what is of fixed width
    /// and no null takes the place of such a value.
    ///
    /// # Errors
    /// `Internal` if the value is not of the place's type.
    pub(crate) fn patch(&self, tuple: &mut [u8], place: usize, value: &ValueRef<'_>) -> Result<bool> {
        let Some(column) = self.columns.get(place) else { return Ok(false) };
        let Place::Fixed { at } = column.place else { return Ok(false) };
        let bitmap_len = bitmap_bytes(self.columns.len());
        let was_null = tuple.get(1..=bitmap_len).is_none_or(|bitmap| bit(bitmap, place));
        if was_null || value.is_null() {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        push_fixed(&mut bytes, column.ty.scalar(), value)?;
        let at = 1 + bitmap_len + at;
        let Some(old) = tuple.get_mut(at..at + bytes.len()) else { return Ok(false) };
        old.copy_from_slice(&bytes);
        Ok(true)
    }
}
