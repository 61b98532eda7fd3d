//! SQLite: the same tables and indexes, and what all its forms of a query share.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{CachedStatement, Connection, Row, params_from_iter};

use crate::Result;
use crate::answer::{Author, Comment, Post, User};
use crate::data::Data;

const SCHEMA: &str = "
create table user (
  id integer primary key, email text not null unique, name text not null, joined_at integer not null,
  logins integer not null
);
create table post (
  id integer primary key, author_id integer not null references user, title text not null, body text not null,
  kind integer not null, score integer not null, created_at integer not null
);
create index post_author on post (author_id, created_at desc);
create table comment (
  id integer primary key, post_id integer not null references post, author_id integer not null references user,
  text text not null, created_at integer not null
);
create index comment_post on comment (post_id, created_at);
create index comment_author on comment (author_id);
create table tag (id integer primary key, name text not null unique);
create table post_tag (
  post_id integer not null references post, tag_id integer not null references tag, primary key (post_id, tag_id)
) without rowid;
create index post_tag_tag on post_tag (tag_id, post_id);
";

pub(crate) const USER: &str = "u.id, u.email, u.name, u.joined_at";
pub(crate) const POST: &str = "p.id, p.title, p.body, p.score, p.created_at";
pub(crate) const COMMENT: &str = "c.id, c.text, c.created_at";

/// Opens a file, with a write-ahead log that is synced at every commit or at checkpoints only.
pub(crate) fn open(path: &Path, synced: bool, cache_mib: u32) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", if synced { "full" } else { "normal" })?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -(i64::from(cache_mib) << 10))?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// Declares the tables and fills them, `batch` rows a transaction; then gives its planner the statistics that it asks for.
pub(crate) fn load(connection: &mut Connection, data: &Data, batch: usize) -> Result<()> {
    connection.execute_batch(SCHEMA)?;
    insert_all(connection, "insert into user values (?,?,?,?,?)", &data.users, batch, |insert, row| {
        insert.execute((row.id, &row.email, &row.name, row.joined_at, row.logins))
    })?;
    insert_all(connection, "insert into post values (?,?,?,?,?,?,?)", &data.posts, batch, |insert, row| {
        insert.execute((row.id, row.author_id, &row.title, &row.body, row.kind, row.score, row.created_at))
    })?;
    insert_all(
        connection,
        "insert into comment values (?,?,?,?,?)",
        &data.comments,
        batch,
        |insert, row| insert.execute((row.id, row.post_id, row.author_id, &row.text, row.created_at)),
    )?;
    insert_all(connection, "insert into tag values (?,?)", &data.tags, batch, |insert, row| {
        insert.execute((row.id, &row.name))
    })?;
    insert_all(connection, "insert into post_tag values (?,?)", &data.post_tags, batch, |insert, row| {
        insert.execute(*row)
    })
}

fn insert_all<T>(
    connection: &mut Connection,
    sql: &str,
    rows: &[T],
    batch: usize,
    insert: impl Fn(&mut CachedStatement<'_>, &T) -> rusqlite::Result<usize>,
) -> Result<()> {
    for rows in rows.chunks(batch) {
        let transaction = connection.transaction()?;
        let mut statement = transaction.prepare_cached(sql)?;
        for row in rows {
            insert(&mut statement, row)?;
        }
        drop(statement);
        transaction.commit()?;
    }
    Ok(())
}

pub(crate) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        joined_at: row.get(3)?,
        posts: Vec::new(),
    })
}

/// A post whose columns begin at `at`.
pub(crate) fn post(row: &Row<'_>, at: usize) -> rusqlite::Result<Post> {
    Ok(Post {
        id: row.get(at)?,
        title: row.get(at + 1)?,
        body: row.get(at + 2)?,
        score: row.get(at + 3)?,
        created_at: row.get(at + 4)?,
        comments: Vec::new(),
        tags: Vec::new(),
    })
}

/// A comment whose columns begin at `at`.
pub(crate) fn comment(row: &Row<'_>, at: usize) -> rusqlite::Result<Comment> {
    Ok(Comment { id: row.get(at)?, text: row.get(at + 1)?, created_at: row.get(at + 2)?, author: None })
}

/// An author whose columns begin at `at`.
pub(crate) fn author(row: &Row<'_>, at: usize) -> rusqlite::Result<Author> {
    Ok(Author { id: row.get(at)?, name: row.get(at + 1)? })
}

/// Runs a query whose `{}` is a list of `ids`. Lists are filled up to a power of two, so that few texts are prepared.
pub(crate) fn in_list(
    connection: &Connection,
    sql: (&str, &str),
    ids: &[i64],
    mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<()> {
    let (Some(last), Some(more)) = (ids.last(), ids.len().checked_next_power_of_two()) else { return Ok(()) };
    let marks = vec!["?"; more].join(",");
    let mut statement = connection.prepare_cached(&format!("{} ({marks}) {}", sql.0, sql.1))?;
    let filled = ids.iter().chain(std::iter::repeat(last)).take(more);
    let mut rows = statement.query(params_from_iter(filled))?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

/// The places of ids in a list.
pub(crate) fn places(ids: &[i64]) -> HashMap<i64, usize> {
    ids.iter().enumerate().map(|(at, id)| (*id, at)).collect()
}
