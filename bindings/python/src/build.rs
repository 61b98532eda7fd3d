//! Rows as Python objects, all of a chunk at once: column by column, from the leaves of the shape to its root.
//!
//! Invariant: a row of a block becomes one object, however many parents lead to it: they share it. So the work is that of
//! the block and its edges, whatever the graph that they span.

use ormdb_proto::block::Edges;
use ormdb_proto::result::{Cardinality, Chunk, Member};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyList, PyNone, PyTuple};

use crate::column::{malformed, objects};
use crate::error::OrRaise;
use crate::layout::{Layout, MemberLayout, NodeLayout};
use crate::types::Types;

type Object<'py> = Bound<'py, PyAny>;

/// What rows become.
pub(crate) enum Form<'a, 'py> {
    /// Dicts by name.
    Dicts,
    /// Tuples in the order asked for.
    Tuples,
    /// What a function makes of them: it is called once for each node of a chunk, with the node's number and a list for each of
    /// its members, and returns a list of as many objects as there are rows.
    Made(&'a Bound<'py, PyAny>),
}

/// The objects of the root rows of a chunk, in the order asked for.
pub(crate) fn rows<'py>(
    py: Python<'py>,
    layout: &Layout,
    chunk: &Chunk,
    form: &Form<'_, 'py>,
) -> PyResult<Vec<Object<'py>>> {
    let mut built: Vec<Vec<Object<'py>>> = layout.nodes.iter().map(|_| Vec::new()).collect();
    for (at, node) in layout.nodes.iter().enumerate().rev() {
        let made = node_rows(py, at, node, chunk, &built, form)?;
        if let Some(place) = built.get_mut(at) {
            *place = made;
        }
        // Only their parents refer to them.
        for edge in &node.edges {
            if let Some(children) = built.get_mut(edge.child) {
                children.clear();
            }
        }
    }
    let roots = chunk.edges(0).or_raise(py, None)?.children(0).or_raise(py, None)?;
    let all = built.first().map_or(&[][..], Vec::as_slice);
    if roots.len() == all.len() && roots.iter().enumerate().all(|(at, row)| at == row) {
        return Ok(built.swap_remove(0));
    }
    roots.iter().map(|row| child(py, all, row)).collect()
}

fn node_rows<'py>(
    py: Python<'py>,
    at: usize,
    node: &NodeLayout,
    chunk: &Chunk,
    built: &[Vec<Object<'py>>],
    form: &Form<'_, 'py>,
) -> PyResult<Vec<Object<'py>>> {
    let block = chunk.entity(at).or_raise(py, None)?;
    let mut cells = Cells { rows: block.rows(), columns: Vec::new(), edges: Vec::new() };
    for (at, labels) in node.labels.iter().enumerate() {
        cells.columns.push(Some(objects(py, &block.column(at).or_raise(py, None)?, labels)?));
    }
    for edge in &node.edges {
        let edges = chunk.edges(edge.slot).or_raise(py, None)?;
        let children = built.get(edge.child).ok_or_else(|| malformed(py, "a node is missing"))?;
        cells.edges.push(Some(related(py, cells.rows, edges, children, edge.cardinality)?));
    }
    let columns = cells.of_members(py, node, &node.members, form)?;
    match form {
        Form::Dicts => dicts(py, &node.members, columns, cells.rows),
        Form::Tuples => tuples(py, columns, cells.rows),
        Form::Made(make) => {
            let lists =
                columns.into_iter().map(|column| PyList::new(py, column)).collect::<PyResult<Vec<_>>>()?;
            let made: Vec<Object<'py>> = make.call1((at, PyTuple::new(py, lists)?, cells.rows))?.extract()?;
            if made.len() == cells.rows {
                return Ok(made);
            }
            let message = format!("a builder made {} objects of {} rows", made.len(), cells.rows);
            Err(pyo3::exceptions::PyValueError::new_err(message))
        }
    }
}

/// The related rows of each parent row: a list of them, or the one, or `None`.
fn related<'py>(
    py: Python<'py>,
    parents: usize,
    edges: Edges<'_>,
    children: &[Object<'py>],
    cardinality: Cardinality,
) -> PyResult<Vec<Object<'py>>> {
    let mut related = Vec::with_capacity(parents);
    for parent in 0..parents {
        let numbers = edges.children(parent).or_raise(py, None)?;
        related.push(match cardinality {
            Cardinality::Many => {
                let rows =
                    numbers.iter().map(|row| child(py, children, row)).collect::<PyResult<Vec<_>>>()?;
                PyList::new(py, rows)?.into_any()
            }
            Cardinality::One => match numbers.get(0) {
                Some(row) => child(py, children, row)?,
                None => PyNone::get(py).to_owned().into_any(),
            },
        });
    }
    Ok(related)
}

fn child<'py>(py: Python<'py>, children: &[Object<'py>], row: usize) -> PyResult<Object<'py>> {
    children.get(row).cloned().ok_or_else(|| malformed(py, "an edge leads to no row"))
}

/// The objects of a node's columns and edges, each taken out by the member that it belongs to.
struct Cells<'py> {
    rows: usize,
    columns: Vec<Option<Vec<Object<'py>>>>,
    edges: Vec<Option<Vec<Object<'py>>>>,
}

impl<'py> Cells<'py> {
    fn of_members(
        &mut self,
        py: Python<'py>,
        node: &NodeLayout,
        members: &[MemberLayout],
        form: &Form<'_, 'py>,
    ) -> PyResult<Vec<Vec<Object<'py>>>> {
        members.iter().map(|member| self.of_member(py, node, member.of, form)).collect()
    }

    fn of_member(
        &mut self,
        py: Python<'py>,
        node: &NodeLayout,
        member: Member,
        form: &Form<'_, 'py>,
    ) -> PyResult<Vec<Object<'py>>> {
        let missing = || malformed(py, "a member of a row is missing");
        match member {
            Member::Column(at) => self.columns.get_mut(at).and_then(Option::take).ok_or_else(missing),
            Member::Edge(at) => self.edges.get_mut(at).and_then(Option::take).ok_or_else(missing),
            Member::Struct(at) => {
                let of = node.structs.get(at).ok_or_else(missing)?;
                let columns = self.of_members(py, node, &of.members, form)?;
                let mut made = match form {
                    Form::Tuples => tuples(py, columns, self.rows)?,
                    Form::Dicts | Form::Made(_) => dicts(py, &of.members, columns, self.rows)?,
                };
                if let Some(presence) = of.presence {
                    let presence =
                        self.columns.get_mut(presence).and_then(Option::take).ok_or_else(missing)?;
                    let withheld = &Types::get(py)?.withheld;
                    for (made, presence) in made.iter_mut().zip(presence) {
                        if presence.is_none() || presence.is(withheld) {
                            *made = presence;
                        }
                    }
                }
                Ok(made)
            }
        }
    }
}

fn dicts<'py>(
    py: Python<'py>,
    members: &[MemberLayout],
    columns: Vec<Vec<Object<'py>>>,
    rows: usize,
) -> PyResult<Vec<Object<'py>>> {
    let mut columns: Vec<_> = members
        .iter()
        .zip(columns)
        .map(|(member, column)| (member.name.bind(py), column.into_iter()))
        .collect();
    let mut made = Vec::with_capacity(rows);
    for _ in 0..rows {
        let dict = PyDict::new(py);
        for (name, column) in &mut columns {
            if let Some(object) = column.next() {
                dict.set_item(&**name, object)?;
            }
        }
        made.push(dict.into_any());
    }
    Ok(made)
}

fn tuples<'py>(py: Python<'py>, columns: Vec<Vec<Object<'py>>>, rows: usize) -> PyResult<Vec<Object<'py>>> {
    if columns.iter().any(|column| column.len() != rows) {
        return Err(malformed(py, "a column ends too early"));
    }
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let none = PyNone::get(py);
    let mut made = Vec::with_capacity(rows);
    for _ in 0..rows {
        let cells =
            columns.iter_mut().map(|column| column.next().unwrap_or_else(|| none.to_owned().into_any()));
        made.push(PyTuple::new(py, cells)?.into_any());
    }
    Ok(made)
}
