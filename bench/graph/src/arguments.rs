//! What the cases are asked with: the same, in the same order, for every form of a case.

use fastrand::Rng;

use crate::data::{self, CommentRow, Data};

/// Arguments, picked in turn.
pub(crate) struct Arguments {
    pub(crate) users: Vec<i64>,
    pub(crate) emails: Vec<String>,
    /// From which user on a page of users is read.
    pub(crate) pages: Vec<i64>,
    pub(crate) posts: Vec<i64>,
    pub(crate) tags: Vec<String>,
    pub(crate) instants: Vec<i64>,
    /// New ones.
    pub(crate) comments: Vec<CommentRow>,
    /// Every second is that of a new user.
    pub(crate) upserts: Vec<(i64, String)>,
}

/// How many of each there are before they repeat.
const COUNT: usize = 4096;
/// Of those that do not repeat: what is written.
const WRITES: i64 = 20_000;

impl Arguments {
    pub(crate) fn new(data: &Data, rng: &mut Rng) -> Arguments {
        let (users, posts, comments) = (data.last_user(), data.last_post(), data.last_comment());
        let chosen: Vec<i64> = (0..COUNT).map(|_| data::skewed(users, rng)).collect();
        Arguments {
            emails: chosen.iter().map(|id| data::email(*id)).collect(),
            users: chosen,
            pages: (0..COUNT).map(|_| rng.i64(1..=(users - 20).max(1))).collect(),
            posts: (0..COUNT).map(|_| data::skewed(posts, rng)).collect(),
            tags: (0..COUNT).filter_map(|_| rng.choice(&data.tags)).map(|tag| tag.name.clone()).collect(),
            instants: (0..COUNT).map(|_| data::instant(rng.i64(comments / 2..=comments))).collect(),
            comments: (1..=WRITES).map(|at| data::comment(comments + at, users, rng)).collect(),
            upserts: (1..=WRITES)
                .map(|at| {
                    let id = if at % 2 == 0 { users + at } else { data::skewed(users, rng) };
                    (id, data::email(id))
                })
                .collect(),
        }
    }
}

/// The argument of an operation.
pub(crate) fn pick<T>(of: &[T], at: usize) -> crate::Result<&T> {
    of.get(at % of.len().max(1)).ok_or_else(|| "there are no arguments".into())
}
