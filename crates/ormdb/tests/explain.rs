//! What `explain analyze` reports through the public interface.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ordinum::clock::Clock;
use ordinum::fs::MemoryFs;
use ormdb::{Database, Options, Outcome, Params};
use serde_json::Value as Json;

/// A clock that moves by a millisecond whenever it is read.
#[derive(Debug, Default)]
struct TickingClock(AtomicU64);

impl Clock for TickingClock {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn unix(&self) -> Duration {
        self.monotonic()
    }

    fn wait(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

fn times(json: &Json, found: &mut Vec<u64>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                match value.as_u64() {
                    Some(time) if name == "time_us" || name == "time us" => found.push(time),
                    _ => times(value, found),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| times(item, found)),
        _ => {}
    }
}

#[test]
fn analyze_tells_the_time_of_each_level() {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    options.engine.clock = Arc::new(TickingClock::default());
    let database = Database::open_with("explain.ormdb", options).unwrap();
    database
        .apply_schema(
            "entity Author {
               id int64 @id
               books Book[]
             }
             entity Book {
               id int64 @id
               authorId int64
               author Author @relation(authorId -> Author.id)
             }",
        )
        .unwrap();
    let session = database.session();
    session.query("create Author { id: 1, books: create { id: 10 } }", &Params::none()).unwrap();
    let text = "explain analyze Author { id, n: count(books), books { id, author { id } } }";
    let Outcome::Explained(explanation) = session.query(text, &Params::none()).unwrap() else {
        unreachable!("an explain explains")
    };
    let mut found = Vec::new();
    times(&serde_json::from_str(&explanation.json).unwrap(), &mut found);
    assert_eq!(found.len(), 4, "root, count, two includes: {}", explanation.json);
    assert!(found.iter().all(|time| *time >= 1000), "{found:?}");
}
