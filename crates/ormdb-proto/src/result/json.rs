//! Results as JSON.
//!
//! A root row is an object whose members stand in the order asked for. A to-many edge is an array of objects, a to-one
//! edge an object or null. A struct is an object or null. A null cell is `null`; a withheld cell is not there. Numbers are JSON numbers with all
//! their digits (64-bit integers and decimals included); NaN and the infinities are text. JSON documents stand as
//! they are. Everything else is text: dates, times and intervals as ISO 8601, UUIDs, enums by their labels, bytes as `\x`
//! and hexadecimal digits.

use std::cell::Cell as Counter;
use std::fmt::{Display, Write};

use crate::block::{Cell, malformed};
use crate::error::{Error, ErrorCode, Result};
use crate::value::{ValueRef, format_float32, format_float64};

use super::nesting::{Member, own_name};
use super::view::{NodeView, Presence, ROWS_WALKED_MAX, View};
use super::{Cardinality, EnumLabels, GraphResult};

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// On one line.
    Compact,
    /// Indented by two blanks.
    Pretty,
}

struct Writer<'a> {
    view: View<'a>,
    out: &'a mut String,
    layout: Layout,
    depth: usize,
}

impl GraphResult {
    /// The root rows as a JSON array on one line.
    ///
    /// # Errors
    /// `ProtocolViolation` if the blocks are damaged; `LimitExceeded` if the graph is too large to be written out.
    pub fn to_json(&self) -> Result<String> {
        self.json(Layout::Compact)
    }

    /// The root rows as a JSON array, indented.
    ///
    /// # Errors
    /// As [`to_json`](Self::to_json).
    pub fn to_json_pretty(&self) -> Result<String> {
        self.json(Layout::Pretty)
    }

    /// The root rows as JSON objects, one on each line.
    ///
    /// # Errors
    /// As [`to_json`](Self::to_json).
    pub fn to_json_lines(&self) -> Result<String> {
        let mut out = String::new();
        self.each_root(Layout::Compact, &mut out, |writer, row, _| {
            writer.object(0, row)?;
            writer.out.push('\n');
            Ok(())
        })?;
        Ok(out)
    }

    /// The root rows as a JSON value.
    ///
    /// # Errors
    /// As [`to_json`](Self::to_json).
    pub fn to_json_value(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.to_json()?).map_err(|e| {
            Error::new(ErrorCode::Internal, format!("a result was written as JSON that is none: {e}"))
        })
    }

    fn json(&self, layout: Layout) -> Result<String> {
        let mut out = String::from("[");
        self.each_root(layout, &mut out, |writer, row, first| {
            writer.depth = 1;
            writer.separate(first);
            writer.object(0, row)
        })?;
        if !self.is_empty() && layout == Layout::Pretty {
            out.push('\n');
        }
        out.push(']');
        Ok(out)
    }

    fn each_root(
        &self,
        layout: Layout,
        out: &mut String,
        mut write: impl FnMut(&mut Writer<'_>, usize, bool) -> Result<()>,
    ) -> Result<()> {
        let left = Counter::new(ROWS_WALKED_MAX);
        let mut first = true;
        for chunk in self.chunks() {
            let view = View::new(self.shape(), chunk, &left)?;
            let roots = view.roots()?;
            let mut writer = Writer { view, out, layout, depth: 0 };
            for row in roots {
                write(&mut writer, row, first)?;
                first = false;
            }
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// Writes a row as an object. The depth is bounded by that of the shape.
    fn object(&mut self, node_at: usize, row: usize) -> Result<()> {
        self.view.visit(node_at, row)?;
        self.members(node_at, None, row)
    }

    /// Writes the members of a row, or of a struct of it, as an object.
    fn members(&mut self, node_at: usize, of: Option<usize>, row: usize) -> Result<()> {
        let members = self.view.members(node_at, of)?.len();
        self.out.push('{');
        self.depth += 1;
        let mut first = true;
        for at in 0..members {
            first = !self.member(node_at, of, row, at, first)? && first;
        }
        self.depth -= 1;
        if !first {
            self.line();
        }
        self.out.push('}');
        Ok(())
    }

    /// Writes a member of an object; says whether there was something to write.
    fn member(
        &mut self,
        node_at: usize,
        of: Option<usize>,
        row: usize,
        at: usize,
        first: bool,
    ) -> Result<bool> {
        let node = self.view.node(node_at)?;
        match self.view.members(node_at, of)?.get(at).copied() {
            Some(Member::Struct(at)) => {
                let presence = node.presence(at, row)?;
                let name = node.nesting.structs.get(at).map_or("", |s| s.name);
                if presence == Presence::Withheld {
                    return Ok(false);
                }
                self.separate(first);
                self.name(name);
                match presence {
                    Presence::There => self.members(node_at, Some(at), row)?,
                    Presence::Null | Presence::Withheld => self.out.push_str("null"),
                }
            }
            Some(Member::Column(at)) => {
                let cell = column(node, at)?.cell(row)?;
                let Cell::Value(value) = cell else { return Ok(false) };
                let shape = node.shape.columns.get(at).ok_or_else(|| malformed("a column has no shape"))?;
                self.separate(first);
                self.name(if of.is_some() { own_name(&shape.name) } else { &shape.name });
                write_value(self.out, &value, &shape.labels)?;
            }
            Some(Member::Edge(at)) => {
                let edge = node.shape.edges.get(at).ok_or_else(|| malformed("an edge has no shape"))?;
                let children =
                    node.edges.get(at).ok_or_else(|| malformed("an edge has no block"))?.children(row)?;
                let child = crate::block::size(edge.child);
                self.separate(first);
                self.name(&edge.alias);
                match edge.cardinality {
                    Cardinality::Many => self.array(child, children.iter())?,
                    Cardinality::One if children.len() > 1 => {
                        return Err(malformed(format!("edge `{}` leads to several rows", edge.alias)));
                    }
                    Cardinality::One => match children.get(0) {
                        Some(row) => self.object(child, row)?,
                        None => self.out.push_str("null"),
                    },
                }
            }
            None => return Ok(false),
        }
        Ok(true)
    }

    fn array(&mut self, node: usize, rows: impl ExactSizeIterator<Item = usize>) -> Result<()> {
        let empty = rows.len() == 0;
        self.out.push('[');
        self.depth += 1;
        for (at, row) in rows.enumerate() {
            self.separate(at == 0);
            self.object(node, row)?;
        }
        self.depth -= 1;
        if !empty {
            self.line();
        }
        self.out.push(']');
        Ok(())
    }

    fn separate(&mut self, first: bool) {
        if !first {
            self.out.push(',');
        }
        self.line();
    }

    fn line(&mut self) {
        if self.layout == Layout::Pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", self.depth));
        }
    }

    fn name(&mut self, name: &str) {
        write_text(self.out, name);
        self.out.push_str(if self.layout == Layout::Pretty { ": " } else { ":" });
    }
}

fn column<'v, 'a>(node: &'v NodeView<'a>, at: usize) -> Result<&'v crate::block::Column<'a>> {
    node.columns.get(at).ok_or_else(|| malformed("a column has no block"))
}

/// Writes a value as JSON.
fn write_value(out: &mut String, value: &ValueRef<'_>, labels: &EnumLabels) -> Result<()> {
    match value {
        ValueRef::Null => out.push_str("null"),
        ValueRef::Bool(v) => write_display(out, v),
        ValueRef::Int16(v) => write_display(out, v),
        ValueRef::Int32(v) => write_display(out, v),
        ValueRef::Int64(v) => write_display(out, v),
        ValueRef::Decimal(v) => write_display(out, v),
        ValueRef::Float32(v) if v.is_finite() => out.push_str(&format_float32(*v)),
        ValueRef::Float64(v) if v.is_finite() => out.push_str(&format_float64(*v)),
        ValueRef::String(v) => write_text(out, v),
        ValueRef::Json(v) => {
            serde_json::from_str::<serde::de::IgnoredAny>(v)
                .map_err(|_| malformed("a JSON cell is no JSON"))?;
            out.push_str(v);
        }
        ValueRef::Enum(v) => match labels.get(*v) {
            Some(label) => write_text(out, label),
            None => return Err(malformed(format!("no label of an enum has the number {v}"))),
        },
        ValueRef::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(out, item, labels)?;
            }
            out.push(']');
        }
        ValueRef::Float32(_)
        | ValueRef::Float64(_)
        | ValueRef::Bytes(_)
        | ValueRef::Uuid(_)
        | ValueRef::DateTime(_)
        | ValueRef::LocalDateTime(_)
        | ValueRef::Date(_)
        | ValueRef::Time(_)
        | ValueRef::Interval(_) => write_text(out, &value.to_value(&|_| None).to_text()),
    }
    Ok(())
}

fn write_display(out: &mut String, value: &impl Display) {
    // Writing into a string cannot fail.
    if write!(out, "{value}").is_err() {
        unreachable!("a string takes everything");
    }
}

/// Writes text between quotes, escaped as JSON wants it.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c @ ('"' | '\\')) => {
                out.push('\\');
                out.push(c);
            }
            Some(c) => write_display(out, &format_args!("\\u{:04x}", u32::from(c))),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
