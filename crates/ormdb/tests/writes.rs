//! Writes through the public interface: what is returned, what a failure leaves, what concurrent sessions may do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ordinum::fs::MemoryFs;
use ormdb::{Database, Error, ErrorCode, MutationResult, Options, Outcome, Params};
use serde_json::{Value as Json, json};

const SCHEMA: &str = r#"
entity Account {
  id       int64     @id @default(autoincrement())
  email    string    @unique
  balance  int64     @default(0) @check(balance >= 0)
  cards    Card[]
  groups   Group[]
}
entity Card {
  id         uuid     @id @default(uuidv7())
  number     string   @unique
  accountId  int64
  account    Account  @relation(accountId -> Account.id, onDelete: cascade)
}
entity Group {
  id        int64      @id @default(autoincrement())
  name      string     @unique
  accounts  Account[]
}
"#;

fn database() -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("writes.ormdb", options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    database
}

fn write(database: &Database, text: &str) -> Result<MutationResult, Error> {
    match database.session().query(text, &Params::none())? {
        Outcome::Written(written) => Ok(written),
        other => panic!("{text} wrote nothing: {other:?}"),
    }
}

fn returned(written: &MutationResult) -> Json {
    serde_json::from_str(&written.returned.as_ref().unwrap().to_json().unwrap()).unwrap()
}

fn fetched(database: &Database, text: &str) -> Json {
    let graph = database.session().fetch(text, &Params::none()).unwrap();
    serde_json::from_str(&graph.to_json().unwrap()).unwrap()
}

fn assert_whole(database: &Database) {
    let report = database.check(10).unwrap();
    assert_eq!(report.findings_total, 0, "{:?}", report.findings);
}

#[test]
fn a_write_returns_the_graph_that_it_made() {
    let database = database();
    let written = write(
        &database,
        r#"create Account { email: "a", cards: create [{ number: "2" }, { number: "1" }], groups: create { name: "g" } }
           return { id, email, cards order by number { number }, groups { name } }"#,
    )
    .unwrap();
    let graph = json!([{ "id": 1, "email": "a", "cards": [{ "number": "1" }, { "number": "2" }], "groups": [{ "name": "g" }] }]);
    assert_eq!(returned(&written), graph);
    let gone =
        write(&database, "delete Account[1] return { email, cards order by number { number } }").unwrap();
    assert_eq!(returned(&gone), json!([{ "email": "a", "cards": [{ "number": "1" }, { "number": "2" }] }]));
    // The account, its two cards, and the edge to its group.
    assert_eq!(gone.deleted, 4);
    assert_whole(&database);
}

#[test]
fn filters_of_writes_look_over_relations() {
    let database = database();
    write(
        &database,
        r#"create Account [
             { email: "a", cards: create { number: "1" }, groups: create { name: "g" } },
             { email: "b", groups: connect [name: "g"] },
             { email: "c" }
           ]"#,
    )
    .unwrap();
    assert_eq!(
        write(&database, r#"update Account where cards some (number = "1") set { balance: 5 }"#)
            .unwrap()
            .updated,
        1
    );
    write(
        &database,
        r#"update Group[name: "g"] set { accounts: update where count(cards) = 0 set { balance: 7 } }"#,
    )
    .unwrap();
    assert_eq!(
        fetched(&database, "Account order by id { email, balance }"),
        json!([{ "email": "a", "balance": 5 }, { "email": "b", "balance": 7 }, { "email": "c", "balance": 0 }])
    );
    assert_eq!(write(&database, "delete Account where groups none (true)").unwrap().deleted, 1);
    assert_whole(&database);
}

#[test]
fn a_failed_statement_leaves_its_transaction_as_it_was() {
    let database = database();
    let session = database.session();
    let mut transaction = session.transaction().unwrap();
    let none = Params::none();
    transaction.query(r#"create Account { email: "a" }"#, &none).unwrap();
    for (text, code) in [
        (r#"create Account [{ email: "b" }, { email: "a" }]"#, ErrorCode::UniqueViolation),
        (r#"update Account set { email: "c", balance: -1 }"#, ErrorCode::CheckViolation),
        (r#"create Card { number: "1", accountId: 77 }"#, ErrorCode::ForeignKeyViolation),
        (r#"create Account { email: "d" } return { 1 / balance as x }"#, ErrorCode::SyntaxError),
        (r#"create Account { email: "d" } return { x: 1 / balance }"#, ErrorCode::DivisionByZero),
    ] {
        assert_eq!(transaction.query(text, &none).unwrap_err().code, code, "{text}");
    }
    transaction.query(r#"update Account[email: "a"] set { balance += 3 }"#, &none).unwrap();
    assert_eq!(fetched(&database, "Account { email }"), json!([]));
    transaction.commit().unwrap();
    assert_eq!(fetched(&database, "Account { email, balance }"), json!([{ "email": "a", "balance": 3 }]));
    assert_whole(&database);
}

#[test]
fn sessions_claim_transfer_and_close_without_losing_anything() {
    let database = database();
    let accounts = 6;
    for n in 0..accounts {
        write(&database, &format!(r#"create Account {{ email: "a{n}", balance: 1000 }}"#)).unwrap();
    }
    let cards = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (database, cards) = (&database, &cards);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(0xacc0 + thread);
                for _ in 0..30 {
                    let (from, to, sum) = (rng.u8(1..=accounts), rng.u8(1..=accounts), rng.u8(..));
                    let session = database.session();
                    let moved = session.transact(|transaction| {
                        let none = Params::none();
                        transaction
                            .query(&format!("update Account[{from}] set {{ balance -= {sum} }}"), &none)?;
                        transaction.query(&format!("update Account[{to}] set {{ balance += {sum} }}"), &none)
                    });
                    if let Err(error) = moved {
                        assert!(
                            matches!(
                                error.code,
                                ErrorCode::CheckViolation | ErrorCode::SerializationConflict
                            ),
                            "{error}"
                        );
                    }
                    let number = rng.u8(0..40);
                    match write(
                        database,
                        &format!(r#"create Card {{ number: "{number}", accountId: {to} }}"#),
                    ) {
                        Ok(_) => drop(cards.fetch_add(1, Ordering::SeqCst)),
                        Err(error) => assert_eq!(error.code, ErrorCode::UniqueViolation, "{error}"),
                    }
                }
            });
        }
    });
    let total: i64 = fetched(&database, "Account { balance }")
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["balance"].as_i64().unwrap())
        .sum();
    assert_eq!(total, 6000);
    let found = fetched(&database, "Card { number }").as_array().unwrap().len();
    assert_eq!(found, cards.load(Ordering::SeqCst));
    assert_whole(&database);
}
