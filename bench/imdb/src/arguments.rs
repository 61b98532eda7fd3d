//! What the operations are asked with: the same, in the same order, for every driver. Those of other processes read a file of it.

use std::path::Path;

use fastrand::Rng;
use serde::Serialize;

use crate::Result;
use crate::data::{self, Data, NewMovie, NewUser};
use crate::statements::{self, Statements};

/// How many of each there are before they repeat.
const COUNT: usize = 4096;

/// Arguments, picked in turn.
#[derive(Serialize)]
pub(crate) struct Arguments {
    pub(crate) movies: Vec<i64>,
    pub(crate) people: Vec<i64>,
    pub(crate) users: Vec<i64>,
    pub(crate) new_movies: Vec<NewMovie>,
    pub(crate) new_users: Vec<NewUser>,
}

/// What a driver is given.
#[derive(Serialize)]
pub(crate) struct Given {
    pub(crate) arguments: Arguments,
    pub(crate) statements: Statements,
}

impl Given {
    pub(crate) fn new(data: &Data, rng: &mut Rng) -> Given {
        let last = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut chosen = |count: usize| (0..COUNT).map(|_| data::skewed(last(count), rng)).collect();
        let (movies, people, users) =
            (chosen(data.movies.len()), chosen(data.people.len()), chosen(data.users.len()));
        let arguments = Arguments {
            movies,
            people,
            users,
            new_movies: (0..COUNT).map(|_| data::movie(last(data.people.len()), rng)).collect(),
            new_users: (0..COUNT).map(|_| data::user(rng)).collect(),
        };
        Given { arguments, statements: statements::all() }
    }

    /// Writes it for the drivers of other processes.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_vec(self)?)?)
    }
}

/// The title that a movie gets: another one each time, so that no update finds what it would write.
pub(crate) fn new_title(arguments: &Arguments, at: usize) -> Result<String> {
    Ok(format!("{} {at}", pick(&arguments.new_movies, at)?.title))
}

/// The argument of an operation.
pub(crate) fn pick<T>(of: &[T], at: usize) -> Result<&T> {
    of.get(at % of.len().max(1)).ok_or_else(|| "there are no arguments".into())
}
