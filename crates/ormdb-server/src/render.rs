//! Results for people: tables, trees and JSON.

use comfy_table::{CellAlignment, Table, presets};
use ormdb_proto::Value;
use ormdb_proto::outcome::{MutationResult, Outcome};
use ormdb_proto::result::{Cardinality, GraphResult, Row, ShapeColumn, ShapeNode};

use ormdb_proto::schema::PRESENCE_SIGN;

use crate::args::Format;
use crate::exit::{Result, count};

/// The longest text of a value in a table or tree, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// What a statement gave back.
pub(crate) fn outcome(outcome: &Outcome, format: Format) -> Result<String> {
    match (outcome, format) {
        (Outcome::Fetched(result), format) => graph(result, format),
        (Outcome::Written(written), Format::Table) => {
            let mut out = counts(written);
            if let Some(returned) = &written.returned {
                out.push('\n');
                out.push_str(&graph(returned, format)?);
            }
            Ok(out)
        }
        (Outcome::Written(written), Format::Json) => {
            let returned = match &written.returned {
                Some(returned) => format!(",\"returned\":{}", returned.to_json()?),
                None => String::new(),
            };
            let MutationResult { created, updated, deleted, token, .. } = written;
            Ok(format!(
                "{{\"created\":{created},\"updated\":{updated},\"deleted\":{deleted},\"token\":\"{token}\"{returned}}}"
            ))
        }
        (Outcome::Explained(explanation), Format::Table) => Ok(explanation.text.trim_end().to_owned()),
        (Outcome::Explained(explanation), Format::Json) => Ok(explanation.json.clone()),
        (Outcome::Done { token: None }, Format::Table) => Ok("done".to_owned()),
        (Outcome::Done { token: Some(token) }, Format::Table) => Ok(format!("committed as {token}")),
        (Outcome::Done { token: None }, Format::Json) => Ok("{}".to_owned()),
        (Outcome::Done { token: Some(token) }, Format::Json) => Ok(format!("{{\"token\":\"{token}\"}}")),
    }
}

/// What a write did, in words.
pub(crate) fn counts(written: &MutationResult) -> String {
    let parts: Vec<String> =
        [(written.created, "created"), (written.updated, "updated"), (written.deleted, "deleted")]
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{} {what}", count(n, "row")))
            .collect();
    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") }
}

fn graph(result: &GraphResult, format: Format) -> Result<String> {
    match format {
        Format::Json => Ok(result.to_json_pretty()?),
        Format::Table if result.is_empty() => Ok("no rows".to_owned()),
        Format::Table => {
            let flat = result.shape().node(0).is_some_and(|root| root.edges.is_empty());
            let body = if flat { table(result)? } else { tree(result)? };
            Ok(format!("{body}\n{}", count(result.len(), "row")))
        }
    }
}

/// A table of rows without related rows.
fn table(result: &GraphResult) -> Result<String> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    if let Some(root) = result.shape().node(0) {
        table.set_header(root.columns.iter().filter(|c| is_shown(c)).map(|column| column.name.as_str()));
    }
    let mut numeric: Vec<bool> = Vec::new();
    for row in result.roots()? {
        let values = values(&row)?;
        numeric.resize(values.len(), true);
        for (numeric, value) in numeric.iter_mut().zip(&values) {
            *numeric &= is_number(value);
        }
        table.add_row(values.iter().map(shown));
    }
    for (at, numeric) in numeric.into_iter().enumerate() {
        if numeric && let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Ok(table.trim_fmt())
}

const fn is_number(value: &Value) -> bool {
    matches!(
        value,
        Value::Null
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal(_)
    )
}

/// Whether a column holds a value: that a struct is there, its members tell.
fn is_shown(column: &ShapeColumn) -> bool {
    !column.name.ends_with(PRESENCE_SIGN)
}

/// The values of a row's columns.
pub(crate) fn values(row: &Row<'_>) -> Result<Vec<Value>> {
    let columns = &row.node().columns;
    let shown = |(_, column): &(usize, &ShapeColumn)| is_shown(column);
    let value = |(at, column): (usize, &ShapeColumn)| {
        Ok(row.column(at)?.to_value(&|position| column.labels.get(position)))
    };
    columns.iter().enumerate().filter(shown).map(value).collect()
}

/// A value on one line, cut where it is long.
fn shown(value: &Value) -> String {
    let text = value.to_text();
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= VALUE_CHARS_MAX {
        return line;
    }
    line.chars().take(VALUE_CHARS_MAX - 1).chain(['…']).collect()
}

/// The rows of a graph, each below its parent.
pub(crate) fn tree(result: &GraphResult) -> Result<String> {
    let mut lines = Vec::new();
    for row in result.roots()? {
        lines.push(line(&row)?);
        branches(&row, "", &mut lines)?;
    }
    Ok(lines.join("\n"))
}

/// The columns of a row, and its related rows of to-one relations, on one line.
fn line(row: &Row<'_>) -> Result<String> {
    let mut parts = Vec::new();
    for (value, column) in values(row)?.iter().zip(row.node().columns.iter().filter(|c| is_shown(c))) {
        parts.push(format!("{}: {}", column.name, shown(value)));
    }
    for (at, edge) in row.node().edges.iter().enumerate() {
        if edge.cardinality == Cardinality::One {
            let related = match row.edge(at)?.next() {
                Some(child) if has_many(child.node()) => continue,
                Some(child) => format!("{{ {} }}", line(&child)?),
                None => "null".to_owned(),
            };
            parts.push(format!("{}: {related}", edge.alias));
        }
    }
    Ok(parts.join(", "))
}

/// Whether rows below this one need lines of their own.
fn has_many(node: &ShapeNode) -> bool {
    !node.edges.is_empty()
}

/// The related rows that need lines of their own, below their parent.
fn branches(row: &Row<'_>, indent: &str, lines: &mut Vec<String>) -> Result<()> {
    let mut children = Vec::new();
    for (at, edge) in row.node().edges.iter().enumerate() {
        let inline = |child: &Row<'_>| edge.cardinality == Cardinality::One && !has_many(child.node());
        children
            .extend(row.edge(at)?.filter(|child| !inline(child)).map(|child| (edge.alias.as_str(), child)));
    }
    let last = children.len().saturating_sub(1);
    for (at, (alias, child)) in children.iter().enumerate() {
        let (branch, below) = if at == last { ("└─", "   ") } else { ("├─", "│  ") };
        lines.push(format!("{indent}{branch} {alias}  {}", line(child)?));
        branches(child, &format!("{indent}{below}"), lines)?;
    }
    Ok(())
}
