#![allow(clippy::disallowed_methods, reason = "threads that commit")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::reader::LogReader;
use crate::{Changed, Changes, Database, ErrorCode, Options, Params, Session};

const SCHEMA: &str = "entity A {\n  id int64 @id\n  n int64\n  bs B[]\n}\n\nentity B {\n  id int64 @id\n  aId int64\n  a A @relation(aId -> A.id, onDelete: cascade)\n}\n";
const LONG: Duration = Duration::from_secs(30);

fn opened() -> (tempfile::TempDir, Session) {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    (dir, database.session())
}

fn run(session: &Session, text: &str) -> crate::Token {
    match session.query(text, &Params::none()).unwrap() {
        crate::Outcome::Written(written) => written.token,
        other => panic!("{other:?}"),
    }
}

/// The notices up to a version, joined.
fn until(changes: &Changes, token: crate::Token) -> Changed {
    let mut all = changes.next_timeout(LONG).unwrap().expect("a notice");
    while all.token < token {
        let next = changes.next_timeout(LONG).unwrap().expect("another notice");
        assert!(next.token > all.token, "in order");
        all.entities.extend(next.entities);
        all.entities.sort();
        all.entities.dedup();
        (all.token, all.schema) = (next.token, next.schema.or(all.schema));
        all.everything |= next.everything;
    }
    all
}

#[test]
fn a_subscriber_is_told_what_was_written() {
    let (_dir, session) = opened();
    run(&session, "create A { id: 1, n: 1 }");
    let changes = session.subscribe(&[]).unwrap();
    let only_b = session.subscribe(&["B"]).unwrap();
    assert_eq!(changes.next_timeout(Duration::ZERO).unwrap(), None, "what was there before is not told");
    let token = run(&session, "update A[1] set { n: 2 }");
    assert!(changes.since() < token);
    let told = until(&changes, token);
    assert_eq!((told.entities, told.schema, told.everything), (vec!["A".to_owned()], None, false));
    let token = run(&session, "create B { id: 1, aId: 1 }");
    assert_eq!(until(&changes, token).entities, ["B"]);
    assert_eq!(
        until(&only_b, token),
        Changed { token, entities: vec!["B".into()], schema: None, everything: false }
    );
    // What goes along is told too.
    let token = run(&session, "delete A[1]");
    assert_eq!(until(&changes, token).entities, ["A", "B"]);
    assert_eq!(until(&only_b, token).entities, ["B"]);
    // A transaction is one commit; one that is rolled back, or writes nothing, is none.
    let mut transaction = session.transaction().unwrap();
    transaction.query("create A { id: 2, n: 1 }", &Params::none()).unwrap();
    transaction.rollback();
    let token = session.transact(|tx| {
        tx.query("create A { id: 3, n: 1 }", &Params::none())?;
        tx.query("create B { id: 3, aId: 3 }", &Params::none()).map(drop)
    });
    token.unwrap();
    let told = changes.next_timeout(LONG).unwrap().unwrap();
    assert_eq!(told.entities, ["A", "B"]);
    assert_eq!(session.subscribe(&["C"]).unwrap_err().code, ErrorCode::UnknownEntity);
}

#[test]
fn a_change_of_the_schema_is_told_to_everybody() {
    let (_dir, session) = opened();
    let only_b = session.subscribe(&["B"]).unwrap();
    let applied = session.apply_schema(&format!("{SCHEMA}\nentity C {{\n  id int64 @id\n}}\n")).unwrap();
    let told = only_b.next_timeout(LONG).unwrap().unwrap();
    assert_eq!((told.schema, told.entities.len()), (Some(applied.catalog.version()), 0));
}

/// Who takes nothing is told everything at once, and holds up nobody.
#[test]
fn what_is_not_taken_is_joined() {
    let (_dir, session) = opened();
    let slow = session.subscribe(&[]).unwrap();
    let mut last = run(&session, "create A { id: 1, n: 0 }");
    for n in 0..200 {
        last = run(&session, &format!("update A[1] set {{ n: {n} }}"));
    }
    assert!(last < run(&session, "create B { id: 1, aId: 1 }"));
    last = session.fetch("A", &Params::none()).unwrap().trailer().token;
    assert_eq!(until(&slow, last).entities, ["A", "B"]);
    assert_eq!(slow.next_timeout(Duration::ZERO).unwrap(), None);
}

/// Everything up to the token of a notice has been told: what a cache reads behind it is as new as that.
#[test]
fn nothing_is_left_out_under_threads() {
    let (_dir, session) = opened();
    let changes = session.subscribe(&["A"]).unwrap();
    let written: Vec<crate::Token> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|t| {
                let session = session.clone();
                scope.spawn(move || {
                    let ids = (0..50).map(|n| t * 1000 + n);
                    ids.map(|id| run(&session, &format!("create A {{ id: {id}, n: 0 }}"))).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let last = written.into_iter().max_by_key(|token| token.seqno()).unwrap();
    assert_eq!(until(&changes, last).entities, ["A"]);
    let count = session.fetch("A { id }", &Params::none()).unwrap().len();
    assert_eq!(count, 200);
}

#[test]
fn a_task_is_woken() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (_dir, session) = opened();
    let changes = session.subscribe(&[]).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    assert!(changes.poll_next(&mut context).is_pending());
    run(&session, "create A { id: 1, n: 0 }");
    let told = loop {
        match changes.poll_next(&mut context) {
            Poll::Ready(told) => break told.unwrap(),
            Poll::Pending => std::thread::yield_now(),
        }
    };
    assert_eq!(told.entities, ["A"]);
    assert!(count.0.load(Ordering::SeqCst) >= 1);
}

/// The directory is free as soon as the last handle is gone, though a thread read its log.
#[test]
fn a_database_closes_with_its_subscribers() {
    let (dir, session) = opened();
    for _ in 0..5 {
        drop(session.subscribe(&[]).unwrap());
    }
    let changes = session.subscribe(&[]).unwrap();
    drop(session);
    drop(changes);
    let again = Database::open(dir.path()).unwrap().session();
    let changes = again.subscribe(&[]).unwrap();
    run(&again, "create A { id: 9, n: 0 }");
    assert_eq!(changes.next_timeout(LONG).unwrap().unwrap().entities, ["A"]);
}

/// The log is let go while somebody begins to read it: the place where the database was may be gone by then. That was told as a token
/// that is too old.
#[test]
fn the_log_is_let_go_while_somebody_subscribes() {
    let engine = ordinum::Options {
        fs: Arc::new(ordinum::fs::MemoryFs::new()),
        log_segment_bytes: 4 << 10,
        ..ordinum::Options::default()
    };
    let database = Database::open_with("/db", Options { engine, ..Options::default() }).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for id in 0..1000 {
                run(&database.session(), &format!("create A {{ id: {id}, n: 1 }}"));
                database.engine().flush_all().unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mut position = database.durable_seqno();
        while !is_over.load(Ordering::Relaxed) {
            let before = std::mem::replace(&mut position, LogReader::open(&database).unwrap().position());
            assert!(before <= position);
        }
    });
}
