//! Results as Arrow arrays, over its C data interface: buffers of the blocks as they lie, kept alive by who reads them.
//!
//! Each node of a result is a table of its entity block's columns, and each edge a table of one list column: the numbers of
//! the child rows of each parent row. Chunks are record batches; numbers mean rows of the same batch.
//!
//! What Arrow lays out otherwise is copied: enums (whose numbers are not places in a dictionary), intervals (nanoseconds), and
//! decimals whose scales differ. Everything else is not.

mod array;
mod ffi;

use std::collections::VecDeque;
use std::sync::Arc;

use ormdb_proto::block::{Block, BlockBuilder, Cell, ColumnKind};
use ormdb_proto::result::{Chunk, EnumLabels, ShapeColumn};
use ormdb_proto::{Error, ErrorCode};
use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyCapsule};

use crate::column::malformed;
use crate::error::OrRaise;
use crate::row::View;
use array::{Data, Field, Owner};
use ffi::{ArrayCapsule, SchemaCapsule, StreamCapsule};

/// A node or an edge of a result, for readers of Arrow.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct ArrowTable {
    view: Arc<View>,
    what: What,
}

/// A chunk of a table, for readers of Arrow.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct ArrowBatch {
    view: Arc<View>,
    what: What,
    chunk: usize,
}

/// What of a result is given out.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// The root rows, in the order asked for.
    Roots,
    /// The rows of a node, each once.
    Node(usize),
    /// The edges of a slot.
    Edges(usize),
}

impl ArrowTable {
    pub(crate) const fn new(view: Arc<View>, what: What) -> ArrowTable {
        ArrowTable { view, what }
    }

    /// The table of a node.
    pub(crate) fn of_node(py: Python<'_>, view: &Arc<View>, node: usize) -> PyResult<Py<ArrowTable>> {
        if view.layout.nodes.get(node).is_none() {
            return Err(PyIndexError::new_err(format!("the result has no node {node}")));
        }
        Py::new(py, ArrowTable::new(Arc::clone(view), What::Node(node)))
    }

    /// The table of an edge of a node, by its name.
    pub(crate) fn of_edge(
        py: Python<'_>,
        view: &Arc<View>,
        node: usize,
        name: &str,
    ) -> PyResult<Py<ArrowTable>> {
        let shape = &view.layout.shape;
        let at = shape.node(node).and_then(|shape| shape.edge(name));
        let at = at.ok_or_else(|| PyKeyError::new_err(format!("node {node} has no edge `{name}`")))?;
        Py::new(py, ArrowTable::new(Arc::clone(view), What::Edges(shape.edge_slot(node, at))))
    }
}

#[pymethods]
impl ArrowTable {
    /// A stream of record batches, one for each chunk (the Arrow PyCapsule interface).
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        stream(py, &self.view, self.what, requested_schema)
    }

    /// The chunks, each a record batch.
    fn batches(&self, py: Python<'_>) -> PyResult<Vec<Py<ArrowBatch>>> {
        let batch = |chunk| ArrowBatch { view: Arc::clone(&self.view), what: self.what, chunk };
        (0..self.view.part.chunks().len()).map(|chunk| Py::new(py, batch(chunk))).collect()
    }
}

#[pymethods]
impl ArrowBatch {
    /// The schema and the record batch (the Arrow PyCapsule interface).
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // Another schema may be asked for; this one is what there is, which the interface allows.
        drop(requested_schema.cloned());
        let schema = schema(py, &self.view, self.what)?;
        let data = batch(py, &self.view, self.what, self.chunk)?;
        Ok((
            PyCapsule::new_with_value(py, SchemaCapsule::new(&schema), c"arrow_schema")?,
            PyCapsule::new_with_value(py, ArrayCapsule::new(data), c"arrow_array")?,
        ))
    }
}

/// The capsule of a stream over all chunks.
pub(crate) fn stream<'py>(
    py: Python<'py>,
    view: &Arc<View>,
    what: What,
    requested_schema: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    // As of a batch.
    drop(requested_schema.cloned());
    let schema = schema(py, view, what)?;
    let batches = (0..view.part.chunks().len())
        .map(|chunk| batch(py, view, what, chunk))
        .collect::<PyResult<VecDeque<_>>>()?;
    PyCapsule::new_with_value(py, StreamCapsule::new(schema, batches), c"arrow_array_stream")
}

fn schema(py: Python<'_>, view: &View, what: What) -> PyResult<Field> {
    if cfg!(target_endian = "big") {
        let message = "the blocks of results are little-endian, and Arrow's buffers on this machine are not";
        return Err(Error::new(ErrorCode::UnsupportedFeature, message)).or_raise(py, None);
    }
    let node = match what {
        What::Roots => 0,
        What::Node(node) => node,
        What::Edges(_) => return Ok(Field::of_struct(vec![Field::of_edges()])),
    };
    let scales = scales(view, node).or_raise(py, None)?;
    let columns = columns_of(py, view, node)?;
    Ok(Field::of_struct(
        columns.iter().zip(scales).map(|(column, scale)| Field::of_column(column, scale)).collect(),
    ))
}

fn columns_of<'a>(py: Python<'_>, view: &'a View, node: usize) -> PyResult<&'a [ShapeColumn]> {
    let node = view.layout.shape.node(node).ok_or_else(|| malformed(py, "a node is missing"))?;
    Ok(&node.columns)
}

/// By column, the scale that decimals are given out with, the same in all chunks: the largest that one has.
fn scales(view: &View, node: usize) -> ormdb_proto::Result<Vec<u8>> {
    let columns = view.layout.shape.node(node).map_or(&[][..], |node| node.columns.as_slice());
    let mut scales = vec![0; columns.len()];
    for (at, scale) in scales.iter_mut().enumerate() {
        if columns.get(at).is_some_and(|column| column.ty.kind() == ColumnKind::Decimal) {
            for chunk in view.part.chunks() {
                *scale = array::scale_of(&chunk.entity(node)?.column(at)?).max(*scale);
            }
        }
    }
    Ok(scales)
}

fn batch(py: Python<'_>, view: &Arc<View>, what: What, chunk: usize) -> PyResult<Data> {
    let at = view.part.chunks().get(chunk).ok_or_else(|| malformed(py, "a chunk is missing"))?;
    let owner: Owner = Arc::<View>::clone(view);
    let of_node = |node: usize, block: &Block, owner: Owner| {
        let scales = scales(view, node).or_raise(py, None)?;
        rows(block, columns_of(py, view, node)?, &scales, owner).or_raise(py, None)
    };
    match what {
        What::Roots => match in_order(at).or_raise(py, None)? {
            None => of_node(0, at.entity(0).or_raise(py, None)?, owner),
            Some(ordered) => {
                // The columns lie in a block that is made here, and live as long as it does.
                let ordered = Arc::new(ordered);
                let owner: Owner = Arc::<Block>::clone(&ordered);
                of_node(0, &ordered, owner)
            }
        },
        What::Node(node) => of_node(node, at.entity(node).or_raise(py, None)?, owner),
        What::Edges(slot) => edges(at, slot, owner).or_raise(py, None),
    }
}

/// The rows of a block.
fn rows(block: &Block, columns: &[ShapeColumn], scales: &[u8], owner: Owner) -> ormdb_proto::Result<Data> {
    let children = columns
        .iter()
        .zip(scales)
        .enumerate()
        .map(|(at, (shape, scale))| Data::of_column(&block.column(at)?, &shape.labels, *scale));
    Ok(Data::of_struct(block.rows(), children.collect::<ormdb_proto::Result<_>>()?, owner))
}

fn edges(chunk: &Chunk, slot: usize, owner: Owner) -> ormdb_proto::Result<Data> {
    let missing = || Error::new(ErrorCode::Internal, format!("no edge {slot}"));
    let block = chunk.edge_blocks().get(slot).ok_or_else(missing)?;
    let rows = Data::of_column(&block.column(0)?, &EnumLabels::default(), 0)?;
    Ok(Data::of_struct(block.rows(), vec![rows], owner))
}

/// The root rows in the order asked for, where they lie in another one.
fn in_order(chunk: &Chunk) -> ormdb_proto::Result<Option<Block>> {
    let roots = chunk.edges(0)?.children(0)?;
    let block = chunk.entity(0)?;
    if roots.len() == block.rows() && roots.iter().enumerate().all(|(at, row)| at == row) {
        return Ok(None);
    }
    let mut builder = BlockBuilder::new(block.column_types());
    for at in 0..block.column_types().len() {
        let column = block.column(at)?;
        let into = builder.column(at)?;
        for row in roots.iter() {
            match column.cell(row)? {
                Cell::Value(value) => into.push(&value)?,
                Cell::Withheld => into.push_withheld(),
            }
        }
    }
    builder.set_rows(roots.len());
    Block::open(builder.finish(0)?).map(Some)
}
