//! Databases that older versions wrote open, and answer as they did.
//!
//! `tests/fixtures/NAME` is a directory as a version left it: some rows in tables, some only in the log. A new format
//! gets a new fixture, written by `ORMDB_WRITE_FIXTURE=NAME cargo test -p ormdb --test compatibility`; a fixture that
//! has landed is never written again.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};

use ormdb::{Database, Options, Params, Session};

const SCHEMA: &str = r#"
enum Mood {
  calm
  wild
}

entity Author {
  id     int64   @id @default(autoincrement())
  name   string  @unique
  mood   Mood    @default(calm)
  born   date?
  books  Book[]
}

entity Book {
  id        int64           @id
  title     string
  price     decimal(10, 2)?
  tags      string[]
  rating    float64?
  sold      datetime?
  cover     bytes?
  key       uuid?
  more      json?
  authorId  int64
  author    Author          @relation(authorId -> Author.id, onDelete: cascade)
  readers   Reader[]

  @@index(authorId, title) covering (price)
}

entity Reader {
  id     int64   @id
  name   string
  books  Book[]
}
"#;

const QUERY: &str = "Author order by name { *, books order by title { *, readers order by id { name } } }";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn run(session: &Session, text: &str) {
    session.query(text, &Params::none()).unwrap();
}

/// Writes what the fixtures hold: most of it flushed to tables, the rest in the log.
fn write(directory: &Path) {
    let mut options = Options::default();
    options.engine.family_defaults.write_buffer_bytes = 16 << 10;
    let database = Database::open_with(directory, options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let session = database.session();
    for id in 1..=40 {
        run(
            &session,
            &format!(
                r#"create Author {{ name: "author {id:02}", mood: wild, born: "1900-01-{day:02}", books: create [
                    {{ id: {first}, title: "first of {id}", price: {id}.50, tags: ["a", "{id}"], rating: 0.{id},
                       sold: "2024-02-29T12:00:00Z", cover: x"00ff", key: "01890a5d-ac96-774b-bcce-b302099a8057",
                       more: "{{\"n\": {id}}}", readers: create {{ id: {id}, name: "reader {id}" }} }},
                    {{ id: {second}, title: "second of {id}", tags: [], readers: connect [{id}] }}
                ] }}"#,
                day = id % 28 + 1,
                first = id * 10,
                second = id * 10 + 1,
            ),
        );
    }
    for id in (2..=40).step_by(2) {
        run(&session, &format!("update Book[{}] set {{ title: \"changed {id}\", price: null }}", id * 10));
    }
    run(&session, "delete Author where id > 30");
    run(&session, "create Author { name: \"last\", mood: calm }");
}

fn answer(directory: &Path) -> String {
    let database = Database::open(directory).unwrap();
    let report = database.check(10).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    let mut answer = database.session().fetch(QUERY, &Params::none()).unwrap().to_json().unwrap();
    answer.push('\n');
    answer
}

#[test]
fn older_databases_open_and_answer_as_they_did() {
    if let Some(name) = std::env::var_os("ORMDB_WRITE_FIXTURE") {
        let fixture = fixtures().join(name);
        assert!(!fixture.exists(), "{} has landed", fixture.display());
        let directory = fixture.join("database");
        write(&directory);
        let copy = tempfile::tempdir().unwrap();
        copy_files(&directory, copy.path());
        std::fs::write(fixture.join("answer.json"), answer(copy.path())).unwrap();
    }
    let mut seen = 0;
    for fixture in std::fs::read_dir(fixtures()).unwrap() {
        let fixture = fixture.unwrap().path();
        let copy = tempfile::tempdir().unwrap();
        copy_files(&fixture.join("database"), copy.path());
        let expected = std::fs::read_to_string(fixture.join("answer.json")).unwrap();
        assert_eq!(answer(copy.path()), expected, "{}", fixture.display());
        // What is there can also be written to.
        let session = Database::open(copy.path()).unwrap().session();
        run(&session, "create Author { name: \"of today\" }");
        seen += 1;
    }
    assert!(seen > 0, "there is no fixture");
}

fn copy_files(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
