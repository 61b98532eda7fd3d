//! Embedded structs as structs.

use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::super::view::NodeView;
use super::{HydrateError, Hydrated, Members, RowDe, malformed};
use crate::error::Result;

/// A struct of a row: a struct, a map or an option.
pub(super) struct StructDe<'v, 'a> {
    pub(super) row: RowDe<'v, 'a>,
    pub(super) node: &'v NodeView<'a>,
    pub(super) at: usize,
    pub(super) there: bool,
}

impl<'v, 'a> StructDe<'v, 'a> {
    fn members(self) -> Result<Members<'v, 'a>> {
        let of = self.node.nesting.structs.get(self.at).ok_or_else(|| malformed("a struct is missing"))?;
        let StructDe { row, node, at, .. } = self;
        Ok(Members { row, node, of: Some(at), members: &of.members, at: 0, cell: None })
    }
}

impl<'de> Deserializer<'de> for StructDe<'_, '_> {
    type Error = HydrateError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        if self.there { visitor.visit_map(self.members()?) } else { visitor.visit_unit() }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        if self.there { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Hydrated<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        if self.there { visitor.visit_seq(self.members()?) } else { visitor.visit_unit() }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Hydrated<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Hydrated<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct map
        struct enum identifier
    }
}
