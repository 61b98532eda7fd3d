//! What a predecessor of this database got wrong, each as a test through the public interface.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::sync::Arc;

use ordinum::fs::MemoryFs;
use ormdb::{Database, Options, Outcome, Params};
use serde_json::{Value as Json, json};

const SCHEMA: &str = r#"
entity Author {
  id        int64   @id
  name      string
  born      int32?
  books     Book[]
}
entity Book {
  id        int64   @id
  title     string
  pages     int32?
  sold      int64   @default(0)
  rating    int32   @default(0)
  authorId  int64
  author    Author  @relation(authorId -> Author.id, onDelete: cascade)
  @@index(pages)
  @@index(authorId, title)
}
"#;

fn database() -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("predecessor.ormdb", options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    database
}

fn json_of(database: &Database, text: &str, params: &Params) -> Json {
    let graph = database.session().fetch(text, params).unwrap();
    serde_json::from_str(&graph.to_json().unwrap()).unwrap()
}

fn run(database: &Database, text: &str) {
    database.session().query(text, &Params::none()).unwrap();
}

fn three_books() -> Database {
    let database = database();
    run(
        &database,
        r#"create Author { id: 1, name: "Ada", born: 1815, books: create [
            { id: 10, title: "C", pages: 300 }, { id: 11, title: "A" }, { id: 12, title: "B", pages: 100 }
        ] }"#,
    );
    database
}

#[test]
fn a_query_never_answers_with_another_querys_literals() {
    let database = three_books();
    for (id, title) in [(10, "C"), (11, "A"), (12, "B"), (10, "C")] {
        let text = format!("Book where id = {id} {{ title }}");
        assert_eq!(json_of(&database, &text, &Params::none()), json!([{ "title": title }]));
        let params = Params::none().with("id", i64::from(id));
        assert_eq!(json_of(&database, "Book where id = $id { title }", &params), json!([{ "title": title }]));
    }
}

#[test]
fn rows_with_nulls_stay_when_ordered() {
    let database = three_books();
    let ascending = json_of(&database, "Book order by pages { id }", &Params::none());
    assert_eq!(ascending, json!([{ "id": 12 }, { "id": 10 }, { "id": 11 }]));
    let descending = json_of(&database, "Book order by pages desc { id }", &Params::none());
    assert_eq!(descending, json!([{ "id": 11 }, { "id": 10 }, { "id": 12 }]));
    let first = json_of(&database, "Book order by pages nulls first { id }", &Params::none());
    assert_eq!(first, json!([{ "id": 11 }, { "id": 12 }, { "id": 10 }]));
}

#[test]
fn is_null_finds_nulls() {
    let database = three_books();
    assert_eq!(json_of(&database, "Book where pages is null { id }", &Params::none()), json!([{ "id": 11 }]));
    let some = json_of(&database, "Book where pages is not null order by id { id }", &Params::none());
    assert_eq!(some, json!([{ "id": 10 }, { "id": 12 }]));
}

#[test]
fn integers_of_different_widths_are_equal() {
    let database = three_books();
    let params = Params::none().with("pages", 300i64);
    assert_eq!(json_of(&database, "Book where pages = $pages { id }", &params), json!([{ "id": 10 }]));
    let params = Params::none().with("id", 10i32);
    assert_eq!(json_of(&database, "Book where id = $id { id }", &params), json!([{ "id": 10 }]));
    run(&database, "update Book[10] set { sold: 300 }");
    assert_eq!(json_of(&database, "Book where sold = pages { id }", &Params::none()), json!([{ "id": 10 }]));
}

#[test]
fn limit_and_offset_count_the_rows_of_the_answer() {
    let database = three_books();
    let text = "Book where pages is not null order by title limit 1 offset 1 { title }";
    assert_eq!(json_of(&database, text, &Params::none()), json!([{ "title": "C" }]));
}

#[test]
fn order_holds_under_a_limit_for_each_parent() {
    let database = three_books();
    run(
        &database,
        r#"create Author { id: 2, name: "Bob", books: create [
            { id: 20, title: "z" }, { id: 21, title: "y" }, { id: 22, title: "x" }
        ] }"#,
    );
    let text = "Author order by id { books order by title limit 2 { title } }";
    assert_eq!(
        json_of(&database, text, &Params::none()),
        json!([
            { "books": [{ "title": "A" }, { "title": "B" }] },
            { "books": [{ "title": "x" }, { "title": "y" }] },
        ])
    );
}

#[test]
fn an_index_loses_no_entry_under_threads() {
    let database = database();
    run(&database, r#"create Author { id: 1, name: "Ada" }"#);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let database = &database;
            scope.spawn(move || {
                for n in 0..25 {
                    let id = thread * 100 + n;
                    run(
                        database,
                        &format!("create Book {{ id: {id}, title: \"t\", pages: 7, authorId: 1 }}"),
                    );
                }
            });
        }
    });
    let found = json_of(&database, "Book where pages = 7 { id }", &Params::none());
    assert_eq!(found.as_array().unwrap().len(), 200);
    assert!(database.check(10).unwrap().is_clean());
}

#[test]
fn writers_of_different_fields_keep_each_others_updates() {
    let database = three_books();
    std::thread::scope(|scope| {
        for field in ["sold", "rating"] {
            let database = &database;
            scope.spawn(move || {
                for _ in 0..50 {
                    run(database, &format!("update Book[10] set {{ {field} += 1 }}"));
                }
            });
        }
    });
    let book = json_of(&database, "Book[10] { sold, rating }", &Params::none());
    assert_eq!(book, json!([{ "sold": 50, "rating": 50 }]));
}

#[test]
fn every_commit_has_a_version_of_its_own() {
    let database = three_books();
    let mut tokens = Vec::new();
    for n in 0..10 {
        let text = format!("update Book[10] set {{ sold: {n} }}");
        let Outcome::Written(written) = database.session().query(&text, &Params::none()).unwrap() else {
            unreachable!("an update writes")
        };
        tokens.push(written.token);
    }
    assert!(tokens.windows(2).all(|pair| pair[0] < pair[1]), "{tokens:?}");
}

#[test]
fn deleted_rows_are_not_counted() {
    let database = three_books();
    run(&database, "delete Book[11]");
    assert_eq!(json_of(&database, "Author { n: count(books) }", &Params::none()), json!([{ "n": 2 }]));
}

#[test]
fn constraints_and_cascades_are_called() {
    let database = three_books();
    let orphan = database
        .session()
        .query(r#"create Book { id: 13, title: "D", authorId: 99 }"#, &Params::none())
        .unwrap_err();
    assert_eq!(orphan.code, ormdb::ErrorCode::ForeignKeyViolation);
    let taken = database
        .session()
        .query(r#"create Book { id: 10, title: "D", authorId: 1 }"#, &Params::none())
        .unwrap_err();
    assert_eq!(taken.code, ormdb::ErrorCode::UniqueViolation);
    run(&database, "delete Author[1]");
    assert_eq!(json_of(&database, "Book { id }", &Params::none()), json!([]));
    assert!(database.check(10).unwrap().is_clean());
}
