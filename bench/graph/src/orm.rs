//! ormDB, embedded: statements prepared once, run with parameters, answers as structs.

use std::path::Path;

use ordinum::Durability;
use ormdb::{Database, FromRow, Options, Outcome, Params, Prepared, Session, Statement, Value};
use ormdb_proto::ir::{Assignment, Create, RecordInput};

use crate::Result;
use crate::data::Data;

const SCHEMA: &str = "
entity User {
  id        int64     @id
  email     string    @unique
  name      string
  joinedAt  datetime
  logins    int64
  posts     Post[]
  comments  Comment[]
}
entity Post {
  id         int64     @id
  authorId   int64
  author     User      @relation(authorId -> User.id)
  title      string
  body       string
  kind       int64
  score      int64
  createdAt  datetime
  comments   Comment[]
  tags       Tag[]     @through(PostTag)
  @@index(authorId, createdAt desc)
}
entity Comment {
  id         int64     @id
  postId     int64
  post       Post      @relation(postId -> Post.id)
  authorId   int64
  author     User      @relation(authorId -> User.id)
  text       string
  createdAt  datetime
  @@index(postId, createdAt)
}
entity Tag {
  id     int64   @id
  name   string  @unique
  posts  Post[]  @through(PostTag)
}
entity PostTag {
  postId  int64
  tagId   int64
  post    Post  @relation(postId -> Post.id)
  tag     Tag   @relation(tagId -> Tag.id)
  @@id(postId, tagId)
  @@index(tagId, postId)
}
";

/// Opens a database, and declares its schema.
pub(crate) fn open(path: &Path, durability: Durability, cache_mib: u32) -> Result<Database> {
    let mut options = Options { durability, ..Options::default() };
    options.engine.block_cache_bytes = u64::from(cache_mib) << 20;
    let database = Database::open_with(path, options)?;
    database.apply_schema(SCHEMA).map_err(|errors| format!("{errors:?}"))?;
    Ok(database)
}

/// A statement that is prepared.
pub(crate) fn statement(session: &Session, text: &str) -> Result<Prepared> {
    Ok(session.prepare(text)?)
}

/// The objects of a fetch.
pub(crate) fn rows<T: FromRow>(session: &Session, statement: &Prepared, params: &Params) -> Result<Vec<T>> {
    match session.run_prepared(statement, params)? {
        Outcome::Fetched(result) => Ok(result.typed_rows()?),
        Outcome::Written(_) | Outcome::Explained(_) | Outcome::Done { .. } => {
            Err("the statement is no fetch".into())
        }
    }
}

/// Fills an empty database, `batch` rows a transaction.
pub(crate) fn load(database: &Database, data: &Data, batch: usize) -> Result<()> {
    let session = database.session();
    create_all(&session, "User", &data.users, batch, |row| {
        vec![
            ("id", Value::Int64(row.id)),
            ("email", Value::String(row.email.clone())),
            ("name", Value::String(row.name.clone())),
            ("joinedAt", Value::DateTime(row.joined_at)),
            ("logins", Value::Int64(row.logins)),
        ]
    })?;
    create_all(&session, "Post", &data.posts, batch, |row| {
        vec![
            ("id", Value::Int64(row.id)),
            ("authorId", Value::Int64(row.author_id)),
            ("title", Value::String(row.title.clone())),
            ("body", Value::String(row.body.clone())),
            ("kind", Value::Int64(row.kind)),
            ("score", Value::Int64(row.score)),
            ("createdAt", Value::DateTime(row.created_at)),
        ]
    })?;
    create_all(&session, "Comment", &data.comments, batch, |row| {
        vec![
            ("id", Value::Int64(row.id)),
            ("postId", Value::Int64(row.post_id)),
            ("authorId", Value::Int64(row.author_id)),
            ("text", Value::String(row.text.clone())),
            ("createdAt", Value::DateTime(row.created_at)),
        ]
    })?;
    create_all(&session, "Tag", &data.tags, batch, |row| {
        vec![("id", Value::Int64(row.id)), ("name", Value::String(row.name.clone()))]
    })?;
    create_all(&session, "PostTag", &data.post_tags, batch, |(post, tag)| {
        vec![("postId", Value::Int64(*post)), ("tagId", Value::Int64(*tag))]
    })
}

fn create_all<T>(
    session: &Session,
    entity: &str,
    rows: &[T],
    batch: usize,
    record: impl Fn(&T) -> Vec<(&'static str, Value)>,
) -> Result<()> {
    for rows in rows.chunks(batch) {
        let rows = rows.iter().map(|row| {
            let constant = |(name, value)| Assignment::constant(name, value);
            RecordInput { assignments: record(row).into_iter().map(constant).collect() }
        });
        let create = Create {
            entity: entity.to_owned(),
            span: None,
            rows: rows.collect(),
            skip_duplicates: false,
            returning: None,
        };
        session.execute(&Statement::Create(create), &Params::none())?;
    }
    Ok(())
}
