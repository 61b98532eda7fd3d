//! Writes: create, update, upsert, delete, with nested writes along relations.

use rkyv::{Archive, Deserialize, Serialize};

use super::{DeletedRows, Expr, KeyPart, Selection};
use crate::error::Span;
use crate::value::Value;

/// Creates rows, each with its nested writes.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Create {
    /// The entity.
    pub entity: String,
    /// Where its name stands in a text.
    pub span: Option<Span>,
    /// The rows.
    pub rows: Vec<RecordInput>,
    /// Whether a row whose unique key is taken is passed over.
    pub skip_duplicates: bool,
    /// The graph that is read of the created rows, in the same snapshot.
    pub returning: Option<Selection>,
}

/// Updates the row of a key, or the rows of a filter.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Update {
    /// The entity.
    pub entity: String,
    /// Where its name stands in a text.
    pub span: Option<Span>,
    /// Which rows.
    pub target: Target,
    /// Whether soft-deleted rows are updated as well.
    pub deleted: DeletedRows,
    /// The version behind which none of the rows may have changed: a literal or parameter, the text of a version token.
    pub expected: Option<Expr>,
    /// The new values.
    pub set: RecordInput,
    /// The graph that is read of the updated rows, in the same snapshot.
    pub returning: Option<Selection>,
}

/// Updates the row of a key, or creates it.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Upsert {
    /// The entity.
    pub entity: String,
    /// Where its name stands in a text.
    pub span: Option<Span>,
    /// The unique key.
    pub key: Vec<KeyPart>,
    /// The new row where there is none; the key's fields are filled in where they are not given.
    pub create: RecordInput,
    /// The new values where there is one.
    pub update: RecordInput,
    /// The graph that is read of the row, in the same snapshot.
    pub returning: Option<Selection>,
}

/// Deletes the row of a key, or the rows of a filter.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Delete {
    /// The entity.
    pub entity: String,
    /// Where its name stands in a text.
    pub span: Option<Span>,
    /// Which rows.
    pub target: Target,
    /// What becomes of them.
    pub removal: Removal,
    /// The version behind which none of the rows may have changed: a literal or parameter, the text of a version token.
    pub expected: Option<Expr>,
    /// The graph that is read of the rows before they go.
    pub returning: Option<Selection>,
}

/// What a delete does with rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Removal {
    /// What the entity declares: with `@@softDelete` they are kept and hidden, else removed.
    #[default]
    AsDeclared,
    /// `permanently`: they are removed, those that are soft-deleted already as well.
    Permanent,
}

/// Which rows a write is for.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub enum Target {
    /// The one row of a unique key: an error if it is not there.
    Key(Vec<KeyPart>),
    /// All rows of a filter (of none: every row), at most `limit` of them in primary-key order.
    Filter {
        /// The filter.
        filter: Option<Expr>,
        /// The most rows.
        limit: Option<Expr>,
    },
}

/// Values of one row, and nested writes.
#[derive(Clone, Debug, Default, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub struct RecordInput {
    /// Assignments, in order; a name stands at most once.
    #[rkyv(omit_bounds)]
    pub assignments: Vec<Assignment>,
}

/// What is done to one field or relation.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub struct Assignment {
    /// The field or relation.
    pub name: String,
    /// Where it stands in a text.
    pub span: Option<Span>,
    /// What is done.
    #[rkyv(omit_bounds)]
    pub op: AssignOp,
}

impl Assignment {
    /// Sets a field to a constant.
    pub fn constant(name: impl Into<String>, value: Value) -> Assignment {
        Assignment { name: name.into(), span: None, op: AssignOp::Set(Expr::literal(value)) }
    }
}

/// What is done to a field or relation.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub enum AssignOp {
    /// The field gets the value; in an update the expression sees the row as it was.
    Set(Expr),
    /// `+=`
    Increment(Expr),
    /// `-=`
    Decrement(Expr),
    /// `*=`
    Multiply(Expr),
    /// `/=`
    Divide(Expr),
    /// Writes along the relation, in order.
    Nested(#[rkyv(omit_bounds)] Vec<NestedWrite>),
    /// The embedded struct gets these members, and defaults or null for the others.
    Struct(#[rkyv(omit_bounds)] RecordInput),
}

/// A write along a relation, for the row at hand.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub enum NestedWrite {
    /// Creates related rows and connects them.
    Create {
        /// The rows.
        #[rkyv(omit_bounds)]
        rows: Vec<RecordInput>,
        /// Whether a row whose unique key is taken is passed over, and not connected either.
        skip_duplicates: bool,
    },
    /// Connects rows that are there, each by a unique key of the target.
    Connect(Vec<Vec<KeyPart>>),
    /// Connects the row of a unique key, or creates and connects it.
    ConnectOrCreate {
        /// The unique key.
        key: Vec<KeyPart>,
        /// The row, where there is none.
        #[rkyv(omit_bounds)]
        create: RecordInput,
    },
    /// Disconnects rows, each by a unique key of the target; of a to-one relation, none are named.
    Disconnect(Vec<Vec<KeyPart>>),
    /// Makes the connected rows exactly these.
    Replace(Vec<Vec<KeyPart>>),
    /// Updates connected rows.
    Update {
        /// The unique key of one; none for the row of a to-one relation.
        key: Option<Vec<KeyPart>>,
        /// Which of them, where no key is given.
        filter: Option<Expr>,
        /// The new values.
        #[rkyv(omit_bounds)]
        set: RecordInput,
    },
    /// Updates the connected row of a key, or creates and connects it.
    Upsert {
        /// The unique key; none for the row of a to-one relation.
        key: Option<Vec<KeyPart>>,
        /// The row, where there is none.
        #[rkyv(omit_bounds)]
        create: RecordInput,
        /// The new values, where there is one.
        #[rkyv(omit_bounds)]
        update: RecordInput,
    },
    /// Deletes connected rows.
    Delete {
        /// The unique key of one; none for the row of a to-one relation.
        key: Option<Vec<KeyPart>>,
        /// Which of them, where no key is given.
        filter: Option<Expr>,
    },
}
