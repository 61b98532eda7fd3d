//! What may be absent, and what stands in a box.

use super::node::Place;
use super::{FromMember, OpenChunk};
use crate::error::Result;

impl<T: FromMember> FromMember for Option<T> {
    type Plan = T::Plan;
    type Reader<'r> = T::Reader<'r>;

    fn plan(place: &Place<'_>) -> Result<T::Plan> {
        T::plan(place)
    }

    fn open<'r>(plan: &'r T::Plan, chunk: &OpenChunk<'r>) -> Result<T::Reader<'r>> {
        T::open(plan, chunk)
    }

    fn is_absent(_reader: &T::Reader<'_>, _row: usize) -> bool {
        false
    }

    #[inline]
    fn read(reader: &T::Reader<'_>, row: usize) -> Result<Option<T>> {
        if T::is_absent(reader, row) { Ok(None) } else { T::read(reader, row).map(Some) }
    }
}

impl<T: FromMember> FromMember for Box<T> {
    type Plan = Box<T::Plan>;
    type Reader<'r> = Box<T::Reader<'r>>;

    fn plan(place: &Place<'_>) -> Result<Box<T::Plan>> {
        T::plan(place).map(Box::new)
    }

    fn open<'r>(plan: &'r Box<T::Plan>, chunk: &OpenChunk<'r>) -> Result<Box<T::Reader<'r>>> {
        T::open(plan, chunk).map(Box::new)
    }

    fn is_absent(reader: &Box<T::Reader<'_>>, row: usize) -> bool {
        T::is_absent(reader, row)
    }

    fn read(reader: &Box<T::Reader<'_>>, row: usize) -> Result<Box<T>> {
        T::read(reader, row).map(Box::new)
    }
}
