//! What there is in a shape, by name.

use std::borrow::Cow;

use crate::block::ColumnKind;
use crate::error::{Error, ErrorCode, Result};
use crate::schema::PRESENCE_SIGN;

use super::{FromMember, within};
use crate::block::ColumnType;
use crate::result::{Cardinality, ResultShape, ShapeColumn, ShapeNode};

/// A node of a shape, or a struct of its rows.
#[derive(Clone, Debug)]
pub struct Node<'s> {
    shape: &'s ResultShape,
    at: usize,
    /// Nothing, or the path of the struct and a point.
    prefix: String,
}

/// Where a member of a row stands.
#[derive(Clone, Debug)]
pub struct Place<'s> {
    pub(super) node: Node<'s>,
    pub(super) what: What,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(super) enum What {
    Column(usize),
    /// The elements of the lists of a column.
    Elements(usize),
    Edge {
        slot: usize,
        child: usize,
        cardinality: Cardinality,
    },
    /// A struct, by the prefix of its columns, and the column that says whether it is there.
    Struct {
        prefix: String,
        presence: Option<usize>,
    },
    /// The row itself.
    Row,
}

impl<'s> Node<'s> {
    /// The root.
    pub(super) const fn root(shape: &'s ResultShape) -> Node<'s> {
        Node { shape, at: 0, prefix: String::new() }
    }

    /// The entity, for errors.
    pub fn entity(&self) -> &'s str {
        self.shape.node(self.at).map_or("", |node| node.entity.as_str())
    }

    /// Plans the member of this name.
    ///
    /// # Errors
    /// `UnknownField` if there is none; `TypeMismatch` if it is of another type.
    pub fn member<T: FromMember>(&self, name: &str) -> Result<T::Plan> {
        match self.member_if_there::<T>(name)? {
            Some(plan) => Ok(plan),
            None => {
                let message =
                    format!("the result has no `{}{name}` here, and the struct wants it", self.prefix);
                let error = Error::new(ErrorCode::UnknownField, message).entity(self.entity()).field(name);
                let known = self.shape.node(self.at).into_iter().flat_map(|node| {
                    let columns = node.columns.iter().map(|column| column.name.as_str());
                    columns.chain(node.edges.iter().map(|edge| edge.alias.as_str()))
                });
                Err(error.suggest(name, known))
            }
        }
    }

    /// Plans the member of this name, where there is one.
    ///
    /// # Errors
    /// `TypeMismatch` if it is of another type.
    pub fn member_if_there<T: FromMember>(&self, name: &str) -> Result<Option<T::Plan>> {
        let Some(what) = self.shape.node(self.at).and_then(|node| self.find(node, name)) else {
            return Ok(None);
        };
        let place = Place { node: self.clone(), what };
        T::plan(&place).map(Some).map_err(|error| within(error, self.entity(), name))
    }

    fn find(&self, node: &ShapeNode, name: &str) -> Option<What> {
        // What stands in no struct, as most does, is called as it is.
        let path: Cow<'_, str> = match self.prefix.as_str() {
            "" => name.into(),
            prefix => format!("{prefix}{name}").into(),
        };
        if let Some(at) = node.column(&path) {
            return Some(What::Column(at));
        }
        if let Some(at) = node.edge(&path) {
            let edge = node.edges.get(at)?;
            let child = usize::try_from(edge.child).ok()?;
            let slot = self.shape.edge_slot(self.at, at);
            return Some(What::Edge { slot, child, cardinality: edge.cardinality });
        }
        let is_struct = node
            .columns
            .iter()
            .any(|column| column_behind(column, &path).is_some_and(|rest| rest.starts_with('.')));
        let is_flag = |rest: &str| rest.strip_prefix(PRESENCE_SIGN) == Some("");
        let presence =
            node.columns.iter().position(|column| column_behind(column, &path).is_some_and(is_flag));
        (is_struct || presence.is_some()).then(|| What::Struct { prefix: format!("{path}."), presence })
    }
}

/// What the name of a column has behind a path.
fn column_behind<'c>(column: &'c ShapeColumn, path: &str) -> Option<&'c str> {
    column.name.strip_prefix(path)
}

impl<'s> Place<'s> {
    /// The number of the node.
    pub(super) const fn node_at(&self) -> usize {
        self.node.at
    }

    pub(super) fn with(&self, what: What) -> Place<'s> {
        Place { node: self.node.clone(), what }
    }

    /// The child of an edge, as a row.
    pub(super) fn child(&self, child: usize) -> Place<'s> {
        Place { node: self.row_node(child), what: What::Row }
    }

    pub(super) fn row_node(&self, at: usize) -> Node<'s> {
        Node { shape: self.node.shape, at, prefix: String::new() }
    }

    pub(super) fn struct_node(&self, prefix: &str) -> Node<'s> {
        Node { prefix: prefix.to_owned(), ..self.node.clone() }
    }

    /// The column that stands there, or whose elements do.
    pub(super) fn column(&self) -> Option<&'s ShapeColumn> {
        match self.what {
            What::Column(at) | What::Elements(at) => self.node.shape.node(self.node.at)?.columns.get(at),
            What::Edge { .. } | What::Struct { .. } | What::Row => None,
        }
    }

    /// The kind of the single values that stand there.
    pub(super) fn kind(&self) -> Option<ColumnKind> {
        let ty = self.column()?.ty;
        match (&self.what, ty) {
            (What::Column(_), ColumnType::Scalar(kind)) | (What::Elements(_), ColumnType::List(kind)) => {
                Some(kind)
            }
            _ => None,
        }
    }

    /// What stands there, for an error.
    pub(super) fn told(&self) -> String {
        match &self.what {
            What::Column(_) | What::Elements(_) => match (self.kind(), self.column()) {
                (Some(kind), _) => format!("values of type {kind:?}"),
                (None, Some(column)) => format!("lists of {:?}", column.ty.kind()),
                (None, None) => "nothing".to_owned(),
            },
            What::Edge { cardinality: Cardinality::Many, .. } => "related rows".to_owned(),
            What::Edge { cardinality: Cardinality::One, .. } => "a related row".to_owned(),
            What::Struct { .. } => "a struct".to_owned(),
            What::Row => "rows".to_owned(),
        }
    }
}
