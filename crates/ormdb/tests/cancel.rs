//! A statement that is cancelled stops soon, whatever it is at: measured by the blocks that it reads afterwards, not by the clock.
//!
//! The file system of the database raises the cancel when the statement has read so many blocks, so that each test is the same
//! each time. `bench/src/bin/cancel.rs` measures how long it takes.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "a failed step is a failed test")]

#[path = "cancel/reads.rs"]
mod reads;

use std::sync::Arc;

use ormdb::{
    Database, ErrorCode, Isolation, Options, Outcome, Params, Sampling, SemiJoins, Session, Streamed,
};

use reads::CountingFs;

const SCHEMA: &str = "
entity Box {
  id     int64   @id
  name   string
  items  Item[]
}
entity Item {
  id        int64   @id
  boxId     int64
  parentId  int64?
  kind      int32
  text      string
  box       Box     @relation(boxId -> Box.id, onDelete: cascade)
  parent    Item?   @relation(\"tree\", parentId -> Item.id, onDelete: setNull)
  parts     Item[]  @relation(\"tree\")
  labels    Label[] @through(Mark)
  @@index(kind)
}
entity Label {
  id     int64   @id
  name   string
  items  Item[]  @through(Mark)
}
entity Mark {
  itemId   int64
  labelId  int64
  item     Item   @relation(itemId -> Item.id, onDelete: cascade)
  label    Label  @relation(labelId -> Label.id, onDelete: cascade)
  @@id(itemId, labelId)
}";

const BOXES: i64 = 8;
const ITEMS: i64 = 12_000;

/// Blocks that a statement which goes over rows may read behind the cancel: it looks every 256 rows.
const SCANNED_MAX: u64 = 24;
/// Blocks that one may read which looks rows up by key: it looks every 512 keys, each of which may be in another block.
const LOOKED_UP_MAX: u64 = 1100;

/// So many reads are enough to be cancelled among.
const READS_MIN: u64 = 6;

struct Bed {
    fs: Arc<CountingFs>,
    database: Database,
}

fn bed(semi_joins: SemiJoins) -> Bed {
    let fs = Arc::new(CountingFs::default());
    let mut options = Options { sampling: Sampling::OnRequest, semi_joins, ..Options::default() };
    options.durability = ordinum::Durability::Buffered;
    options.engine.fs = Arc::clone(&fs) as Arc<dyn ordinum::fs::Fs>;
    options.engine.background = ordinum::Background::Manual;
    // Whatever is read is read of a file.
    options.engine.block_cache_bytes = 0;
    options.engine.family_defaults.write_buffer_bytes = 64 << 10;
    let database = Database::open_with("/cancel.ormdb", options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let session = database.session();
    let run = |text: &str| drop(session.query(text, &Params::none()).unwrap());
    let all = |count: i64, row: &dyn Fn(i64) -> String| (0..count).map(row).collect::<Vec<_>>().join(", ");
    run(&format!("create Box [{}]", all(BOXES, &|id| format!("{{ id: {id}, name: \"box {id}\" }}"))));
    run(&format!("create Label [{}]", all(4, &|id| format!("{{ id: {id}, name: \"label {id}\" }}"))));
    for first in (0..ITEMS).step_by(1000) {
        let item = |at: i64| {
            let id = first + at;
            let parent = if id == 0 { "null".to_owned() } else { (id / 10).to_string() };
            format!(
                "{{ id: {id}, boxId: {}, parentId: {parent}, kind: {}, text: \"{:05} {}\", labels: connect [{}] }}",
                id % BOXES,
                (id * 7919) % 1000,
                (id * 7919) % ITEMS,
                "x".repeat(120),
                id % 4
            )
        };
        run(&format!("create Item [{}]", all(1000, &item)));
        while database.run_background_step().unwrap() {}
    }
    Bed { fs, database }
}

fn run(session: &Session, text: &str) -> Result<Outcome, ErrorCode> {
    session.query(text, &Params::none()).map_err(|error| error.code)
}

impl Bed {
    /// Runs the statement as a whole, and then again, cancelled at several places: behind each it reads few blocks, and nothing is
    /// left of it.
    fn check(&self, text: &str, most: u64) {
        let writes = ["update", "delete"].iter().any(|word| text.starts_with(word));
        let before = self.state();
        let all = self.whole(text, writes);
        // What is read ahead for those that go over rows in their order comes in few long reads.
        assert!(all > READS_MIN, "{text}: {all} reads are too few to cancel among");
        for at in [all / 50, all / 5, all / 2, all * 9 / 10].map(|at| at.max(1)) {
            let session = self.database.session();
            self.fs.cancel_at(at, session.cancel_handle());
            let ended = match writes {
                true => {
                    let mut transaction = session.transaction_with(Isolation::ReadCommitted).unwrap();
                    transaction.query(text, &Params::none()).map(drop).map_err(|error| error.code)
                }
                false => run(&session, text).map(drop),
            };
            let read = self.fs.taken();
            assert_eq!(ended, Err(ErrorCode::Cancelled), "{text}, cancelled at block {at} of {all}");
            assert!(
                read - at <= most,
                "{text}: cancelled at block {at} of {all}, it read {} more",
                read - at
            );
        }
        assert_eq!(self.state(), before, "{text}: something is left");
    }

    /// How many blocks the whole statement reads; what it writes is taken back.
    fn whole(&self, text: &str, writes: bool) -> u64 {
        self.fs.taken();
        let session = self.database.session();
        if writes {
            let mut transaction = session.transaction_with(Isolation::ReadCommitted).unwrap();
            transaction.query(text, &Params::none()).unwrap();
        } else {
            run(&session, text).unwrap();
        }
        self.fs.taken()
    }

    /// Locks that are held, and the rows.
    fn state(&self) -> (usize, usize, usize, String) {
        let locks = self.database.engine_stats().locks;
        let session = self.database.session();
        let sum = "group Item { n: count(), s: sum(kind), p: count(parentId) }";
        let rows = session.fetch(sum, &Params::none()).unwrap().to_json().unwrap();
        (locks.keys, locks.ranges, locks.waiting, rows)
    }
}

#[test]
fn scans_sorts_and_groups_stop() {
    let bed = bed(SemiJoins::ByCost);
    for text in [
        "Item where text contains \"none\" { id }",
        "Item where text matches \"^(a|b)+$\" or kind + 1 = 0 { id }",
        "Item { id, text }",
        "Item order by text limit 10 { id }",
        "Item order by text desc { id, text }",
        "Item order by lower(text) offset 11000 { id }",
        "Item distinct by text { id }",
        "group Item by text { text, n: count() }",
        "group Item { n: count(distinct text), m: max(text) }",
        "group Item by kind having count() > 100 { kind }",
        "Item last 3 offset 11000 { id }",
    ] {
        bed.check(text, SCANNED_MAX);
    }
}

#[test]
fn includes_and_what_lies_behind_relations_stop() {
    let bed = bed(SemiJoins::ByCost);
    for text in [
        "Box { id, items { id, text } }",
        "Box { id, items order by text limit 3 { id } }",
        "Box { id, items { id, parts { id, text } } }",
        "Item[0] { id, parts recursive 5 { id, text } }",
        "Item { id, labels { name } }",
        "Label { name, items { id, text } }",
        "Box { id, n: sum(items.kind), m: count(items where text contains \"5\") }",
        "Item where kind >= 0 order by kind { id, text }",
        "Item { id, path: parent.parent.text }",
    ] {
        bed.check(text, LOOKED_UP_MAX);
    }
}

#[test]
fn semi_joins_stop_from_either_side() {
    for side in [SemiJoins::FromParents, SemiJoins::FromChildren] {
        let bed = bed(side);
        for text in [
            "Box where items some (text contains \"none\") { id }",
            "Item where parent is (text contains \"99\") { id }",
            "Item where parts none (kind = 3) { id }",
            "Label where items every (text contains \"x\") { id }",
        ] {
            bed.check(text, LOOKED_UP_MAX);
        }
    }
}

#[test]
fn bulk_writes_stop_and_leave_nothing() {
    let bed = bed(SemiJoins::ByCost);
    for text in [
        "update Item set { kind += 1 }",
        "update Item where text contains \"7\" set { text: \"new\", parent: disconnect }",
        "delete Item where kind < 900",
        "delete Box",
    ] {
        bed.check(text, LOOKED_UP_MAX);
    }
}

/// Nothing is read behind a chunk whose receiver has enough, nor behind one at which the statement was cancelled.
#[test]
fn a_stream_stops_at_its_chunk() {
    let bed = bed(SemiJoins::ByCost);
    let session = bed.database.session();
    let all = session.prepare("Item { id, text }").unwrap();
    let streamed = session.stream(&all, &Params::none(), &mut |_| Ok(())).unwrap();
    let Streamed::Parts(trailer) = streamed else { panic!("it came as a whole") };
    assert_eq!(trailer.rows, u64::try_from(ITEMS).unwrap());
    let cancel = session.cancel_handle();
    let mut parts = 0;
    bed.fs.taken();
    let error = session
        .stream(&all, &Params::none(), &mut |_| {
            parts += 1;
            // The first part is the shape.
            if parts == 2 {
                bed.fs.taken();
                cancel.cancel();
            }
            Ok(())
        })
        .unwrap_err();
    assert_eq!((error.code, parts), (ErrorCode::Cancelled, 2));
    assert!(bed.fs.taken() <= SCANNED_MAX);
}
