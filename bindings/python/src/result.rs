//! Results of fetches: blocks, and what they become when they are asked for it.

use std::sync::Arc;

use ormdb_bindings::{GraphResult, Part, Parts, Task};
use ormdb_proto::Token;
use ormdb_proto::block::ColumnType;
use ormdb_proto::result::{Cardinality, Chunk, ShapeNode};
use parking_lot::Mutex;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyCapsule, PyIterator, PyList, PySlice};

use crate::arrow::{self, ArrowTable, What};
use crate::build::{self, Form};
use crate::collector::Pause;
use crate::error::OrRaise;
use crate::layout::{Layout, NodeLayout};
use crate::mailbox::{Call, Mailbox};
use crate::row::View;
use crate::wait;

/// The result of a fetch, or a part of one.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct Result {
    pub(crate) view: Arc<View>,
    token: Option<Token>,
    /// The result, where it is whole.
    whole: Option<GraphResult>,
}

/// A node of a result's shape.
#[pyclass(frozen, get_all, module = "ormdb")]
pub(crate) struct Node {
    /// The entity.
    entity: String,
    /// The columns: name, type, labels of an enum.
    columns: Vec<(String, String, Vec<String>)>,
    /// The edges: name, number of the child node, whether there may be several.
    edges: Vec<(String, u32, bool)>,
    /// The names of what a row has, in the order asked for: columns, structs, edges.
    members: Vec<String>,
}

/// The parts of a result that is read while it is used.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct Stream {
    text: String,
    pub(crate) parts: Arc<Mutex<Option<Parts>>>,
}

impl Result {
    pub(crate) fn whole(py: Python<'_>, text: &str, result: GraphResult) -> Result {
        let token = Some(result.trailer().token);
        Result { token, whole: Some(result.clone()), ..Result::part(py, text, Part::from(result)) }
    }

    pub(crate) fn part(py: Python<'_>, text: &str, part: Part) -> Result {
        let layout = Layout::of(py, text, part.shape());
        Result { view: Arc::new(View { part, layout }), token: None, whole: None }
    }

    fn form<'py>(&self, py: Python<'py>, form: &Form<'_, 'py>) -> PyResult<Bound<'py, PyList>> {
        let chunks = self.view.part.chunks();
        let rows = chunks.iter().map(Chunk::rows).sum();
        let _pause = match form {
            Form::Dicts | Form::Tuples => Pause::of(py, rows)?,
            // What others make may have cycles.
            Form::Made(_) => Pause::of(py, 0)?,
        };
        if let [chunk] = chunks {
            return PyList::new(py, build::rows(py, &self.view.layout, chunk, form)?);
        }
        let mut all = Vec::new();
        for chunk in chunks {
            all.append(&mut build::rows(py, &self.view.layout, chunk, form)?);
        }
        PyList::new(py, all)
    }

    fn nth<'py>(&self, py: Python<'py>, mut at: usize) -> PyResult<Bound<'py, PyAny>> {
        for (number, chunk) in self.view.part.chunks().iter().enumerate() {
            match at.checked_sub(chunk.root_rows()) {
                Some(rest) => at = rest,
                None => {
                    let row = self.view.root(py, number, at)?;
                    return Ok(Bound::new(py, row)?.into_any());
                }
            }
        }
        Err(PyIndexError::new_err("the result has no row of this number"))
    }
}

#[pymethods]
impl Result {
    fn __len__(&self) -> usize {
        self.view.part.chunks().iter().map(Chunk::root_rows).sum()
    }

    fn __bool__(&self) -> bool {
        self.view.part.chunks().iter().any(|chunk| chunk.root_rows() > 0)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.rows(py)?.try_iter()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if key.is_instance_of::<PySlice>() {
            return self.rows(py)?.into_any().get_item(key);
        }
        let at: isize = key.extract()?;
        let at = if at < 0 { self.__len__().checked_add_signed(at) } else { usize::try_from(at).ok() };
        self.nth(py, at.unwrap_or(usize::MAX))
    }

    /// The rows as light objects that read their values when they are asked for.
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let _pause = Pause::of(py, self.__len__())?;
        let mut rows = Vec::with_capacity(self.__len__());
        for at in 0..self.view.part.chunks().len() {
            for row in self.view.roots(py, at)? {
                rows.push(Bound::new(py, row)?);
            }
        }
        PyList::new(py, rows)
    }

    /// The only row.
    fn one<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.__len__() {
            1 => self.nth(py, 0),
            rows => {
                let error = py.import("ormdb.errors")?.getattr("NotOneRow")?;
                Err(PyErr::from_value(
                    error.call1((format!("one row was asked for, and there are {rows}"),))?,
                ))
            }
        }
    }

    /// The only row, or `None` if there is none.
    fn one_or_none<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.__bool__() { self.one(py).map(Some) } else { Ok(None) }
    }

    /// The rows as objects of a class: a dataclass, or a pydantic model.
    fn into<'py>(slf: &Bound<'py, Result>, class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("ormdb._into")?.getattr("into")?.call1((slf, class))
    }

    /// The rows as dicts. A row that several lead to is one dict, which they share.
    fn dicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.form(py, &Form::Dicts)
    }

    /// The rows as tuples, in the order asked for.
    fn tuples<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.form(py, &Form::Tuples)
    }

    /// The rows as what `make` makes of them. It is called once for each node of each chunk, children before their parents, with
    /// the node's number in `shape`, a tuple of lists (one for each member: its values over all rows), and the number of rows; it
    /// returns a list of as many objects. The members that are edges have the objects of the related rows already.
    fn build<'py>(&self, py: Python<'py>, make: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.form(py, &Form::Made(make))
    }

    /// The rows as a stream of Arrow record batches: the columns of the root, flat (the Arrow PyCapsule interface).
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::stream(py, &self.view, What::Roots, requested_schema)
    }

    /// The rows of a node of `shape`, each once, for readers of Arrow.
    #[pyo3(signature = (node = 0))]
    fn arrow(&self, py: Python<'_>, node: usize) -> PyResult<Py<ArrowTable>> {
        ArrowTable::of_node(py, &self.view, node)
    }

    /// The edges of this name of a node: for each of its rows, the numbers of the rows of the child node, for readers of Arrow.
    fn arrow_edges(&self, py: Python<'_>, node: usize, name: &str) -> PyResult<Py<ArrowTable>> {
        ArrowTable::of_edge(py, &self.view, node, name)
    }

    /// The rows as a JSON text.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        match &self.whole {
            Some(whole) => py.detach(|| whole.to_json()).or_raise(py, None),
            None => Err(pyo3::exceptions::PyValueError::new_err("a part of a result is no document")),
        }
    }

    /// The nodes of the result: node 0 has the rows, and edges lead to the others.
    #[getter]
    fn shape(&self, py: Python<'_>) -> Vec<Node> {
        Node::all(py, &self.view.layout)
    }

    /// The version token of the snapshot that was read; `None` of a part.
    #[getter]
    fn token(&self) -> Option<String> {
        self.token.map(|token| token.to_string())
    }

    fn __repr__(&self) -> String {
        let entity = self.view.layout.nodes.first().map_or("", |node| node.entity.as_str());
        format!("<ormdb.Result: {} rows of {entity}>", self.__len__())
    }
}

impl Node {
    /// The nodes of a shape.
    pub(crate) fn all(py: Python<'_>, layout: &Layout) -> Vec<Node> {
        let nodes = layout.shape.nodes.iter().zip(&layout.nodes);
        let node = |(shape, node): (&ShapeNode, &NodeLayout)| {
            let members = node.members.iter().map(|member| member.name.bind(py).to_string()).collect();
            Node::of(shape, members)
        };
        nodes.map(node).collect()
    }

    fn of(shape: &ShapeNode, members: Vec<String>) -> Node {
        let columns = shape.columns.iter().map(|column| {
            let ty = match column.ty {
                ColumnType::Scalar(kind) => kind.name().to_owned(),
                ColumnType::List(kind) => format!("{}[]", kind.name()),
            };
            let labels = column.labels.0.iter().map(|label| label.name.clone()).collect();
            (column.name.clone(), ty, labels)
        });
        let edges = shape
            .edges
            .iter()
            .map(|edge| (edge.alias.clone(), edge.child, edge.cardinality == Cardinality::Many));
        Node { entity: shape.entity.clone(), columns: columns.collect(), edges: edges.collect(), members }
    }
}

#[pymethods]
impl Node {
    fn __repr__(&self) -> String {
        format!("<ormdb.Node: {} {{ {} }}>", self.entity, self.members.join(", "))
    }
}

impl Stream {
    pub(crate) fn new(text: String, parts: Parts) -> Stream {
        Stream { text, parts: Arc::new(Mutex::new(Some(parts))) }
    }

    /// The part that a task gave.
    pub(crate) fn taken(&self, py: Python<'_>, part: Option<Part>) -> PyResult<Option<Py<Result>>> {
        part.map(|part| Py::new(py, Result::part(py, &self.text, part))).transpose()
    }
}

#[pymethods]
impl Stream {
    /// The next part of the result; `None` behind the last one.
    fn next_part(&self, py: Python<'_>) -> PyResult<Option<Py<Result>>> {
        let task = self.parts.lock().as_ref().map_or_else(Task::none, Parts::next);
        self.taken(py, wait::wait(py, Some(&self.text), task)?)
    }

    /// Begins to take the next part.
    fn start_next_part(slf: &Bound<'_, Stream>, mailbox: &Mailbox, future: &Bound<'_, PyAny>) -> Call {
        let stream = slf.clone().unbind();
        let task = slf.get().parts.lock().as_ref().map_or_else(Task::none, Parts::next);
        mailbox.begin(future, task, move |py, part| {
            let stream = stream.get();
            let part = part.or_raise(py, Some(&stream.text))?;
            Ok(stream.taken(py, part)?.into_pyobject(py)?.into_any().unbind())
        })
    }

    /// Ends the statement; what was not taken yet is not read.
    fn close(&self) {
        drop(self.parts.lock().take());
    }
}
