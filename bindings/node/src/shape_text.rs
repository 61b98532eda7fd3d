//! Shapes as JSON, for the hydrators of JavaScript:
//! `{"nodes": [{"entity", "columns": [{"name", "kind", "list"?, "labels"?}], "edges": [{"alias", "child", "many", "before"}]}]}`.

use ormdb_proto::block::ColumnType;
use ormdb_proto::result::{Cardinality, ResultShape, ShapeColumn, ShapeEdge};
use serde_json::{Map, Value, json};

/// The text of a shape; equal shapes have equal texts.
pub(crate) fn of(shape: &ResultShape) -> String {
    let nodes: Vec<Value> = shape
        .nodes
        .iter()
        .map(|node| {
            json!({
                "entity": node.entity,
                "columns": node.columns.iter().map(column).collect::<Vec<_>>(),
                "edges": node.edges.iter().map(edge).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "nodes": nodes }).to_string()
}

fn column(column: &ShapeColumn) -> Value {
    let mut out = Map::new();
    out.insert("name".to_owned(), column.name.as_str().into());
    out.insert("kind".to_owned(), column.ty.kind().code().into());
    if matches!(column.ty, ColumnType::List(_)) {
        out.insert("list".to_owned(), true.into());
    }
    if !column.labels.0.is_empty() {
        let labels: Vec<Value> =
            column.labels.0.iter().map(|label| json!([label.position, label.name])).collect();
        out.insert("labels".to_owned(), labels.into());
    }
    Value::Object(out)
}

fn edge(edge: &ShapeEdge) -> Value {
    json!({
        "alias": edge.alias,
        "child": edge.child,
        "many": edge.cardinality == Cardinality::Many,
        "before": edge.columns_before,
    })
}
