//! Walks a result row by row.

use crate::block::{Cell, Children};
use crate::error::{Error, ErrorCode, Result};
use crate::value::{Value, ValueRef};

use super::{Chunk, ResultShape, ShapeNode};

/// A row of a result, where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    shape: &'a ResultShape,
    chunk: &'a Chunk,
    node: &'a ShapeNode,
    node_at: usize,
    row: usize,
}

/// Rows of one node, in the order asked for.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    /// What each row has but its number.
    first: Row<'a>,
    numbers: Children<'a>,
    at: usize,
}

impl<'a> Row<'a> {
    pub(super) fn roots(shape: &'a ResultShape, chunk: &'a Chunk) -> Result<Rows<'a>> {
        let node = shape.node(0).ok_or_else(|| Error::new(ErrorCode::Internal, "a shape without nodes"))?;
        let numbers = chunk.edges(0)?.children(0)?;
        Ok(Rows { first: Row { shape, chunk, node, node_at: 0, row: 0 }, numbers, at: 0 })
    }

    /// The node that the row is of.
    pub const fn node(&self) -> &'a ShapeNode {
        self.node
    }

    /// The number of the row in its block. Two rows of one node and chunk are the same row if this is equal.
    pub const fn number(&self) -> usize {
        self.row
    }

    /// The value of a column by its name; null where it is null or withheld. An enum's is its label's number.
    ///
    /// # Errors
    /// `UnknownField` if there is no such column; `ProtocolViolation` if the block is damaged.
    pub fn get(&self, name: &str) -> Result<ValueRef<'a>> {
        self.column(self.column_at(name)?)
    }

    /// The cell of a column by its name: tells null from withheld.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn cell(&self, name: &str) -> Result<Cell<'a>> {
        self.chunk.entity(self.node_at)?.column(self.column_at(name)?)?.cell(self.row)
    }

    /// The value of a column by its number.
    ///
    /// # Errors
    /// `Internal` if there is no such column; `ProtocolViolation` if the block is damaged.
    pub fn column(&self, at: usize) -> Result<ValueRef<'a>> {
        self.chunk.entity(self.node_at)?.column(at)?.get(self.row)
    }

    /// The value of a column by its name, with bytes of its own; an enum's is its label.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn value(&self, name: &str) -> Result<Value> {
        let at = self.column_at(name)?;
        let labels = self.node.columns.get(at).map(|c| &c.labels);
        Ok(self.column(at)?.to_value(&|position| labels.and_then(|l| l.get(position))))
    }

    /// The related rows under an alias.
    ///
    /// # Errors
    /// `UnknownField` if there is no such edge; `ProtocolViolation` if the block is damaged.
    pub fn children(&self, alias: &str) -> Result<Rows<'a>> {
        let unknown = || {
            let known = self.node.edges.iter().map(|e| e.alias.as_str());
            Error::new(ErrorCode::UnknownField, format!("the result has no rows `{alias}` here"))
                .entity(&self.node.entity)
                .field(alias)
                .suggest(alias, known)
        };
        let at = self.node.edge(alias).ok_or_else(unknown)?;
        self.edge(at)
    }

    /// The related rows of an edge by its number.
    ///
    /// # Errors
    /// `Internal` if there is no such edge; `ProtocolViolation` if the block is damaged.
    pub fn edge(&self, at: usize) -> Result<Rows<'a>> {
        let missing = || Error::new(ErrorCode::Internal, format!("node {} has no edge {at}", self.node_at));
        let edge = self.node.edges.get(at).ok_or_else(missing)?;
        let node_at = usize::try_from(edge.child).map_err(|_| missing())?;
        let node = self.shape.node(node_at).ok_or_else(missing)?;
        let numbers = self.chunk.edges(self.shape.edge_slot(self.node_at, at))?.children(self.row)?;
        Ok(Rows { first: Row { node, node_at, row: 0, ..*self }, numbers, at: 0 })
    }

    /// The one related row under the alias of a to-one relation, if there is one.
    ///
    /// # Errors
    /// As [`children`](Self::children).
    pub fn child(&self, alias: &str) -> Result<Option<Row<'a>>> {
        Ok(self.children(alias)?.next())
    }

    fn column_at(&self, name: &str) -> Result<usize> {
        self.node.column(name).ok_or_else(|| {
            let known = self.node.columns.iter().map(|c| c.name.as_str());
            Error::new(ErrorCode::UnknownField, format!("the result has no column `{name}` here"))
                .entity(&self.node.entity)
                .field(name)
                .suggest(name, known)
        })
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let row = self.numbers.get(self.at)?;
        self.at += 1;
        Some(Row { row, ..self.first })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.numbers.len().saturating_sub(self.at);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Rows<'_> {}
