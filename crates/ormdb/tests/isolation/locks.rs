//! Locks of rows that fetches take.

use super::*;
use Isolation::{ReadCommitted, Serializable, Snapshot};

fn lock(transaction: &mut Transaction, text: &str) -> Result<Vec<i64>, ErrorCode> {
    match run(transaction, text)? {
        Outcome::Fetched(graph) => Ok(values(&graph)),
        other => panic!("{text} gave {other:?}"),
    }
}

/// PostgreSQL's table of the four strengths.
#[test]
fn strengths_exclude_each_other_as_in_postgresql() {
    let strengths = ["key share", "share", "no key update", "update"];
    let excluded = [
        [false, false, false, true],
        [false, false, true, true],
        [false, true, true, true],
        [true, true, true, true],
    ];
    for level in Isolation::ALL {
        let database = database();
        for (held, excluded) in strengths.iter().zip(excluded) {
            for (asked, excluded) in strengths.iter().zip(excluded) {
                let (mut first, mut second) = (begin(&database, level), begin(&database, level));
                lock(&mut first, &format!("Test[1] for {held} {{ value }}")).unwrap();
                let text = format!("Test[1] for {asked} nowait {{ value }}");
                let refused = lock(&mut second, &text) == Err(ErrorCode::LockNotAvailable);
                assert_eq!(refused, excluded, "{held} held, {asked} asked");
                let skipped = lock(&mut second, &format!("Test[1] for {asked} skip locked {{ value }}"));
                assert_eq!(skipped.unwrap().is_empty(), excluded, "{held} held, {asked} skips");
                // The other row is free.
                assert_eq!(
                    lock(&mut second, &format!("Test[2] for {asked} nowait {{ value }}")),
                    Ok(vec![20])
                );
            }
        }
    }
}

/// What writes exclude: an update as `for no key update`, a delete as `for update`, a reference as `for key share`.
#[test]
fn writes_take_the_locks_of_their_strength() {
    let cases = [
        ("update Parent[1] set { note: 5 }", [false, true, true, true]),
        ("delete Parent[1]", [true, true, true, true]),
        ("update Parent[1] set { name: \"b\" }", [false, true, true, true]),
        ("create Child { id: 1, parentId: 1 }", [false, false, false, true]),
    ];
    for (write, excluded) in cases {
        for (strength, excluded) in ["key share", "share", "no key update", "update"].iter().zip(excluded) {
            let database = database();
            database.session().query("create Parent { id: 1, name: \"a\" }", &Params::none()).unwrap();
            let (mut first, mut second) =
                (begin(&database, ReadCommitted), begin_impatient(&database, ReadCommitted));
            run(&mut first, write).unwrap();
            let locked = run(&mut second, &format!("Parent for {strength} nowait {{ id }}"));
            assert_eq!(locked.is_err(), excluded, "{write}, then for {strength}");
            drop((first, locked));
            second.rollback();
            // And the other way round.
            let (mut first, mut second) =
                (begin(&database, ReadCommitted), begin_impatient(&database, ReadCommitted));
            run(&mut first, &format!("Parent for {strength} {{ id }}")).unwrap();
            let written = run(&mut second, write).map(drop);
            assert_eq!(written == Err(ErrorCode::LockNotAvailable), excluded, "for {strength}, then {write}");
        }
    }
}

/// A row that nobody refers to can be kept from being deleted all the same.
#[test]
fn for_key_share_keeps_a_row() {
    let database = database();
    let (mut first, mut second) =
        (begin(&database, ReadCommitted), begin_impatient(&database, ReadCommitted));
    run(&mut first, "Test[1] for key share { id }").unwrap();
    set(&mut second, 1, 11).unwrap();
    assert_eq!(run(&mut second, "delete Test[1]").map(drop), Err(ErrorCode::LockNotAvailable));
    assert_eq!(run(&mut second, "update Test[1] set { id: 7 }").map(drop), Err(ErrorCode::LockNotAvailable));
}

/// At read committed, who waited sees what is there by then, and rows that the filter refuses by then are not among them.
#[test]
fn who_waited_at_read_committed_looks_again() {
    let database = database();
    let (mut first, mut second) = (begin(&database, ReadCommitted), begin(&database, ReadCommitted));
    set(&mut first, 1, 30).unwrap();
    let text = "Test where value < 25 order by id limit 1 for update { value }";
    let waited = while_waiting(&database, || lock(&mut second, text), || commit(first).unwrap());
    assert_eq!(waited, Ok(vec![20]), "row 1 is refused by now, and row 2 takes its place");
    // It is locked by now, and its value is what it is.
    let mut third = begin_impatient(&database, ReadCommitted);
    assert_eq!(set(&mut third, 2, 5), Err(ErrorCode::LockNotAvailable));
}

/// At the higher levels who waited for a change is told to run again.
#[test]
fn who_waited_at_a_higher_level_conflicts() {
    for level in [Snapshot, Serializable] {
        let database = database();
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        lock(&mut second, "Test[2] { value }").unwrap();
        set(&mut first, 1, 11).unwrap();
        let text = "Test[1] for update { value }";
        let waited = while_waiting(&database, || lock(&mut second, text), || commit(first).unwrap());
        assert_eq!(waited, Err(ErrorCode::SerializationConflict), "{level}");
    }
}

/// A lock instead of a lost update: P4 does not happen at read committed where rows are read for update.
#[test]
fn reading_for_update_loses_no_update() {
    let database = database();
    let (mut first, mut second) = (begin(&database, ReadCommitted), begin(&database, ReadCommitted));
    let value = lock(&mut first, "Test[1] for update { value }").unwrap()[0];
    let add = || {
        let value = lock(&mut second, "Test[1] for update { value }").unwrap()[0];
        set(&mut second, 1, value + 1).unwrap();
        commit(second).unwrap();
    };
    while_waiting(&database, add, || {
        set(&mut first, 1, value + 1).unwrap();
        commit(first).unwrap();
    });
    assert_eq!(committed(&database), [12, 20]);
}

#[test]
fn a_lock_is_waited_for_as_long_as_the_clause_says() {
    let database = database();
    let (mut first, mut second) = (begin(&database, ReadCommitted), begin(&database, ReadCommitted));
    set(&mut first, 1, 11).unwrap();
    let error = second.query("Test for share wait 1 { id }", &Params::none()).unwrap_err();
    assert_eq!(error.code, ErrorCode::LockNotAvailable);
    let error = second.query("Test[1] for share nowait { id }", &Params::none()).unwrap_err();
    assert_eq!((error.code, error.code.sqlstate()), (ErrorCode::LockNotAvailable, "55P03"));
    assert_eq!(error.detail.key.as_deref(), Some("id = 1"), "{error}");
    // What the statement locked before it failed is free again.
    run(&mut second, "Test order by id desc for update nowait { id }").unwrap_err();
    let mut third = begin_impatient(&database, ReadCommitted);
    set(&mut third, 2, 22).unwrap();
}

/// A statement of its own locks until it ends.
#[test]
fn a_statement_of_its_own_waits_for_locks() {
    let database = database();
    let mut first = begin(&database, ReadCommitted);
    set(&mut first, 1, 11).unwrap();
    let read = || database.session().fetch("Test[1] for share { value }", &Params::none()).unwrap();
    let waited = while_waiting(&database, read, || commit(first).unwrap());
    assert_eq!(values(&waited), [11]);
    assert_eq!(database.engine_stats().locks.keys, 0);
}

#[test]
fn locks_have_no_place_in_some_fetches() {
    let database = database();
    let session = database.session();
    for (text, code) in [
        ("group Test by value for update { n: count() }", ErrorCode::InvalidQuery),
        ("Test distinct by value for update { id }", ErrorCode::InvalidQuery),
        ("Parent { children for update { id } }", ErrorCode::SyntaxError),
        ("Test { id } for update", ErrorCode::SyntaxError),
        ("Test for update for share { id }", ErrorCode::SyntaxError),
        ("Test for update skip { id }", ErrorCode::SyntaxError),
    ] {
        assert_eq!(session.query(text, &Params::none()).unwrap_err().code, code, "{text}");
    }
    let mut reader = session.begin(ReadCommitted, ormdb::Access::ReadOnly).unwrap();
    for text in
        ["Test for share", "create Test { id: 9, value: 9 }", "update Test set { value: 1 }", "delete Test"]
    {
        let error = reader.query(text, &Params::none()).unwrap_err();
        assert_eq!((error.code, error.code.sqlstate()), (ErrorCode::ReadOnly, "25006"), "{text}");
    }
    assert_eq!(read(&mut reader, "id > 0"), [10, 20]);
}

/// `limit`, `offset` and `last` count rows that were locked, from the side that they count from.
#[test]
fn skipping_is_exact_with_a_window() {
    let database = database();
    let rows: Vec<String> = (3..=60).map(|id| format!("{{ id: {id}, value: {} }}", id * 10)).collect();
    database.session().query(&format!("create Test [{}]", rows.join(", ")), &Params::none()).unwrap();
    let mut first = begin(&database, ReadCommitted);
    lock(&mut first, "Test where id <= 40 or id = 60 for no key update { value }").unwrap();
    let take = |clauses: &str| {
        let mut second = begin(&database, ReadCommitted);
        lock(&mut second, &format!("Test order by id {clauses} for update skip locked {{ value }}")).unwrap()
    };
    assert_eq!(take("limit 2"), [410, 420]);
    assert_eq!(take("offset 1 limit 2"), [420, 430]);
    assert_eq!(take("last 2"), [580, 590]);
    assert_eq!(take("last 2 offset 1"), [570, 580]);
    assert_eq!(take("").len(), 19);
    assert_eq!(take("limit 100").len(), 19);
    assert_eq!(take("after [id: 58] limit 5"), [590]);
}

/// Several workers take jobs: each is done once, all are done, and no worker waits for another.
#[test]
fn workers_share_a_queue() {
    const JOBS: i64 = 240;
    for batch in [1, 3] {
        let database = database();
        let rows: Vec<String> = (3..3 + JOBS).map(|id| format!("{{ id: {id}, value: 0 }}")).collect();
        database.session().query("delete Test", &Params::none()).unwrap();
        database.session().query(&format!("create Test [{}]", rows.join(", ")), &Params::none()).unwrap();
        let waits = database.engine_stats().locks.waits;
        let done: Vec<i64> = thread::scope(|scope| {
            let work = || {
                let mut mine = Vec::new();
                loop {
                    let mut worker = begin(&database, ReadCommitted);
                    let text = format!(
                        "Test where value = 0 order by id limit {batch} for update skip locked {{ value: id }}"
                    );
                    let jobs = lock(&mut worker, &text).unwrap();
                    for job in &jobs {
                        set(&mut worker, *job, 1).unwrap();
                    }
                    commit(worker).unwrap();
                    if jobs.is_empty() {
                        return mine;
                    }
                    mine.extend(jobs);
                }
            };
            let workers: Vec<_> = (0..6).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        let mut sorted = done.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (3..3 + JOBS).collect::<Vec<_>>(), "each job is done once");
        assert_eq!(database.engine_stats().locks.waits, waits, "nobody waited");
    }
}

/// A statement at read committed that waited keeps the lock while it runs again: however many wait for one row, each has its
/// turn. They lost it to the next in the queue before, and failed with a conflict in the end.
#[test]
fn a_row_that_many_wait_for_is_given_to_each() {
    let database = database();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let mut transaction = begin(&database, ReadCommitted);
                    run(&mut transaction, "update Test[1] set { value += 1 }").unwrap();
                    commit(transaction).unwrap();
                }
            });
        }
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    database.session().query("update Test[2] set { value += 1 }", &Params::none()).unwrap();
                }
            });
        }
    });
    assert_eq!(committed(&database), [210, 120]);
}

/// Who locked a row to update it does not wait in a circle with who updates it at once, indexes or not.
#[test]
fn an_update_behind_a_lock_is_no_deadlock() {
    let database = database();
    database.session().query("create Parent { id: 1, name: \"a\" }", &Params::none()).unwrap();
    let (mut first, mut second) = (begin(&database, ReadCommitted), begin(&database, ReadCommitted));
    run(&mut first, "Parent[1] for update { id }").unwrap();
    let other = || run(&mut second, "update Parent[1] set { name: \"c\" }").map(drop);
    let waited = while_waiting(&database, other, || {
        run(&mut first, "update Parent[1] set { name: \"b\" }").unwrap();
        commit(first).unwrap();
    });
    assert_eq!(waited, Ok(()));
}

/// A cancelled session stops waiting at once, and who stood behind it goes on.
#[test]
fn a_cancelled_wait_ends() {
    let database = database();
    let mut first = begin(&database, ReadCommitted);
    lock(&mut first, "Test[1] for share { value }").unwrap();
    let session = database.session();
    let mut second = session.transaction_with(ReadCommitted).unwrap();
    let cancel = session.cancel_handle();
    let waits = || database.engine_stats().locks.waiting;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| set(&mut second, 1, 11));
        while waits() < 1 {
            thread::yield_now();
        }
        // It stands behind the one that wants to write.
        let behind = scope.spawn(|| {
            let mut third = begin(&database, ReadCommitted);
            lock(&mut third, "Test[1] for share { value }")
        });
        while waits() < 2 {
            thread::yield_now();
        }
        cancel.cancel();
        assert_eq!(waiting.join().unwrap(), Err(ErrorCode::Cancelled));
        assert_eq!(behind.join().unwrap(), Ok(vec![10]));
    });
    // A statement of its own as well.
    let session = database.session();
    let cancel = session.cancel_handle();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| session.query("update Test[1] set { value: 3 }", &Params::none()));
        while waits() < 1 {
            thread::yield_now();
        }
        cancel.cancel();
        assert_eq!(waiting.join().unwrap().unwrap_err().code, ErrorCode::Cancelled);
    });
    assert_eq!(waits(), 0);
}

/// Savepoints give back locks of rows.
#[test]
fn a_savepoint_gives_back_locks_of_rows() {
    let database = database();
    let mut first = begin(&database, ReadCommitted);
    run(&mut first, "savepoint a").unwrap();
    lock(&mut first, "Test for update { value }").unwrap();
    run(&mut first, "rollback to a").unwrap();
    let mut second = begin_impatient(&database, ReadCommitted);
    set(&mut second, 1, 11).unwrap();
}

/// What is read of locked and of written rows begins where its cursors say, as in any other fetch.
#[test]
fn cursors_below_locked_and_written_rows_are_kept() {
    let database = database();
    let rows = "create Parent { id: 1, name: \"a\", children: create [{ id: 1 }, { id: 2 }, { id: 3 }] }";
    let mut transaction = begin(&database, ReadCommitted);
    run(&mut transaction, rows).unwrap();
    let below = "children order by id after [2] { id }";
    for text in [
        format!("Parent[1] {{ {below} }}"),
        format!("Parent[1] for update {{ {below} }}"),
        format!("Parent order by id from [1] for share {{ {below} }}"),
        format!("update Parent[1] set {{ note: 1 }} return {{ {below} }}"),
        format!("upsert Parent[1] create {{ name: \"b\" }} update {{ note: 2 }} return {{ {below} }}"),
        format!("delete Parent where id = 1 and not (children some) return {{ {below} }}"),
    ] {
        let graph = match transaction.query(&text, &Params::none()) {
            Ok(Outcome::Fetched(graph)) => graph,
            Ok(Outcome::Written(written)) => written.returned.unwrap(),
            other => panic!("{text} gave {other:?}"),
        };
        let expected = if text.starts_with("delete") { "[]" } else { r#"[{"children":[{"id":3}]}]"# };
        assert_eq!(graph.to_json().unwrap(), expected, "{text}");
    }
}

/// A row that is deleted and kept goes for whoever reads it `for key share`, as one that is removed.
#[test]
fn for_key_share_sees_a_kept_row_go() {
    let kept = "entity Kept {\n  id    int64  @id\n  gone  datetime?\n  @@softDelete(gone)\n}\n";
    for level in Isolation::ALL {
        let database = database();
        database.apply_schema(&format!("{SCHEMA}{kept}")).unwrap();
        database.session().query("create Kept { id: 1 }", &Params::none()).unwrap();
        let (mut first, mut second) = (begin(&database, level), begin_impatient(&database, level));
        run(&mut first, "Kept[1] for key share { id }").unwrap();
        assert_eq!(run(&mut second, "delete Kept[1]").map(drop), Err(ErrorCode::LockNotAvailable), "{level}");
        drop((first, second));
        let (mut first, mut second) = (begin(&database, level), begin(&database, level));
        run(&mut second, "Test[2] { value }").unwrap();
        run(&mut first, "delete Kept[1]").unwrap();
        let read = || match run(&mut second, "Kept for key share { id }")? {
            Outcome::Fetched(graph) => Ok(graph.len()),
            other => panic!("{other:?}"),
        };
        let waited = while_waiting(&database, read, || commit(first).unwrap());
        let expected = if level == ReadCommitted { Ok(0) } else { Err(ErrorCode::SerializationConflict) };
        assert_eq!(waited, expected, "{level}");
    }
}
