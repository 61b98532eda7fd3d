//! Structs within structs: a row itself, the row of a to-one relation, an embedded struct. What `#[derive(FromRow)]` calls.

use std::cell::Cell;

use super::node::{Place, What};
use super::{FromRow, OpenChunk, mismatch, null};
use crate::block::{Column, Edges, malformed};
use crate::error::Result;
use crate::result::Cardinality;

/// Where a struct is read from.
pub struct SeatPlan<P> {
    via: Via,
    inner: P,
}

enum Via {
    /// The row at hand.
    Row,
    /// The row of a to-one relation.
    Edge { slot: usize },
    /// The row at hand, where this column is not null.
    Presence { node: usize, column: usize },
}

/// A struct of each row.
pub struct SeatReader<'r, C> {
    via: Way<'r>,
    inner: C,
}

enum Way<'r> {
    Row,
    Edge(Edges<'r>, &'r Cell<u64>),
    Presence(Column<'r>),
}

/// Finds a struct.
pub fn plan<T: FromRow>(place: &Place<'_>) -> Result<SeatPlan<T::Plan>> {
    let node = place.node_at();
    let (via, inner) = match &place.what {
        What::Row => (Via::Row, T::plan(&place.row_node(node))?),
        What::Edge { slot, child, cardinality: Cardinality::One } => {
            (Via::Edge { slot: *slot }, T::plan(&place.row_node(*child))?)
        }
        What::Struct { prefix, presence } => {
            let via = presence.map_or(Via::Row, |column| Via::Presence { node, column });
            (via, T::plan(&place.struct_node(prefix))?)
        }
        What::Column(_) | What::Elements(_) | What::Edge { .. } => {
            return Err(mismatch("a struct", &place.told()));
        }
    };
    Ok(SeatPlan { via, inner })
}

/// Opens what a struct is read from.
pub fn open<'r, T: FromRow>(
    plan: &'r SeatPlan<T::Plan>,
    chunk: &OpenChunk<'r>,
) -> Result<SeatReader<'r, T::Columns<'r>>> {
    let via = match plan.via {
        Via::Row => Way::Row,
        Via::Edge { slot } => Way::Edge(chunk.chunk.edges(slot)?, chunk.left),
        Via::Presence { node, column } => Way::Presence(chunk.chunk.entity(node)?.column(column)?),
    };
    Ok(SeatReader { via, inner: T::open(&plan.inner, chunk)? })
}

/// Whether a row has no such struct.
pub fn is_absent<C>(reader: &SeatReader<'_, C>, row: usize) -> bool {
    match &reader.via {
        Way::Row => false,
        // What is damaged is not absent: reading it says so.
        Way::Edge(edges, _) => edges.children(row).is_ok_and(|children| children.is_empty()),
        Way::Presence(column) => !column.is_valid(row),
    }
}

/// Reads a row's struct.
pub fn read<T: FromRow>(reader: &SeatReader<'_, T::Columns<'_>>, row: usize) -> Result<T> {
    let row = match &reader.via {
        Way::Row => row,
        Way::Edge(edges, left) => {
            let children = edges.children(row)?;
            if children.len() > 1 {
                return Err(malformed("a to-one edge leads to several rows"));
            }
            OpenChunk::walk(left, children.len())?;
            children.get(0).ok_or_else(null)?
        }
        Way::Presence(column) if !column.is_valid(row) => return Err(null()),
        Way::Presence(_) => row,
    };
    T::read(&reader.inner, row)
}
