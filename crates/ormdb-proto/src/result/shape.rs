//! The shape of a result: which nodes there are, their columns, and the edges between them.

use rkyv::{Archive, Deserialize, Serialize};

use crate::block::{COLUMNS_MAX, ColumnType, malformed};
use crate::error::Result;
use crate::ir::DEPTH_MAX;
use crate::schema::EnumType;

/// The shape of a result. Node 0 is the root.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct ResultShape {
    /// The nodes; a child stands behind its parent.
    pub nodes: Vec<ShapeNode>,
}

/// A node: rows of one entity, with what was asked of them.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct ShapeNode {
    /// The entity.
    pub entity: String,
    /// The columns, in the order asked for.
    pub columns: Vec<ShapeColumn>,
    /// The edges to child nodes, in the order asked for.
    pub edges: Vec<ShapeEdge>,
}

/// A column of a node.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct ShapeColumn {
    /// The name: of the field, or the alias of the expression.
    pub name: String,
    /// The type.
    pub ty: ColumnType,
    /// The labels, of a column of an enum type.
    pub labels: EnumLabels,
}

/// An edge to a child node.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct ShapeEdge {
    /// The name: the alias, or the relation's.
    pub alias: String,
    /// The number of the child node.
    pub child: u32,
    /// How many children a row may have.
    pub cardinality: Cardinality,
    /// How many of the node's columns stand before it in the order asked for.
    pub columns_before: u32,
}

/// How many children a row may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Cardinality {
    /// None or one.
    One,
    /// Any number.
    Many,
}

/// The labels of an enum, by ascending number; empty for columns of other types.
#[derive(Clone, Debug, Default, PartialEq, Archive, Serialize, Deserialize)]
pub struct EnumLabels(pub Vec<Label>);

/// A label of an enum.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Label {
    /// Its number in blocks.
    pub position: u32,
    /// The label.
    pub name: String,
}

impl EnumLabels {
    /// The label of a number.
    pub fn get(&self, position: u32) -> Option<&str> {
        let at = self.0.binary_search_by_key(&position, |label| label.position).ok()?;
        self.0.get(at).map(|label| label.name.as_str())
    }
}

impl From<&EnumType> for EnumLabels {
    fn from(ty: &EnumType) -> EnumLabels {
        let mut labels: Vec<Label> =
            ty.labels.iter().map(|l| Label { position: l.position, name: l.name.clone() }).collect();
        labels.sort_by_key(|label| label.position);
        EnumLabels(labels)
    }
}

impl ShapeColumn {
    /// A column of a type that is no enum.
    pub fn new(name: impl Into<String>, ty: ColumnType) -> ShapeColumn {
        ShapeColumn { name: name.into(), ty, labels: EnumLabels::default() }
    }
}

impl ShapeNode {
    /// The number of the column of this name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The number of the edge of this name.
    pub fn edge(&self, alias: &str) -> Option<usize> {
        self.edges.iter().position(|e| e.alias == alias)
    }
}

impl ResultShape {
    /// The node of a number.
    pub fn node(&self, at: usize) -> Option<&ShapeNode> {
        self.nodes.get(at)
    }

    /// How many edge blocks a chunk has: the roots' and one for each edge.
    pub fn edge_blocks(&self) -> usize {
        1 + self.nodes.iter().map(|n| n.edges.len()).sum::<usize>()
    }

    /// The slot of an edge of a node.
    pub fn edge_slot(&self, node: usize, edge: usize) -> usize {
        1 + self.nodes.iter().take(node).map(|n| n.edges.len()).sum::<usize>() + edge
    }

    /// Checks the invariants of a shape that came from outside.
    ///
    /// # Errors
    /// `ProtocolViolation`.
    pub fn validate(&self) -> Result<()> {
        let mut depths: Vec<Option<usize>> = vec![None; self.nodes.len()];
        match depths.first_mut() {
            Some(root) => *root = Some(1),
            None => return Err(malformed("a shape without nodes")),
        }
        for (at, node) in self.nodes.iter().enumerate() {
            let depth = depths.get(at).copied().flatten();
            let depth = depth.ok_or_else(|| malformed(format!("no edge leads to node {at}")))?;
            if depth > DEPTH_MAX {
                return Err(malformed(format!("a shape is deeper than {DEPTH_MAX}")));
            }
            if node.columns.len() > COLUMNS_MAX {
                return Err(malformed(format!("a node of more than {COLUMNS_MAX} columns")));
            }
            if let Some(column) = node.columns.iter().find(|c| !c.labels.0.is_sorted_by_key(|l| l.position)) {
                return Err(malformed(format!("the labels of column `{}` are not in order", column.name)));
            }
            for edge in &node.edges {
                let child = usize::try_from(edge.child).ok().filter(|child| *child > at);
                match child.and_then(|child| depths.get_mut(child)) {
                    Some(seen @ None) => *seen = Some(depth + 1),
                    Some(Some(_)) => return Err(malformed(format!("two edges lead to node {}", edge.child))),
                    None => {
                        return Err(malformed(format!("edge `{}` leads to node {}", edge.alias, edge.child)));
                    }
                }
            }
        }
        Ok(())
    }
}
