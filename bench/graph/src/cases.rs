//! What is run: each case in the forms of both sides, which give the same answers.

mod graphs;
mod points;
mod sets;
mod writes;

use ormdb::Session;
use rusqlite::Connection;

use crate::Result;
use crate::answer::Answer;
use crate::arguments::Arguments;

pub(crate) use writes::writes;

/// One way to ask, for the operation of a number.
pub(crate) type Run<'a> = Box<dyn FnMut(usize) -> Result<Answer> + 'a>;

/// The form of this database; all other forms are SQLite's.
pub(crate) const ORMDB: &str = "ormdb";

/// A question, in all forms.
pub(crate) struct Case<'a> {
    pub(crate) name: &'static str,
    /// How many times as fast as SQLite's best form it has to be.
    pub(crate) bar: f64,
    pub(crate) operations: usize,
    pub(crate) forms: Vec<(&'static str, Run<'a>)>,
}

/// What a case asks with: both databases and the arguments.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) session: &'a Session,
    pub(crate) connection: &'a Connection,
    pub(crate) arguments: &'a Arguments,
}

/// All cases that read.
pub(crate) fn reads<'a>(sides: Sides<'a>) -> Result<Vec<Case<'a>>> {
    let mut cases = points::points(sides)?;
    cases.extend(graphs::graphs(sides)?);
    cases.extend(sets::sets(sides)?);
    Ok(cases)
}
