//! Results as structs by a plan: `#[derive(FromRow)]`.
//!
//! A plan is made once of the shape of a result: which column, edge or struct each field of a Rust struct is, and that its
//! type fits. Reading a chunk then opens those columns, and takes value after value from where they lie: no name is
//! looked for, and no type is asked for, in any row.
//!
//! Invariants: (1) a plan that was made fits every chunk of its shape; (2) columns that no field wants are not touched;
//! (3) one conversion walks at most [`ROWS_WALKED_MAX`] rows, however often edges lead to the same one.
//!
//! | field | of the result |
//! | --- | --- |
//! | `bool`, `i16`, `i32`, `i64`, `f32`, `f64` | a number of this type or of a narrower one; as `i64` an instant, local time or time in microseconds, as `i32` a day since 1970 |
//! | `String` | text, a JSON document's text, an enum's label |
//! | [`Decimal`](crate::value::Decimal), [`Interval`](crate::value::Interval), [`Value`](crate::Value), `Vec<u8>`, `[u8; 16]` | a decimal, interval, anything, bytes, UUID |
//! | `Option<T>` | what may be null; a withheld value is none, too; the row of a to-one relation; a struct that may be absent |
//! | `Vec<T>` | an array; the rows of a to-many relation |
//! | `Box<T>` | as `T`: for a struct that holds itself |
//! | a struct that derives `FromRow` | a related row that is always there; an embedded struct |

mod many;
mod node;
mod optional;
mod scalar;
#[doc(hidden)]
pub mod seat;
mod text;

use std::cell::Cell;
use std::sync::Arc;

use crate::block::malformed;
pub use crate::error::Result;
use crate::error::{Error, ErrorCode};

use super::view::{ROWS_WALKED_MAX, too_many};
use super::{Chunk, GraphResult, ResultShape};
pub use node::{Node, Place};
pub use text::{FromLabel, label};

/// A struct that rows become. Implemented by `#[derive(FromRow)]`, on which the table of
/// [`typed_rows`](GraphResult::typed_rows) says what its fields may be.
pub trait FromRow: Sized {
    /// Where the fields stand in results of one shape.
    type Plan: Send + Sync;
    /// The columns of one chunk.
    type Columns<'r>;

    /// Finds the fields.
    ///
    /// # Errors
    /// `UnknownField` if the result lacks one; `TypeMismatch` if it is of another type.
    fn plan(node: &Node<'_>) -> Result<Self::Plan>;

    /// Opens the columns of a chunk.
    ///
    /// # Errors
    /// `ProtocolViolation` if a column is damaged.
    fn open<'r>(plan: &'r Self::Plan, chunk: &OpenChunk<'r>) -> Result<Self::Columns<'r>>;

    /// Reads a row.
    ///
    /// # Errors
    /// `TypeMismatch` if a value is null that must not be; `ProtocolViolation` if it is damaged.
    fn read(columns: &Self::Columns<'_>, row: usize) -> Result<Self>;
}

/// Makes an array of bytes.
pub type OfBytes<T> = fn(&[u8]) -> Vec<T>;

/// What a field of a [`FromRow`] struct may be.
pub trait FromMember: Sized {
    /// Where it stands in results of one shape.
    type Plan: Send + Sync;
    /// What it is read from in one chunk.
    type Reader<'r>;

    /// Of an element of an array: how bytes become an array of it.
    const OF_BYTES: Option<OfBytes<Self>> = None;

    /// Finds it.
    ///
    /// # Errors
    /// `TypeMismatch` if what stands there is of another type.
    fn plan(place: &Place<'_>) -> Result<Self::Plan>;

    /// Opens what it is read from.
    ///
    /// # Errors
    /// `ProtocolViolation` if that is damaged.
    fn open<'r>(plan: &'r Self::Plan, chunk: &OpenChunk<'r>) -> Result<Self::Reader<'r>>;

    /// Whether a row has nothing there.
    fn is_absent(reader: &Self::Reader<'_>, row: usize) -> bool;

    /// Reads a row's.
    ///
    /// # Errors
    /// `TypeMismatch` if it is null and must not be; `ProtocolViolation` if it is damaged.
    fn read(reader: &Self::Reader<'_>, row: usize) -> Result<Self>;
}

/// A chunk with its shape.
#[derive(Clone, Copy)]
pub struct OpenChunk<'r> {
    shape: &'r ResultShape,
    chunk: &'r Chunk,
    /// How many more rows may be walked.
    left: &'r Cell<u64>,
}

impl OpenChunk<'_> {
    /// Counts rows that are about to be read.
    fn walk(left: &Cell<u64>, rows: usize) -> Result<()> {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        left.set(left.get().checked_sub(rows).ok_or_else(too_many)?);
        Ok(())
    }
}

/// Where the fields of `T` stand in results of one shape: made once, and used for every chunk.
///
/// # Example
/// ```
/// # use ormdb_proto::result::{Chunk, FromRow, ResultShape, RowPlan};
/// # use std::sync::Arc;
/// # fn f<T: FromRow>(shape: Arc<ResultShape>, chunks: Vec<Chunk>) -> ormdb_proto::Result<()> {
/// let plan = RowPlan::<T>::new(shape)?;
/// for chunk in &chunks {
///     let rows: Vec<T> = plan.read(chunk)?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct RowPlan<T: FromRow> {
    shape: Arc<ResultShape>,
    root: T::Plan,
}

impl<T: FromRow> RowPlan<T> {
    /// Finds the fields of `T` in a shape.
    ///
    /// # Errors
    /// `UnknownField` if the result lacks one; `TypeMismatch` if it is of another type; with the entity and field.
    pub fn new(shape: Arc<ResultShape>) -> Result<RowPlan<T>> {
        let root = T::plan(&Node::root(&shape))?;
        Ok(RowPlan { shape, root })
    }

    /// The shape that it is of.
    pub const fn shape(&self) -> &Arc<ResultShape> {
        &self.shape
    }

    /// The root rows of a chunk.
    ///
    /// # Errors
    /// `TypeMismatch` if a value is null that must not be, with the entity and field; `ProtocolViolation` if the chunk is
    /// damaged; `LimitExceeded` if its graph is too large to be written out.
    pub fn read(&self, chunk: &Chunk) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.read_into(chunk, &Cell::new(ROWS_WALKED_MAX), &mut rows)?;
        Ok(rows)
    }

    fn read_into(&self, chunk: &Chunk, left: &Cell<u64>, rows: &mut Vec<T>) -> Result<()> {
        let open = OpenChunk { shape: &self.shape, chunk, left };
        let columns = T::open(&self.root, &open)?;
        let roots = chunk.edges(0)?.children(0)?;
        OpenChunk::walk(left, roots.len())?;
        rows.reserve(roots.len());
        for row in roots.iter() {
            rows.push(T::read(&columns, row)?);
        }
        Ok(())
    }
}

impl GraphResult {
    /// The root rows as structs that derive `FromRow`.
    ///
    /// # Errors
    /// As [`RowPlan::new`] and [`RowPlan::read`].
    pub fn typed_rows<T: FromRow>(&self) -> Result<Vec<T>> {
        let plan = RowPlan::<T>::new(Arc::clone(self.shape()))?;
        let left = Cell::new(ROWS_WALKED_MAX);
        let mut rows = Vec::new();
        for chunk in self.chunks() {
            plan.read_into(chunk, &left, &mut rows)?;
        }
        Ok(rows)
    }
}

/// The error of a value that is null and must not be.
fn null() -> Error {
    Error::new(ErrorCode::TypeMismatch, "the value is null, or withheld").hint("an `Option` takes it")
}

/// The error of something else than what the struct has.
fn mismatch(wanted: &str, found: &str) -> Error {
    Error::new(ErrorCode::TypeMismatch, format!("the struct has {wanted}, and the result {found}"))
}

/// The error of a plan that is used for another result.
fn other_shape() -> Error {
    malformed("a chunk does not have the shape of the plan")
}

/// With the entity and field, where they are not said yet.
#[doc(hidden)]
pub fn within(mut error: Error, entity: &str, field: &str) -> Error {
    if error.detail.field.is_none() {
        error.message = format!("`{entity}.{field}`: {}", error.message);
        error = error.entity(entity).field(field);
    }
    error
}

#[cfg(test)]
mod tests;
