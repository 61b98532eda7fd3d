//! What transactions see of each other: the anomalies of the Hermitage list, each with its result at each level, as
//! docs/isolation.md says them; constraints, savepoints and locks beside others.
//!
//! The anomalies: <https://github.com/ept/hermitage>, after Adya's thesis. No test waits for a time: who has to wait for a
//! lock runs on a thread of its own, and the test goes on when it waits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "isolation/anomalies.rs"]
mod anomalies;
#[path = "isolation/constraints.rs"]
mod constraints;
#[path = "isolation/deferred.rs"]
mod deferred;
#[path = "isolation/idle.rs"]
mod idle;
#[path = "isolation/locks.rs"]
mod locks;
#[path = "isolation/savepoints.rs"]
mod savepoints;
#[path = "isolation/versions.rs"]
mod versions;

use std::sync::Arc;
use std::thread;

use ordinum::fs::MemoryFs;
use ormdb::{
    Database, Error, ErrorCode, Isolation, Limits, Options, Outcome, Params, RetentionWindow, Transaction,
};

/// Two rows, as in the list: 1 with 10, 2 with 20.
const SCHEMA: &str = r#"
entity Test {
  id     int64  @id
  value  int64
}
entity Parent {
  id        int64    @id
  name      string   @unique
  note      int64    @default(0)
  children  Child[]
}
entity Child {
  id        int64   @id
  parentId  int64
  parent    Parent  @relation(parentId -> Parent.id)
}
"#;

fn database() -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("isolation.ormdb", options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let rows = "create Test [{ id: 1, value: 10 }, { id: 2, value: 20 }]";
    database.session().query(rows, &Params::none()).unwrap();
    database
}

fn begin(database: &Database, isolation: Isolation) -> Transaction {
    database.session().transaction_with(isolation).unwrap()
}

/// Who does not wait for locks.
fn begin_impatient(database: &Database, isolation: Isolation) -> Transaction {
    let limits = Limits { lock_wait_ms_max: 0, ..Limits::default() };
    database.session().with_limits(limits).transaction_with(isolation).unwrap()
}

fn run(transaction: &mut Transaction, text: &str) -> Result<Outcome, ErrorCode> {
    transaction.query(text, &Params::none()).map_err(|error: Error| error.code)
}

fn set(transaction: &mut Transaction, id: i64, value: i64) -> Result<(), ErrorCode> {
    run(transaction, &format!("update Test[{id}] set {{ value: {value} }}")).map(drop)
}

/// The values of the rows that a filter leaves, by id.
fn read(transaction: &mut Transaction, filter: &str) -> Vec<i64> {
    let text = format!("Test where {filter} order by id {{ value }}");
    match run(transaction, &text).unwrap() {
        Outcome::Fetched(graph) => values(&graph),
        other => panic!("{text} gave {other:?}"),
    }
}

fn values(graph: &ormdb::GraphResult) -> Vec<i64> {
    let rows: serde_json::Value = serde_json::from_str(&graph.to_json().unwrap()).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["value"].as_i64().unwrap()).collect()
}

fn committed(database: &Database) -> Vec<i64> {
    values(&database.session().fetch("Test order by id { value }", &Params::none()).unwrap())
}

fn commit(mut transaction: Transaction) -> Result<(), ErrorCode> {
    transaction.commit().map(drop).map_err(|error| error.code)
}

/// Runs `step` on a thread of its own until it waits for a lock, then `meanwhile`; returns what `step` came to.
fn while_waiting<T: Send>(
    database: &Database,
    step: impl FnOnce() -> T + Send,
    meanwhile: impl FnOnce(),
) -> T {
    let waits = || database.engine_stats().locks.waits;
    let before = waits();
    thread::scope(|scope| {
        let waiting = scope.spawn(step);
        while waits() == before && !waiting.is_finished() {
            thread::yield_now();
        }
        meanwhile();
        waiting.join().unwrap()
    })
}
