//! Reads: a root entity, and a tree of what is selected and included.

use rkyv::{Archive, Deserialize, Serialize};

use super::{Expr, RowLock};
use crate::error::Span;

/// A graph fetch.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Fetch {
    /// The root entity.
    pub entity: String,
    /// Where its name stands in a text.
    pub span: Option<Span>,
    /// The values of a unique key, for the fetch of one row: `User[email: "a@b.c"]`.
    pub key: Option<Vec<KeyPart>>,
    /// What is read of the root rows, or of their groups.
    pub selection: Selection,
    /// How the root rows are put into groups, where groups of them are asked for and not the rows.
    pub group: Option<Grouping>,
    /// A lock of the root rows.
    pub lock: Option<RowLock>,
    /// The version whose state is read: a literal or parameter, the text of a version token.
    pub as_of: Option<Expr>,
}

impl Fetch {
    /// A fetch of the rows of an entity.
    pub fn of(entity: impl Into<String>, selection: Selection) -> Fetch {
        let entity = entity.into();
        Fetch { entity, span: None, key: None, selection, group: None, lock: None, as_of: None }
    }
}

/// Rows that are equal in some expressions make a group; what is read of a group are these and aggregates of its rows.
#[derive(Clone, Debug, Default, PartialEq, Archive, Serialize, Deserialize)]
pub struct Grouping {
    /// What the rows of a group have in common; of nothing, all rows are one group, even if there are none.
    pub by: Vec<Expr>,
    /// Which groups. An aggregate whose relation is empty is one of the group's rows.
    pub having: Option<Expr>,
}

/// The value of one field of a unique key.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct KeyPart {
    /// The field; none where the entity's primary key has one field, and only its value is given.
    pub field: Option<String>,
    /// The value: a literal or a parameter.
    pub value: Expr,
}

/// Which rows, in which order, and what of them.
#[derive(Clone, Debug, Default, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub struct Selection {
    /// Whether soft-deleted rows are read as well.
    pub deleted: DeletedRows,
    /// Which rows.
    pub filter: Option<Expr>,
    /// Their order; the primary key ascending breaks ties, and orders where nothing else does.
    pub order: Vec<OrderBy>,
    /// Of rows that are equal in all of these, the first in the order alone is read; of none, every row.
    pub distinct: Vec<Expr>,
    /// The row from whose place in the order on rows are read, or up to it.
    pub cursor: Option<Place>,
    /// The most rows, per parent in an include: a literal or parameter.
    pub limit: Option<Expr>,
    /// From which end of the order offset and limit count.
    pub end: End,
    /// How many rows are passed over first, per parent in an include.
    pub offset: Option<Expr>,
    /// What is read of each row, in order; empty means all fields.
    #[rkyv(omit_bounds)]
    pub items: Vec<SelectItem>,
}

/// A place in an order: that of the row which has a key, whether or not a filter accepts that row. Where there is no
/// such row, no row is read.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Place {
    /// Which rows are read.
    pub side: Side,
    /// The values of a unique key.
    pub key: Vec<KeyPart>,
}

/// On which side of a place rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Side {
    /// Those behind it.
    After,
    /// It, and those behind it.
    From,
    /// Those before it.
    Before,
    /// It, and those before it.
    Until,
}

/// An end of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum End {
    /// The first rows are taken.
    #[default]
    First,
    /// The last rows are taken; they come in the order asked for all the same.
    Last,
}

/// Whether rows are seen that were deleted and are kept (`@@softDelete`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum DeletedRows {
    /// They are hidden, as if they were not there.
    #[default]
    Hidden,
    /// `with deleted`: they are seen beside the others.
    Shown,
}

/// One thing that is read of each row.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub enum SelectItem {
    /// All stored fields but some: `*`, `* except (a, b)`.
    All {
        /// The fields that are left out.
        except: Vec<String>,
    },
    /// A field of the row.
    Field {
        /// Its name.
        name: String,
        /// Where it stands in a text.
        span: Option<Span>,
    },
    /// An expression under a name.
    Computed {
        /// The name in the result.
        alias: String,
        /// The expression.
        expr: Expr,
    },
    /// Related rows.
    Include(#[rkyv(omit_bounds)] Box<Include>),
}

/// Related rows of each row.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub struct Include {
    /// The name in the result; the relation's where none is given.
    pub alias: Option<String>,
    /// The relation.
    pub relation: String,
    /// Where it stands in a text.
    pub span: Option<Span>,
    /// Of a relation to the same entity: on how many levels below each other the rows are read, each with all of the
    /// same. A literal or parameter; one level where nothing is said.
    pub recursive: Option<Expr>,
    /// What is read of the related rows.
    #[rkyv(omit_bounds)]
    pub selection: Selection,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize)]
pub struct OrderBy {
    /// What is compared.
    pub expr: Expr,
    /// Which end comes first.
    pub direction: SortDirection,
    /// Where nulls come; as in PostgreSQL, last when ascending and first when descending, where not said.
    pub nulls: Option<Nulls>,
}

/// Which end of an order comes first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SortDirection {
    /// The least.
    Ascending,
    /// The greatest.
    Descending,
}

/// Where nulls come in an order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// Before every value.
    First,
    /// After every value.
    Last,
}
