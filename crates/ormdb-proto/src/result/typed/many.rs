//! Arrays and related rows: `Vec<T>`.

use std::cell::Cell;

use super::node::{Place, What};
use super::scalar::ColumnPlan;
use super::{FromMember, OfBytes, OpenChunk, mismatch, null, other_shape};
use crate::block::{Column, ColumnKind, ColumnType, ColumnValues, Edges, bounds};
use crate::error::Result;
use crate::result::Cardinality;

/// Where several values come from.
pub struct ManyPlan<T: FromMember> {
    from: From,
    /// A box, for a struct may hold rows that are of itself.
    each: Option<Box<T::Plan>>,
}

#[derive(Clone, Copy)]
enum From {
    List { node: usize, column: usize },
    Rows { slot: usize },
    Bytes(ColumnPlan),
}

/// Several values of each row.
pub struct ManyReader<'r, T: FromMember> {
    from: Source<'r, T>,
    each: Option<Box<T::Reader<'r>>>,
}

enum Source<'r, T> {
    List(Column<'r>),
    Rows(Edges<'r>, &'r Cell<u64>),
    Bytes(Column<'r>, OfBytes<T>),
}

impl<T: FromMember> FromMember for Vec<T> {
    type Plan = ManyPlan<T>;
    type Reader<'r> = ManyReader<'r, T>;

    fn plan(place: &Place<'_>) -> Result<ManyPlan<T>> {
        match place.what {
            What::Column(column) if place.column().is_some_and(|c| matches!(c.ty, ColumnType::List(_))) => {
                let from = From::List { node: place.node_at(), column };
                Ok(ManyPlan { from, each: Some(Box::new(T::plan(&place.with(What::Elements(column)))?)) })
            }
            What::Edge { slot, child, cardinality: Cardinality::Many } => {
                let each = T::plan(&place.child(child))?;
                Ok(ManyPlan { from: From::Rows { slot }, each: Some(Box::new(each)) })
            }
            _ if T::OF_BYTES.is_some() => {
                let plan = ColumnPlan::of(place, "bytes", &[ColumnKind::Bytes])?;
                Ok(ManyPlan { from: From::Bytes(plan), each: None })
            }
            _ => Err(mismatch("several", &place.told())),
        }
    }

    fn open<'r>(plan: &'r ManyPlan<T>, chunk: &OpenChunk<'r>) -> Result<ManyReader<'r, T>> {
        let from = match plan.from {
            From::List { node, column } => Source::List(chunk.chunk.entity(node)?.column(column)?),
            From::Rows { slot } => Source::Rows(chunk.chunk.edges(slot)?, chunk.left),
            From::Bytes(plan) => Source::Bytes(plan.open(chunk)?, T::OF_BYTES.ok_or_else(other_shape)?),
        };
        let each = plan.each.as_ref().map(|each| T::open(each, chunk).map(Box::new)).transpose()?;
        Ok(ManyReader { from, each })
    }

    fn is_absent(reader: &ManyReader<'_, T>, row: usize) -> bool {
        match &reader.from {
            Source::List(column) | Source::Bytes(column, _) => !column.is_valid(row),
            Source::Rows(..) => false,
        }
    }

    fn read(reader: &ManyReader<'_, T>, row: usize) -> Result<Vec<T>> {
        match (&reader.from, &reader.each) {
            (Source::Rows(edges, left), Some(each)) => {
                let children = edges.children(row)?;
                OpenChunk::walk(left, children.len())?;
                children.iter().map(|child| T::read(each, child)).collect()
            }
            (Source::List(column), Some(each)) => {
                if !column.is_valid(row) {
                    return Err(null());
                }
                let ColumnValues::List { offsets, .. } = column.values() else { return Err(other_shape()) };
                let (start, end) = bounds(offsets, row)?;
                (start..end).map(|element| T::read(each, element)).collect()
            }
            (Source::Bytes(column, of_bytes), _) => {
                if !column.is_valid(row) {
                    return Err(null());
                }
                match column.get(row)? {
                    crate::value::ValueRef::Bytes(bytes) => Ok(of_bytes(bytes)),
                    _ => Err(other_shape()),
                }
            }
            (Source::Rows(..) | Source::List(_), None) => Err(other_shape()),
        }
    }
}
