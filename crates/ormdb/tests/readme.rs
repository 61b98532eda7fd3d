//! The schema and the queries of the project's README: they say what the languages understand.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;
use std::sync::Arc;

use ordinum::fs::MemoryFs;
use ormdb::{Database, Options, Params};

const README: &str = include_str!("../../../README.md");

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
