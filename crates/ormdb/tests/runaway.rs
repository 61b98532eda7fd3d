//! A statement that would need much memory ends at its bound, whatever needs it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::sync::Arc;

use ormdb::{Database, ErrorCode, Limits, Options, Params, Sampling};

const SCHEMA: &str = "
entity Box {
  id     int64   @id
  items  Item[]
}
entity Item {
  id     int64   @id
  boxId  int64
  text   string
  doc    json
  box    Box     @relation(boxId -> Box.id)
}";

const ITEMS: i64 = 24_000;
const MEMORY_BYTES_MAX: u64 = 2 << 20;

/// Groups were given back with the batch of rows that made them, so that no bound met them; columns in the making, values behind
/// relations, what is told apart, and the writes of a statement were not counted.
#[test]
fn whatever_needs_memory_is_bounded() {
    let mut options = Options { sampling: Sampling::OnRequest, ..Options::default() };
    options.engine.fs = Arc::new(ordinum::fs::MemoryFs::new());
    let database = Database::open_with("/runaway.ormdb", options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let run = |text: &str| drop(database.session().query(text, &Params::none()).unwrap());
    run("create Box { id: 1 }");
    for first in (0..ITEMS).step_by(2000) {
        let item = |id: i64| {
            let pad = "x".repeat(100);
            format!("{{ id: {id}, boxId: 1, text: \"{id} {pad}\", doc: json(\"[{id}, 1, 2, 3]\") }}")
        };
        let items: Vec<String> = (first..first + 2000).map(item).collect();
        run(&format!("create Item [{}]", items.join(", ")));
    }
    let limits = Limits { memory_bytes_max: MEMORY_BYTES_MAX, ..Limits::default() };
    let session = database.session().with_limits(limits);
    for text in [
        "Item order by text { id }",
        "Item order by text last 20000 { id }",
        "Item distinct by text { id }",
        "group Item by text { n: count() }",
        "group Item by id { m: max(text) }",
        "group Item { n: count(distinct text) }",
        "group Item by jsonText(doc, 0) { n: count() }",
        "Item { id, text }",
        "Item limit 4000 { t: repeat(text, 1000) }",
        "Item limit 4000 { t: padEnd(replace(text, \"x\", \"yyyyyyyyyy\"), 2000) }",
        "Box { id, items { id, text } }",
        "Box { n: count(distinct items.text) }",
        "update Item set { text: text || \"y\" }",
        "delete Item",
    ] {
        let error = session.query(text, &Params::none()).expect_err(text);
        let name = error.detail.limit.as_ref().map(|limit| limit.name.clone());
        assert_eq!(error.code, ErrorCode::OverBudget, "{text}: {error}");
        assert_eq!(name.as_deref(), Some("memory_bytes_max"), "{text}: {error}");
    }
    // What needs little runs, over the same rows.
    for text in [
        "Item order by text limit 10 { id }",
        "group Item { n: count(), m: max(text) }",
        "group Item by id % 10 { n: count() }",
        "Item where text matches \"^9(.*)x$\" limit 5 { id, doc }",
        "Box { n: count(items) }",
        "Box { n: max(items: repeat(text, 10)) }",
    ] {
        session.query(text, &Params::none()).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let all = session.fetch("group Item { n: count() }", &Params::none()).unwrap().to_json().unwrap();
    assert_eq!(all, format!("[{{\"n\":{ITEMS}}}]"));
}
