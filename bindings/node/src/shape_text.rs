//! Shapes as JSON, for the hydrators of JavaScript:
//! `{"nodes": [{"entity", "columns": [{"name", "kind", "list"?, "labels"?}], "edges": [{"alias", "child", "many", "before"}]}]}`.
//!
//! Every result with rows has one, so it is written straight from the shape.

use ormdb_proto::block::ColumnType;
use ormdb_proto::result::{Cardinality, ResultShape, ShapeColumn, ShapeEdge, ShapeNode};
use ormdb_proto::{Error, ErrorCode, Result};
use serde::Serialize;

#[derive(Serialize)]
struct ShapeText<'a> {
    nodes: Vec<NodeText<'a>>,
}

#[derive(Serialize)]
struct NodeText<'a> {
    entity: &'a str,
    columns: Vec<ColumnText<'a>>,
    edges: Vec<EdgeText<'a>>,
}

#[derive(Serialize)]
struct ColumnText<'a> {
    name: &'a str,
    kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<(u32, &'a str)>,
}

#[derive(Serialize)]
struct EdgeText<'a> {
    alias: &'a str,
    child: u32,
    many: bool,
    before: u32,
}

/// The text of a shape; equal shapes have equal texts.
pub(crate) fn of(shape: &ResultShape) -> Result<String> {
    serde_json::to_string(&ShapeText { nodes: shape.nodes.iter().map(node).collect() })
        .map_err(|error| Error::new(ErrorCode::Internal, format!("a shape cannot be written: {error}")))
}

fn node(node: &ShapeNode) -> NodeText<'_> {
    NodeText {
        entity: &node.entity,
        columns: node.columns.iter().map(column).collect(),
        edges: node.edges.iter().map(edge).collect(),
    }
}

fn column(column: &ShapeColumn) -> ColumnText<'_> {
    ColumnText {
        name: &column.name,
        kind: column.ty.kind().code(),
        list: matches!(column.ty, ColumnType::List(_)).then_some(true),
        labels: column.labels.0.iter().map(|label| (label.position, label.name.as_str())).collect(),
    }
}

fn edge(edge: &ShapeEdge) -> EdgeText<'_> {
    EdgeText {
        alias: &edge.alias,
        child: edge.child,
        many: edge.cardinality == Cardinality::Many,
        before: edge.columns_before,
    }
}
