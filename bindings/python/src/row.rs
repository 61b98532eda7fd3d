//! Light rows: objects that know where their values lie, and read them when they are asked for.
//!
//! A row has the members of its shape as attributes, before the few methods that it has: a column named `keys` is
//! reached as `row.keys` and the method then only through its class.

use std::sync::Arc;

use ormdb_bindings::Part;
use ormdb_proto::block::Column;
use ormdb_proto::result::{Cardinality, Chunk, Member};
use pyo3::exceptions::{PyAttributeError, PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyInt, PyIterator, PyList, PyNone, PyString, PyTuple};

use crate::column::{malformed, object};
use crate::error::OrRaise;
use crate::layout::{Layout, MemberLayout, NodeLayout};

/// A part of a result, with the names of its rows' members.
pub(crate) struct View {
    pub(crate) part: Part,
    pub(crate) layout: Arc<Layout>,
}

/// A row of a result, or a struct in it.
#[pyclass(frozen, module = "ormdb")]
#[derive(Clone)]
pub(crate) struct Row {
    view: Arc<View>,
    chunk: usize,
    node: usize,
    row: usize,
    /// The struct of the node, where this is one.
    of: Option<usize>,
}

impl View {
    /// The root rows of a chunk, in the order asked for.
    pub(crate) fn roots(self: &Arc<View>, py: Python<'_>, at: usize) -> PyResult<Vec<Row>> {
        let chunk = self.part.chunks().get(at).ok_or_else(|| malformed(py, "a chunk is missing"))?;
        let roots = chunk.edges(0).or_raise(py, None)?.children(0).or_raise(py, None)?;
        Ok(roots
            .iter()
            .map(|row| Row { view: Arc::clone(self), chunk: at, node: 0, row, of: None })
            .collect())
    }
}

impl View {
    /// A root row of a chunk, by its place among them.
    pub(crate) fn root(self: &Arc<View>, py: Python<'_>, at: usize, place: usize) -> PyResult<Row> {
        let chunk = self.part.chunks().get(at).ok_or_else(|| malformed(py, "a chunk is missing"))?;
        let roots = chunk.edges(0).or_raise(py, None)?.children(0).or_raise(py, None)?;
        let row = roots.get(place).ok_or_else(|| malformed(py, "a row is missing"))?;
        Ok(Row { view: Arc::clone(self), chunk: at, node: 0, row, of: None })
    }
}

impl Row {
    fn chunk(&self, py: Python<'_>) -> PyResult<&Chunk> {
        self.view.part.chunks().get(self.chunk).ok_or_else(|| malformed(py, "a chunk is missing"))
    }

    fn node(&self, py: Python<'_>) -> PyResult<&NodeLayout> {
        self.view.layout.nodes.get(self.node).ok_or_else(|| malformed(py, "a node is missing"))
    }

    fn members(&self, py: Python<'_>) -> PyResult<&[MemberLayout]> {
        Ok(self.node(py)?.members_of(self.of))
    }

    /// The member of this name.
    fn member(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<Option<Member>> {
        let members = self.members(py)?;
        // Names in programs are interned, as those of the layout are: nearly always the same object.
        if let Some(member) = members.iter().find(|member| member.name.is(name)) {
            return Ok(Some(member.of));
        }
        for member in members {
            if member.name.bind(py).as_any().eq(name)? {
                return Ok(Some(member.of));
            }
        }
        Ok(None)
    }

    fn column<'a>(&'a self, py: Python<'_>, at: usize) -> PyResult<Column<'a>> {
        self.chunk(py)?.entity(self.node).and_then(|block| block.column(at)).or_raise(py, None)
    }

    fn value<'py>(&self, py: Python<'py>, member: Member) -> PyResult<Bound<'py, PyAny>> {
        let missing = || malformed(py, "a member of a row is missing");
        match member {
            Member::Column(at) => {
                let labels = self.node(py)?.labels.get(at).ok_or_else(missing)?;
                object(py, &self.column(py, at)?, labels, self.row)
            }
            Member::Struct(at) => {
                let of = self.node(py)?.structs.get(at).ok_or_else(missing)?;
                if let Some(presence) = of.presence {
                    let presence = self.column(py, presence)?;
                    if !presence.is_valid(self.row) {
                        return object(py, &presence, &Vec::new(), self.row);
                    }
                }
                Ok(Bound::new(py, Row { of: Some(at), ..self.clone() })?.into_any())
            }
            Member::Edge(at) => {
                let edge = self.node(py)?.edges.get(at).ok_or_else(missing)?;
                let edges = self.chunk(py)?.edges(edge.slot).or_raise(py, None)?;
                let rows = edges.children(self.row).or_raise(py, None)?;
                let related = |row| Row { node: edge.child, row, of: None, ..self.clone() };
                match edge.cardinality {
                    Cardinality::Many => {
                        let rows = rows.iter().map(|row| Bound::new(py, related(row)));
                        Ok(PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)?.into_any())
                    }
                    Cardinality::One => match rows.get(0) {
                        Some(row) => Ok(Bound::new(py, related(row))?.into_any()),
                        None => Ok(PyNone::get(py).to_owned().into_any()),
                    },
                }
            }
        }
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.members(py)?.iter().map(|member| self.value(py, member.of)).collect()
    }
}

#[pymethods]
impl Row {
    fn __getattribute__<'py>(
        slf: &Bound<'py, Row>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, row) = (slf.py(), slf.get());
        match row.member(py, name)? {
            Some(member) => row.value(py, member),
            None => generic_attribute(slf, name),
        }
    }

    /// Asked where neither the row nor its class has the name.
    fn __getattr__(&self, py: Python<'_>, name: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        let known = self.keys(py)?.iter().map(|key| key.to_string()).collect::<Vec<_>>().join("`, `");
        Err(PyAttributeError::new_err(format!("the row has no `{name}`; it has `{known}`")))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(name) = key.cast::<PyString>() {
            return match self.member(py, name)? {
                Some(member) => self.value(py, member),
                None => Err(PyKeyError::new_err(name.clone().unbind())),
            };
        }
        let members = self.members(py)?;
        let at: isize = key.cast::<PyInt>()?.extract()?;
        let at = if at < 0 { members.len().checked_add_signed(at) } else { usize::try_from(at).ok() };
        match at.and_then(|at| members.get(at)) {
            Some(member) => self.value(py, member.of),
            None => Err(PyIndexError::new_err("the row has no member of this number")),
        }
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.members(py)?.len())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.values(py)?)?.try_iter()
    }

    fn __contains__(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        match name.cast::<PyString>() {
            Ok(name) => Ok(self.member(py, name)?.is_some()),
            Err(_) => Ok(false),
        }
    }

    /// The names of the members, in the order asked for.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.members(py)?.iter().map(|member| member.name.bind(py)))
    }

    /// The row as a dict; rows that lead from it stay rows.
    fn _asdict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for member in self.members(py)? {
            dict.set_item(&member.name, self.value(py, member.of)?)?;
        }
        Ok(dict)
    }

    /// The row as a tuple; rows that lead from it stay rows.
    fn _astuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.values(py)?)
    }

    /// The entity that the row is of.
    #[getter]
    fn _entity(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.node(py)?.entity)
    }

    fn __dir__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names = self.keys(py)?;
        for own in ["keys", "_asdict", "_astuple", "_entity"] {
            names.append(own)?;
        }
        Ok(names)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Row>() else { return Ok(false) };
        let (py, other) = (other.py(), other.get());
        if Arc::ptr_eq(&self.view, &other.view)
            && (self.chunk, self.node, self.row, self.of) == (other.chunk, other.node, other.row, other.of)
        {
            return Ok(true);
        }
        let same_names = self.keys(py)?.eq(other.keys(py)?)?;
        Ok(same_names && self._astuple(py)?.eq(other._astuple(py)?)?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut out = format!("<{}", self.node(py)?.entity);
        for member in self.members(py)? {
            let value = match member.of {
                Member::Edge(at) => {
                    let edge = self.node(py)?.edges.get(at);
                    let edge = edge.ok_or_else(|| malformed(py, "a member of a row is missing"))?;
                    let edges = self.chunk(py)?.edges(edge.slot).or_raise(py, None)?;
                    format!("[{} rows]", edges.children(self.row).or_raise(py, None)?.len())
                }
                other @ (Member::Column(_) | Member::Struct(_)) => self.value(py, other)?.repr()?.to_string(),
            };
            out.push_str(&format!(" {}={value}", member.name.bind(py)));
        }
        out.push('>');
        Ok(out)
    }
}

/// What every object has: its methods.
fn generic_attribute<'py>(row: &Bound<'py, Row>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    let py = row.py();
    py.get_type::<PyAny>().getattr(pyo3::intern!(py, "__getattribute__"))?.call1((row, name))
}
