//! Results as structs: a serde deserializer straight over blocks.
//!
//! A row is a struct, a map, or a tuple of what was asked for in order. A to-many edge is a sequence, a to-one edge a
//! struct or an option. A withheld cell is a missing field. A cell gives what the struct's field asks for: an instant
//! is microseconds where an integer is wanted and ISO 8601 text elsewhere; a decimal is text, or a number where a float is
//! wanted; a JSON document is text where text is wanted, and otherwise whatever its JSON deserializes to.

use std::cell::Cell as Counter;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::block::{Cell, Children, malformed};
use crate::error::{Error, ErrorCode, Result};
use crate::value::ValueRef;

use super::nesting::{Member, own_name};
use super::view::{NodeView, Presence, ROWS_WALKED_MAX, View};
use super::{Cardinality, EnumLabels, GraphResult};
use embedded::StructDe;
use items::Items;

mod embedded;
mod items;

impl GraphResult {
    /// The root rows as structs, maps or tuples.
    ///
    /// # Errors
    /// `TypeMismatch` if a row is not what `T` wants, with the entity and field; `ProtocolViolation` if the blocks are
    /// damaged; `LimitExceeded` if the graph is too large to be written out.
    ///
    /// # Example
    /// ```
    /// # fn f(result: &ormdb_proto::GraphResult) -> ormdb_proto::Result<()> {
    /// #[derive(serde::Deserialize)]
    /// struct Artist {
    ///     name: String,
    ///     albums: Vec<Album>,
    /// }
    /// #[derive(serde::Deserialize)]
    /// struct Album {
    ///     title: String,
    ///     year: Option<i32>,
    /// }
    /// let artists: Vec<Artist> = result.rows()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let left = Counter::new(ROWS_WALKED_MAX);
        let mut rows = Vec::new();
        for chunk in self.chunks() {
            let view = View::new(self.shape(), chunk, &left)?;
            for row in view.roots()? {
                rows.push(T::deserialize(RowDe { view: &view, node: 0, row }).map_err(|e| e.0)?);
            }
        }
        Ok(rows)
    }
}

/// An error on its way through serde.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct HydrateError(Error);

type Hydrated<T> = std::result::Result<T, HydrateError>;

impl From<Error> for HydrateError {
    fn from(error: Error) -> HydrateError {
        HydrateError(error)
    }
}

impl de::Error for HydrateError {
    fn custom<T: std::fmt::Display>(message: T) -> HydrateError {
        HydrateError(Error::new(ErrorCode::TypeMismatch, message.to_string()))
    }
}

impl HydrateError {
    /// With the entity and field, where they are not said yet.
    fn at(mut self, node: &NodeView<'_>, name: &str) -> HydrateError {
        if self.0.detail.field.is_none() {
            self.0.message = format!("`{}.{name}`: {}", node.shape.entity, self.0.message);
            self.0 = self.0.entity(&node.shape.entity).field(name);
        }
        self
    }
}

#[derive(Clone, Copy)]
struct RowDe<'v, 'a> {
    view: &'v View<'a>,
    node: usize,
    row: usize,
}

impl<'v, 'a> RowDe<'v, 'a> {
    fn members(self) -> Result<Members<'v, 'a>> {
        let node = self.view.visit(self.node, self.row)?;
        Ok(Members { row: self, node, of: None, members: &node.nesting.members, at: 0, cell: None })
    }
}

impl<'de> Deserializer<'de> for RowDe<'_, '_> {
    type Error = HydrateError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_map(self.members()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Hydrated<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_seq(self.members()?)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_seq(self.members()?)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Hydrated<V::Value> {
        visitor.visit_seq(self.members()?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct map
        struct enum identifier
    }
}

/// The members of a row, in the order asked for.
struct Members<'v, 'a> {
    row: RowDe<'v, 'a>,
    node: &'v NodeView<'a>,
    /// The struct, if they are those of one.
    of: Option<usize>,
    members: &'v [Member],
    at: usize,
    /// What stands behind the name that was given out last.
    cell: Option<MemberDe<'v, 'a>>,
}

impl<'v, 'a> Members<'v, 'a> {
    /// The next member that is not withheld.
    fn next(&mut self) -> Result<Option<(&'v str, MemberDe<'v, 'a>)>> {
        while let Some(member) = self.members.get(self.at) {
            self.at += 1;
            match *member {
                Member::Column(at) => {
                    let (Some(column), Some(shape)) =
                        (self.node.columns.get(at), self.node.shape.columns.get(at))
                    else {
                        return Err(malformed("a column is missing"));
                    };
                    if let Cell::Value(value) = column.cell(self.row.row)? {
                        let cell = CellDe { value, labels: &shape.labels };
                        let name = if self.of.is_some() { own_name(&shape.name) } else { &shape.name };
                        return Ok(Some((name, MemberDe::Cell(cell))));
                    }
                }
                Member::Struct(at) => {
                    let (presence, Some(of)) =
                        (self.node.presence(at, self.row.row)?, self.node.nesting.structs.get(at))
                    else {
                        return Err(malformed("a struct is missing"));
                    };
                    if presence != Presence::Withheld {
                        let value = StructDe {
                            row: self.row,
                            node: self.node,
                            at,
                            there: presence == Presence::There,
                        };
                        return Ok(Some((of.name, MemberDe::Struct(value))));
                    }
                }
                Member::Edge(at) => {
                    let (Some(edges), Some(shape)) = (self.node.edges.get(at), self.node.shape.edges.get(at))
                    else {
                        return Err(malformed("an edge is missing"));
                    };
                    let child = RowDe { node: crate::block::size(shape.child), ..self.row };
                    let edge = EdgeDe {
                        child,
                        children: edges.children(self.row.row)?,
                        cardinality: shape.cardinality,
                    };
                    return Ok(Some((&shape.alias, MemberDe::Edge(edge))));
                }
            }
        }
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Members<'_, '_> {
    type Error = HydrateError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Hydrated<Option<K::Value>> {
        let Some((name, cell)) = self.next()? else { return Ok(None) };
        self.cell = Some(cell);
        let name: StrDeserializer<'_, HydrateError> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Hydrated<S::Value> {
        let cell = self.cell.take().ok_or_else(|| malformed("a value was asked for before its name"))?;
        let (node, at) = (self.node, self.at);
        cell.deserialize(seed).map_err(|e| match self.members.get(at.saturating_sub(1)) {
            Some(Member::Column(at)) => {
                e.at(node, node.shape.columns.get(*at).map_or("", |c| c.name.as_str()))
            }
            Some(Member::Edge(at)) => e.at(node, node.shape.edges.get(*at).map_or("", |e| e.alias.as_str())),
            Some(Member::Struct(at)) => e.at(node, node.nesting.structs.get(*at).map_or("", |s| s.name)),
            None => e,
        })
    }
}

impl<'de> SeqAccess<'de> for Members<'_, '_> {
    type Error = HydrateError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Hydrated<Option<S::Value>> {
        let node = self.node;
        let Some((name, cell)) = self.next()? else { return Ok(None) };
        cell.deserialize(seed).map(Some).map_err(|e| e.at(node, name))
    }
}

enum MemberDe<'v, 'a> {
    Cell(CellDe<'v, 'a>),
    Edge(EdgeDe<'v, 'a>),
    Struct(StructDe<'v, 'a>),
}

impl MemberDe<'_, '_> {
    fn deserialize<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Hydrated<S::Value> {
        match self {
            MemberDe::Cell(cell) => seed.deserialize(cell),
            MemberDe::Edge(edge) => seed.deserialize(edge),
            MemberDe::Struct(value) => seed.deserialize(value),
        }
    }
}

struct EdgeDe<'v, 'a> {
    child: RowDe<'v, 'a>,
    children: Children<'a>,
    cardinality: Cardinality,
}

impl<'v, 'a> EdgeDe<'v, 'a> {
    fn rows(self) -> ChildRows<'v, 'a> {
        ChildRows { edge: self, at: 0 }
    }

    fn only(&self) -> Result<Option<RowDe<'v, 'a>>> {
        if self.children.len() > 1 {
            return Err(malformed("a to-one edge leads to several rows"));
        }
        Ok(self.children.get(0).map(|row| RowDe { row, ..self.child }))
    }
}

impl<'de> Deserializer<'de> for EdgeDe<'_, '_> {
    type Error = HydrateError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match self.cardinality {
            Cardinality::Many => visitor.visit_seq(self.rows()),
            Cardinality::One => match self.only()? {
                Some(row) => row.deserialize_any(visitor),
                None => visitor.visit_unit(),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match self.cardinality {
            Cardinality::Many => visitor.visit_some(self),
            Cardinality::One => match self.only()? {
                Some(row) => visitor.visit_some(row),
                None => visitor.visit_none(),
            },
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Hydrated<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_seq(self.rows())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct enum identifier
    }
}

struct ChildRows<'v, 'a> {
    edge: EdgeDe<'v, 'a>,
    at: usize,
}

impl<'de> SeqAccess<'de> for ChildRows<'_, '_> {
    type Error = HydrateError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Hydrated<Option<S::Value>> {
        let Some(row) = self.edge.children.get(self.at) else { return Ok(None) };
        self.at += 1;
        seed.deserialize(RowDe { row, ..self.edge.child }).map(Some)
    }
}

struct CellDe<'v, 'a> {
    value: ValueRef<'a>,
    labels: &'v EnumLabels,
}

impl CellDe<'_, '_> {
    fn text(&self) -> Result<String> {
        if let ValueRef::Enum(position) = self.value {
            return label(self.labels, position).map(str::to_owned);
        }
        Ok(self.value.to_value(&|position| self.labels.get(position)).to_text())
    }

    /// What an integer or float field gets.
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match self.value {
            ValueRef::DateTime(v) | ValueRef::LocalDateTime(v) | ValueRef::Time(v) => visitor.visit_i64(v),
            ValueRef::Date(v) => visitor.visit_i32(v),
            _ => self.deserialize_any(visitor),
        }
    }
}

fn label(labels: &EnumLabels, position: u32) -> Result<&str> {
    labels.get(position).ok_or_else(|| malformed(format!("no label of an enum has the number {position}")))
}

impl<'de> Deserializer<'de> for CellDe<'_, '_> {
    type Error = HydrateError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match self.value {
            ValueRef::Null => visitor.visit_unit(),
            ValueRef::Bool(v) => visitor.visit_bool(v),
            ValueRef::Int16(v) => visitor.visit_i16(v),
            ValueRef::Int32(v) => visitor.visit_i32(v),
            ValueRef::Int64(v) => visitor.visit_i64(v),
            ValueRef::Float32(v) => visitor.visit_f32(v),
            ValueRef::Float64(v) => visitor.visit_f64(v),
            ValueRef::String(v) => visitor.visit_str(v),
            ValueRef::Bytes(v) => visitor.visit_bytes(v),
            ValueRef::Json(v) => serde_json::Deserializer::from_reader(v.as_bytes())
                .deserialize_any(visitor)
                .map_err(|e| HydrateError(malformed(format!("a JSON cell: {e}")))),
            ValueRef::Enum(v) => visitor.visit_str(label(self.labels, v)?),
            ValueRef::Array(items) => visitor.visit_seq(Items::new(items, self.labels)),
            ValueRef::Decimal(_)
            | ValueRef::Uuid(_)
            | ValueRef::DateTime(_)
            | ValueRef::LocalDateTime(_)
            | ValueRef::Date(_)
            | ValueRef::Time(_)
            | ValueRef::Interval(_) => visitor.visit_string(self.text()?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Hydrated<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match self.value {
            ValueRef::Json(v) => visitor.visit_str(v),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        self.deserialize_string(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match self.value {
            ValueRef::Decimal(v) => visitor.visit_f64(v.to_f64()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        self.number(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        self.number(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Hydrated<V::Value> {
        visitor.visit_enum(de::value::StringDeserializer::new(self.text()?))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match self.value {
            ValueRef::Bytes(v) => visitor.visit_seq(de::value::SeqDeserializer::new(v.iter().copied())),
            ValueRef::Uuid(v) => visitor.visit_seq(de::value::SeqDeserializer::new(v.into_iter())),
            ValueRef::Json(v) => serde_json::Deserializer::from_reader(v.as_bytes())
                .deserialize_seq(visitor)
                .map_err(|e| de::Error::custom(format!("a JSON cell: {e}"))),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Hydrated<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        match &self.value {
            ValueRef::Uuid(v) => visitor.visit_bytes(v),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Hydrated<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i128 u8 u16 u32 u128 char unit unit_struct tuple_struct map struct identifier
    }
}
