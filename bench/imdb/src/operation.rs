//! What the site does, and how fast each has to be.

use serde::Serialize;

/// An operation of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// A movie with its directors and cast in the order of their lists, and its reviews, newest first, with their authors.
    GetMovie,
    /// A person with the movies that they acted in and directed, and the average rating of each.
    GetPerson,
    /// A user with the latest ten reviews, their movies, and the average rating of each over all reviews.
    GetUser,
    /// A user.
    InsertUser,
    /// A movie with its directors and cast, given back with them.
    InsertMovie,
    /// Another title for a movie.
    UpdateMovie,
}

/// How many times as fast as the other side this database has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bars {
    /// By the median time of one connection, beside PostgreSQL.
    pub(crate) p50_at_1: f64,
    /// By operations a second of eight connections, beside PostgreSQL.
    pub(crate) rate_at_8: f64,
    /// By the median time in the process, beside SQLite.
    pub(crate) embedded: f64,
}

impl Operation {
    pub(crate) const ALL: [Operation; 6] = [
        Operation::GetMovie,
        Operation::GetPerson,
        Operation::GetUser,
        Operation::InsertUser,
        Operation::InsertMovie,
        Operation::UpdateMovie,
    ];

    /// As the drivers know it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Operation::GetMovie => "get_movie",
            Operation::GetPerson => "get_person",
            Operation::GetUser => "get_user",
            Operation::InsertUser => "insert_user",
            Operation::InsertMovie => "insert_movie",
            Operation::UpdateMovie => "update_movie",
        }
    }

    /// Whether it changes anything.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Operation::InsertUser | Operation::InsertMovie | Operation::UpdateMovie)
    }

    /// Whether its answer has a new id, which differs from side to side.
    pub(crate) const fn inserts(self) -> bool {
        matches!(self, Operation::InsertUser | Operation::InsertMovie)
    }

    pub(crate) const fn bars(self) -> Bars {
        let (p50_at_1, rate_at_8, embedded) = match self {
            Operation::GetMovie => (3.0, 4.0, 4.0),
            Operation::GetPerson => (2.5, 3.3, 4.0),
            Operation::GetUser => (3.4, 5.0, 4.0),
            Operation::InsertUser => (1.4, 2.0, 1.0),
            Operation::InsertMovie => (1.8, 2.5, 2.0),
            Operation::UpdateMovie => (1.3, 2.0, 1.0),
        };
        Bars { p50_at_1, rate_at_8, embedded }
    }
}
