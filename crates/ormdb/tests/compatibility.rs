//! Databases that older versions wrote open, and answer as they did.
//!
//! `tests/fixtures/NAME` is a directory as a version left it: some rows in tables, some only in the log. A new format
//! gets a new fixture, written by `ORMDB_WRITE_FIXTURE=NAME cargo test -p ormdb --test compatibility`; a fixture that
//! has landed is never written again. Which of the [`WORLDS`] a fixture holds, the end of its name says.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};

use ormdb::{Database, Options, Params, Session};

/// A database that fixtures hold: how it is written, what is asked of it, and what can still be written.
struct World {
    suffix: &'static str,
    write: fn(&Path),
    query: &'static str,
    statement: &'static str,
}

/// The last one is of the fixtures whose names end in no suffix of the others.
const WORLDS: [World; 2] = [
    World { suffix: "-model", write: write_shop, query: SHOP_QUERY, statement: SHOP_STATEMENT },
    World {
        suffix: "",
        write: write_library,
        query: LIBRARY_QUERY,
        statement: "create Author { name: \"of today\" }",
    },
];

const LIBRARY: &str = r#"
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

const LIBRARY_QUERY: &str =
    "Author order by name { *, books order by title { *, readers order by id { name } } }";

/// Namespaces, structs, stored computed fields and rows that are deleted and kept.
const SHOP: &str = r#"
struct Money {
  amount    decimal(12, 2)  @check(amount >= 0)
  currency  string(3)       @default("EUR")
}

namespace crm {
  struct Address {
    street  string
    city    string?
    worth   Money?
  }

  entity Customer {
    id         int64      @id @default(autoincrement())
    email      string     @unique
    home       Address
    work       Address?
    label      string     = lower(email) || " of " || coalesce(home.city, "nowhere") @stored @unique
    deletedAt  datetime?
    invoices   billing.Invoice[]
    tags       Tag[]

    @@index(home.city)
    @@softDelete(deletedAt)
  }
}

namespace billing {
  enum State {
    open
    paid
  }

  entity Invoice {
    id          int64            @id
    state       State            @default(open)
    total       Money
    quantity    int32            @default(1)
    gross       decimal(14, 2)   = total.amount * quantity @stored @check(gross < 1000000)
    customerId  int64
    gone        datetime?
    customer    crm.Customer     @relation(customerId -> crm.Customer.id, onDelete: cascade)

    @@index(customerId, gross desc) covering (gone)
    @@softDelete(gone)
  }
}

entity Tag {
  id         int64           @id
  customers  crm.Customer[]
}
"#;

const SHOP_QUERY: &str = "Customer with deleted order by id { *,
    invoices with deleted order by id { * }, tags order by id { * }, open: count(invoices where state = open) }";

const SHOP_STATEMENT: &str = r#"create Customer {
    email: "of today", home: { street: "S" }, invoices: create { id: 9000, total: { amount: 1 } } }"#;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn run(session: &Session, text: &str) {
    session.query(text, &Params::none()).unwrap();
}

/// A new database of which most is flushed to tables, and the rest in the log.
fn create(directory: &Path, schema: &str) -> Database {
    let mut options = Options::default();
    options.engine.family_defaults.write_buffer_bytes = 16 << 10;
    let database = Database::open_with(directory, options).unwrap();
    database.apply_schema(schema).unwrap();
    database
}

fn write_library(directory: &Path) {
    let session = create(directory, LIBRARY).session();
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

fn write_shop(directory: &Path) {
    let session = create(directory, SHOP).session();
    for id in 1..=60 {
        run(
            &session,
            &format!(
                r#"create Customer {{
                    email: "C{id}@example.com", home: {{ street: "first {id}", city: "city {city}" }},
                    tags: create {{ id: {id} }}, invoices: create [
                    {{ id: {first}, total: {{ amount: {id}.25 }}, quantity: 3 }},
                    {{ id: {second}, state: paid, total: {{ amount: 7, currency: "CHF" }} }}
                ] }}"#,
                city = id % 7,
                first = id * 10,
                second = id * 10 + 1,
            ),
        );
    }
    let worth = "{ street: \"second\", worth: { amount: 12.5 } }";
    run(&session, &format!("update Customer where id <= 20 set {{ work: {worth}, home.city: null }}"));
    run(&session, "update Customer where id <= 5 set { work: null }");
    run(&session, "update Invoice where id > 300 set { quantity += 2 }");
    run(&session, "delete Invoice where state = paid and id > 500");
    run(&session, "delete Customer where id > 40");
    run(&session, "delete permanently Customer where id > 55");
    run(&session, "update Customer with deleted where id = 41 set { deletedAt: null, email: \"back\" }");
    run(&session, "create Customer { email: \"C42@example.com\", home: { street: \"again\" } }");
}

fn answer(directory: &Path, world: &World) -> String {
    let database = Database::open(directory).unwrap();
    let report = database.check(10).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    let mut answer = database.session().fetch(world.query, &Params::none()).unwrap().to_json().unwrap();
    answer.push('\n');
    answer
}

#[test]
fn older_databases_open_and_answer_as_they_did() {
    if let Some(name) = std::env::var_os("ORMDB_WRITE_FIXTURE") {
        let fixture = fixtures().join(name);
        assert!(!fixture.exists(), "{} has landed", fixture.display());
        let world = world_of(&fixture);
        let directory = fixture.join("database");
        (world.write)(&directory);
        let copy = tempfile::tempdir().unwrap();
        copy_files(&directory, copy.path());
        std::fs::write(fixture.join("answer.json"), answer(copy.path(), world)).unwrap();
    }
    let mut seen = 0;
    for fixture in std::fs::read_dir(fixtures()).unwrap() {
        let fixture = fixture.unwrap().path();
        let copy = tempfile::tempdir().unwrap();
        copy_files(&fixture.join("database"), copy.path());
        let expected = std::fs::read_to_string(fixture.join("answer.json")).unwrap();
        let world = world_of(&fixture);
        assert_eq!(answer(copy.path(), world), expected, "{}", fixture.display());
        // What is there can also be written to.
        let database = Database::open(copy.path()).unwrap();
        run(&database.session(), world.statement);
        assert!(database.check(10).unwrap().is_clean(), "{}", fixture.display());
        seen += 1;
    }
    assert!(seen > 0, "there is no fixture");
}

fn world_of(fixture: &Path) -> &'static World {
    let name = fixture.to_string_lossy();
    WORLDS.iter().find(|world| name.ends_with(world.suffix)).unwrap()
}

fn copy_files(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
