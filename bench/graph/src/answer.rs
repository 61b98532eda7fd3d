//! What a program gets of a query: owned objects, the same from both sides.

use ormdb::FromRow;

/// What one operation gave.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Users(Vec<User>),
    Posts(Vec<Post>),
    Groups(Vec<Group>),
    Written,
}

#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
    #[row(name = "joinedAt")]
    pub(crate) joined_at: i64,
    #[row(default)]
    pub(crate) posts: Vec<Post>,
}

#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct Post {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) score: i64,
    #[row(name = "createdAt")]
    pub(crate) created_at: i64,
    #[row(default)]
    pub(crate) comments: Vec<Comment>,
    #[row(default)]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct Comment {
    pub(crate) id: i64,
    pub(crate) text: String,
    #[row(name = "createdAt")]
    pub(crate) created_at: i64,
    #[row(default)]
    pub(crate) author: Option<Author>,
}

#[derive(Clone, Debug, PartialEq, FromRow)]
pub(crate) struct Author {
    pub(crate) id: i64,
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct Tag {
    pub(crate) id: i64,
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct Group {
    pub(crate) key: i64,
    pub(crate) n: i64,
    pub(crate) top: i64,
}

/// What there is of an entity.
#[derive(Debug, PartialEq, FromRow)]
pub(crate) struct Summary {
    pub(crate) n: i64,
    pub(crate) top: i64,
}
