//! The schemas and the queries of the project's README and of docs/QUERY.md: they say what the languages understand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::path::Path;
use std::sync::Arc;

use ordinum::fs::MemoryFs;
use ormdb::{Database, Options, Params};

const README: &str = include_str!("../../../README.md");
const QUERY: &str = include_str!("../../../docs/QUERY.md");

/// What the statements of docs/QUERY.md are about that stand below no schema of their own.
const MUSIC: &str = r#"
entity Artist {
  id      int64    @id @default(autoincrement())
  name    string
  albums  Album[]
}
entity Album {
  id        int64    @id @default(autoincrement())
  title     string
  year      int32?
  artistId  int64?
  artist    Artist?  @relation(artistId -> Artist.id)
  tracks    Track[]
}
entity Track {
  id       int64   @id
  title    string
  name     string
  ms       int32
  plays    int32   @default(0)
  genreId  int64
  albumId  int64?
  genre    Genre   @relation(genreId -> Genre.id)
  album    Album?  @relation(albumId -> Album.id)
}
entity Genre {
  id    int64   @id
  name  string
}
entity User {
  id      int64   @id @default(autoincrement())
  email   string  @unique
  name    string
  logins  int32   @default(0)
}
entity Person {
  id       int64     @id
  name     string
  bossId   int64?
  boss     Person?   @relation(bossId -> Person.id)
  reports  Person[]  @relation(inverse: boss)
}
entity Post {
  id        int64      @id
  authorId  int64
  editedAt  datetime?
  tags      Tag[]
}
entity Tag {
  id     int64   @id @default(autoincrement())
  name   string  @unique
  posts  Post[]
}
entity Session {
  id         int64     @id
  expiresAt  datetime
}
"#;

/// The fenced blocks of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks: Vec<&str> =
        README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "the README has no block of {language}");
    blocks
}

fn database(schema: &str) -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("readme.ormdb", options).unwrap();
    database.apply_schema(schema).unwrap();
    database
}

#[test]
fn the_schemas_apply() {
    for schema in blocks("ormdb-schema") {
        database(schema);
    }
}

#[test]
fn the_program_does_what_it_says() {
    let database = database(blocks("ormdb-schema")[0]);
    let session = database.session();
    let statement = |call: &str| {
        let from = README.split(call).nth(1).unwrap();
        let quote = if from.trim_start().starts_with("r#") { "r#\"" } else { "\"" };
        let text = from.split_once(quote).unwrap().1;
        text.split_once(if quote == "\"" { "\"" } else { "\"#" }).unwrap().0
    };
    session.query(statement("session.query("), &Params::none().with("email", "a@b.c")).unwrap();
    let graph = session.fetch(statement("session.fetch("), &Params::none()).unwrap();
    assert_eq!(graph.to_json().unwrap(), r#"[{"email":"a@b.c","posts":[{"title":"Hello"}]}]"#);
}

#[test]
fn the_queries_run_on_the_music_shop() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/chinook/schema.ormdb");
    let database = database(&std::fs::read_to_string(path).unwrap());
    for query in blocks("ormdb-query") {
        database.session().fetch(query, &Params::none()).unwrap();
    }
}

#[test]
fn the_schemas_of_the_reference_apply_and_its_statements_fit_them() {
    let music = database(MUSIC);
    let mut latest = None;
    let (mut schemas, mut statements) = (0, 0);
    for (kind, text) in QUERY.split("```").filter_map(|part| part.split_once('\n')) {
        match kind {
            "schema" => {
                latest = Some(database(text));
                schemas += 1;
            }
            "query" => {
                for statement in text.split(";\n").filter(|statement| !statement.trim().is_empty()) {
                    let fits = |database: &Database| {
                        let session = database.session();
                        session.prepare(statement).and_then(|prepared| session.describe(&prepared))
                    };
                    let fitted =
                        latest.as_ref().map(fits).filter(Result::is_ok).unwrap_or_else(|| fits(&music));
                    fitted.unwrap_or_else(|error| panic!("{}", error.render(Some(statement))));
                    statements += 1;
                }
            }
            _ => {}
        }
    }
    assert!(schemas >= 6 && statements >= 20, "{schemas} schemas, {statements} statements");
}
