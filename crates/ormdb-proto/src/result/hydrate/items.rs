//! The elements of an array, as a sequence.

use serde::de::{DeserializeSeed, SeqAccess};

use super::super::EnumLabels;
use super::{CellDe, HydrateError, Hydrated};
use crate::value::ValueRef;

pub(super) struct Items<'v, 'a> {
    items: std::vec::IntoIter<ValueRef<'a>>,
    labels: &'v EnumLabels,
}

impl<'v, 'a> Items<'v, 'a> {
    pub(super) fn new(items: Vec<ValueRef<'a>>, labels: &'v EnumLabels) -> Items<'v, 'a> {
        Items { items: items.into_iter(), labels }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = HydrateError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Hydrated<Option<S::Value>> {
        let Some(value) = self.items.next() else { return Ok(None) };
        seed.deserialize(CellDe { value, labels: self.labels }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}
