//! What is the same for all rows of a shape: names and labels as Python strings, made once.

use std::collections::HashMap;
use std::sync::Arc;

use ormdb_proto::result::{Cardinality, Member, Nesting, ResultShape, ShapeNode, own_name};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// How many shapes are kept.
const LAYOUTS_MAX: usize = 512;

/// A shape with its Python strings.
pub(crate) struct Layout {
    pub(crate) shape: Arc<ResultShape>,
    pub(crate) nodes: Vec<NodeLayout>,
}

/// A node of a shape.
pub(crate) struct NodeLayout {
    pub(crate) entity: String,
    /// Columns, structs and edges in the order asked for.
    pub(crate) members: Vec<MemberLayout>,
    pub(crate) structs: Vec<StructLayout>,
    /// By column, the labels of an enum by ascending number.
    pub(crate) labels: Vec<Labels>,
    pub(crate) edges: Vec<EdgeLayout>,
}

/// The labels of an enum by ascending number.
pub(crate) type Labels = Vec<(u32, Py<PyString>)>;

/// A member of a row, or of a struct in it.
pub(crate) struct MemberLayout {
    pub(crate) name: Py<PyString>,
    pub(crate) of: Member,
}

/// A struct in a row.
pub(crate) struct StructLayout {
    /// The column that says whether it is there.
    pub(crate) presence: Option<usize>,
    pub(crate) members: Vec<MemberLayout>,
}

/// An edge of a node.
pub(crate) struct EdgeLayout {
    pub(crate) slot: usize,
    pub(crate) child: usize,
    pub(crate) cardinality: Cardinality,
}

/// The layouts of statements that were run, by their text.
static LAYOUTS: Mutex<Option<HashMap<String, Arc<Layout>>>> = Mutex::new(None);

impl Layout {
    /// The layout of a shape; the one of the last result of `text`, if that had the same shape.
    pub(crate) fn of(py: Python<'_>, text: &str, shape: &Arc<ResultShape>) -> Arc<Layout> {
        let known = LAYOUTS.lock().as_ref().and_then(|layouts| layouts.get(text).map(Arc::clone));
        if let Some(layout) = known
            && (Arc::ptr_eq(&layout.shape, shape) || layout.shape == *shape)
        {
            return layout;
        }
        let layout = Arc::new(Layout::new(py, shape));
        let mut layouts = LAYOUTS.lock();
        let layouts = layouts.get_or_insert_default();
        if layouts.len() >= LAYOUTS_MAX {
            layouts.clear();
        }
        layouts.insert(text.to_owned(), Arc::clone(&layout));
        layout
    }

    fn new(py: Python<'_>, shape: &Arc<ResultShape>) -> Layout {
        let mut slot = 1;
        let mut nodes = Vec::with_capacity(shape.nodes.len());
        for node in &shape.nodes {
            nodes.push(NodeLayout::new(py, node, slot));
            slot += node.edges.len();
        }
        Layout { shape: Arc::clone(shape), nodes }
    }
}

impl NodeLayout {
    fn new(py: Python<'_>, node: &ShapeNode, first_slot: usize) -> NodeLayout {
        let nesting = Nesting::of(node);
        let members_of = |members: &[Member]| {
            let layout = |of: &Member| {
                let name = match *of {
                    Member::Column(at) => node.columns.get(at).map(|column| own_name(&column.name)),
                    Member::Edge(at) => node.edges.get(at).map(|edge| edge.alias.as_str()),
                    Member::Struct(at) => nesting.structs.get(at).map(|of| of.name),
                };
                MemberLayout { name: PyString::intern(py, name.unwrap_or_default()).unbind(), of: *of }
            };
            members.iter().map(layout).collect::<Vec<_>>()
        };
        let structs = nesting.structs.iter();
        let structs = structs
            .map(|of| StructLayout { presence: of.presence, members: members_of(&of.members) })
            .collect();
        let labels = node.columns.iter().map(|column| {
            let label = |label: &ormdb_proto::result::Label| {
                (label.position, PyString::intern(py, &label.name).unbind())
            };
            column.labels.0.iter().map(label).collect()
        });
        let edges = node.edges.iter().enumerate().map(|(at, edge)| EdgeLayout {
            slot: first_slot + at,
            // A child that no number can name is missing wherever it is looked for.
            child: usize::try_from(edge.child).unwrap_or(usize::MAX),
            cardinality: edge.cardinality,
        });
        NodeLayout {
            entity: node.entity.clone(),
            members: members_of(&nesting.members),
            structs,
            labels: labels.collect(),
            edges: edges.collect(),
        }
    }

    /// The members of a row, or of a struct in it.
    pub(crate) fn members_of(&self, of: Option<usize>) -> &[MemberLayout] {
        match of {
            None => &self.members,
            Some(of) => self.structs.get(of).map_or(&[], |of| &of.members),
        }
    }
}
