//! Changes of the schema beside readers and writers, through the public interface.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use ordinum::fs::MemoryFs;
use ormdb::{Database, ErrorCode, Options, Params};
use serde_json::{Value as Json, json};

const PLAIN: &str = "entity Item {\n  id int64 @id\n  color int64\n}\n";
const INDEXED: &str = "entity Item {\n  id int64 @id\n  color int64\n  @@index(color)\n}\n";

fn open(fs: &Arc<MemoryFs>) -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::clone(fs) as Arc<dyn ordinum::fs::Fs>;
    Database::open_with("items.ormdb", options).unwrap()
}

fn database(schema: &str) -> Database {
    let database = open(&Arc::new(MemoryFs::default()));
    database.apply_schema(schema).unwrap();
    database
}

fn json_of(database: &Database, text: &str) -> Json {
    let graph = database.session().fetch(text, &Params::none()).unwrap();
    serde_json::from_str(&graph.to_json().unwrap()).unwrap()
}

fn run(database: &Database, text: &str) -> Result<(), ormdb::Error> {
    database.session().query(text, &Params::none()).map(|_| ())
}

fn assert_clean(database: &Database) {
    let report = database.check(10).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
}

#[test]
fn no_reader_misses_a_row_while_indexes_come_and_go() {
    let database = database(PLAIN);
    let written = AtomicI64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for id in 0..300 {
                run(&database, &format!("create Item {{ id: {id}, color: 7 }}")).unwrap();
                written.store(id + 1, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let least = written.load(Ordering::SeqCst);
                let found = json_of(&database, "Item where color = 7 { id }");
                let found = i64::try_from(found.as_array().unwrap().len()).unwrap();
                assert!(found >= least, "{found} rows of {least}");
            }
        });
        scope.spawn(|| {
            let mut schemas = [INDEXED, PLAIN].into_iter().cycle();
            while !done.load(Ordering::SeqCst) {
                database.apply_schema(schemas.next().unwrap()).unwrap();
            }
        });
    });
    database.apply_schema(PLAIN).unwrap();
    assert_eq!(json_of(&database, "Item where color = 7 { id }").as_array().unwrap().len(), 300);
    assert_clean(&database);
    database.apply_schema(INDEXED).unwrap();
    assert_eq!(json_of(&database, "Item where color = 7 { id }").as_array().unwrap().len(), 300);
    assert_clean(&database);
}

#[test]
fn a_transaction_that_began_under_the_old_schema_runs_again() {
    let database = database(PLAIN);
    let session = database.session();
    let mut old = session.transaction().unwrap();
    old.query("create Item { id: 1, color: 1 }", &Params::none()).unwrap();
    database.apply_schema(INDEXED).unwrap();
    assert_eq!(old.commit().unwrap_err().code, ErrorCode::SerializationConflict);
    assert_eq!(json_of(&database, "Item { id }"), json!([]));
}

#[test]
fn older_rows_grow_with_the_schema_and_outlive_the_process() {
    let fs = Arc::new(MemoryFs::default());
    let database = open(&fs);
    database.apply_schema(PLAIN).unwrap();
    run(&database, "create Item { id: 1, color: 5 }").unwrap();
    let grown = "enum Size { small, large }\n\
        entity Item {\n  id int64 @id\n  hue int64 @was(\"color\")\n  size Size @default(large)\n  note string?\n\
        ownerId int64?\n  owner Owner? @relation(ownerId -> Owner.id)\n  @@unique(hue)\n  @@check(hue > 0)\n}\n\
        entity Owner {\n  id int64 @id\n  items Item[]\n}\n";
    database.apply_schema(grown).unwrap();
    run(&database, "create Owner { id: 9, items: create { id: 2, hue: 6, size: small, note: \"new\" } }")
        .unwrap();
    drop(database);
    let database = open(&fs);
    let found = json_of(&database, "Item order by id { id, hue, size, note, owner { id } }");
    assert_eq!(
        found,
        json!([
            { "id": 1, "hue": 5, "size": "large", "note": null, "owner": null },
            { "id": 2, "hue": 6, "size": "small", "note": "new", "owner": { "id": 9 } },
        ])
    );
    let twin = run(&database, "create Item { id: 3, hue: 5 }").unwrap_err();
    assert_eq!(twin.code, ErrorCode::UniqueViolation);
    let refused = run(&database, "create Item { id: 3, hue: 0 }").unwrap_err();
    assert_eq!(refused.code, ErrorCode::CheckViolation);
    let versions: Vec<u64> = database.schema_history().unwrap().iter().map(|v| v.version).collect();
    assert_eq!(versions, [1, 2]);
    assert_clean(&database);
}

#[test]
fn a_refused_change_changes_nothing() {
    let database = database(PLAIN);
    run(&database, "create Item { id: 1, color: 5 }").unwrap();
    let errors = database.apply_schema("entity Item {\n  id int64 @id\n}\n").unwrap_err();
    assert_eq!(errors.iter().map(|e| e.code).collect::<Vec<_>>(), [ErrorCode::MigrationRefused]);
    assert_eq!(database.catalog().text(), PLAIN);
    run(&database, "update Item[1] set { color = 6 }").unwrap();
    assert_eq!(json_of(&database, "Item { color }"), json!([{ "color": 6 }]));
    run(&database, "delete Item[1]").unwrap();
    database.apply_schema("entity Item {\n  id int64 @id\n}\n").unwrap();
    assert_clean(&database);
}

#[test]
fn a_sequence_that_is_added_begins_behind_the_greatest_number() {
    // The field leads the primary key, an index of either direction, or nothing.
    for rest in
        ["id int64 @id DEFAULT", "n int64? DEFAULT\n  @@index(n)", "n int64? DEFAULT\n  @@index(n desc)"]
            .into_iter()
            .chain(["n int64? DEFAULT", "n int64? DEFAULT\n  @@index(n) where n < 5"])
    {
        let (name, key) = if rest.starts_with("id") { ("id", "") } else { ("n", "key string @id\n  ") };
        let schema = |default: &str| {
            format!("entity Item {{\n  {key}{}\n  color int64?\n}}\n", rest.replace("DEFAULT", default))
        };
        let database = database(&schema(""));
        let create = |number: &str, color: i64| {
            let key = if key.is_empty() { String::new() } else { format!("key: \"{color}\",") };
            run(&database, &format!("create Item {{ {key} {number} color: {color} }}"))
        };
        for (at, number) in [3, 40, -7].into_iter().enumerate() {
            create(&format!("{name}: {number},"), i64::try_from(at).unwrap()).unwrap();
        }
        if !key.is_empty() {
            create("", 3).unwrap();
        }
        let numbered = schema("@default(autoincrement())");
        database.apply_schema(&numbered).unwrap();
        create("", 10).unwrap();
        let number = |color: i64| json_of(&database, &format!("Item where color = {color} {{ {name} }}"));
        assert_eq!(number(10), json!([{ name: 41 }]), "{rest}");
        // Without the default numbers are given by hand; the sequence that is there passes them when it comes back.
        database.apply_schema(&schema("")).unwrap();
        create(&format!("{name}: 60,"), 11).unwrap();
        database.apply_schema(&numbered).unwrap();
        create("", 12).unwrap();
        assert_eq!(number(12), json!([{ name: 61 }]), "{rest}");
    }
}

#[test]
fn a_rows_check_that_fails_is_refused_once() {
    let database = database(PLAIN);
    run(
        &database,
        "create Item [{ id: 4, color: 1 }, { id: 5, color: 9 }, { id: 6, color: 2 }, { id: 7, color: 3 }]",
    )
    .unwrap();
    let errors = database
        .apply_schema("entity Item {\n  id int64 @id\n  color int64 @check(color > 5)\n}\n")
        .unwrap_err();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(error.message, "3 rows of `Item` fail the new check `Item_color_check`; the first is 4");
    assert_eq!(error.detail.key.as_deref(), Some("4"));
}

#[test]
fn a_label_that_moves_is_refused_once() {
    let schema =
        |labels: &str| format!("enum Size {{ {labels} }}\nentity Item {{\n  id int64 @id\n  size Size\n}}\n");
    let database = database(&schema("small, medium, large"));
    run(&database, "create Item { id: 1, size: small }").unwrap();
    let errors = database.apply_schema(&schema("large, small, medium")).unwrap_err();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(
        error.message.starts_with("cannot reorder the labels of enum `Size` while `Item` has rows"),
        "{error:?}"
    );
}

/// A sample reads rows as they are at its snapshot, whatever becomes of the schema meanwhile.
#[test]
fn samples_beside_changes_of_the_schema() {
    let schema = |fields: usize| {
        let fields: String = (0..fields).map(|n| format!("  f{n} int32 @default({n})\n")).collect();
        (0..4).map(|n| format!("entity E{n} {{\n  id int64 @id\n{fields}}}\n")).collect::<String>()
    };
    let database = database(&schema(0));
    let rows: Vec<String> = (0..500).map(|id| format!("{{ id: {id} }}")).collect();
    for n in 0..4 {
        run(&database, &format!("create E{n} [{}]", rows.join(", "))).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                database.refresh_statistics()?;
            }
            database.refresh_statistics()
        });
        for n in 1..24 {
            database.apply_schema(&schema(n)).unwrap();
            run(&database, &format!("update E3 where id < 50 set {{ f{}: 7 }}", n - 1)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        sampler.join().unwrap().unwrap();
    });
}
