//! Transactions through the shipped client: locks of rows, statements about them, cancelled waits, retries, versions.

use std::sync::Arc;
use std::time::Duration;

use ormdb::Params;
use ormdb_client::Client;
use ormdb_proto::{Access, ErrorCode, Isolation, Outcome, Retry};

use crate::process::{SCHEMA, Server};

async fn served(dir: &std::path::Path) -> (Server, Client) {
    let server = Server::start(dir, &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let artists = "create Artist [{ name: \"a\" }, { name: \"b\" }, { name: \"c\" }]";
    client.query(artists, &Params::none()).await.unwrap();
    (server, client)
}

async fn names(client: &Client, text: &str) -> String {
    client.fetch(text, &Params::none()).await.unwrap().to_json().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_take_from_a_queue_by_skipping_locked_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (server, client) = served(dir.path()).await;
    let jobs: Vec<String> = (0..60).map(|n| format!("{{ name: \"{n:02}\" }}")).collect();
    client.query(&format!("create Tag [{}]", jobs.join(", ")), &Params::none()).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let client = server.client().await;
        workers.spawn(async move {
            let mut done = Vec::new();
            loop {
                let transaction = client.begin_with(Isolation::ReadCommitted).await.unwrap();
                let take = "Tag where name < \"x\" order by id limit 1 for update skip locked { name }";
                let job = transaction.fetch(take, &Params::none()).await.unwrap();
                let Some(name) = job.roots().unwrap().next().map(|row| row.value("name").unwrap()) else {
                    return done;
                };
                let params = Params::none().with("name", name.clone());
                let finish = "update Tag[name: $name] set { name: \"x\" || name }";
                transaction.query(finish, &params).await.unwrap();
                transaction.commit().await.unwrap();
                done.push(format!("{name:?}"));
            }
        });
    }
    let mut done: Vec<String> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(done.len(), 60);
    done.sort_unstable();
    done.dedup();
    assert_eq!(done.len(), 60, "each is done once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_run_in_a_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, client) = served(dir.path()).await;
    let none = Params::none();
    let transaction = client.begin_with(Isolation::Snapshot).await.unwrap();
    for text in ["savepoint s", "delete Artist", "rollback to s", "release s", "delete Artist[name: \"c\"]"] {
        transaction.query(text, &none).await.unwrap();
    }
    let committed = transaction.query("commit", &none).await.unwrap();
    assert!(matches!(committed, Outcome::Done { token: Some(_) }));
    assert_eq!(transaction.query("Artist", &none).await.unwrap_err().code, ErrorCode::TransactionClosed);
    drop(transaction);
    assert_eq!(names(&client, "Artist order by id { name }").await, r#"[{"name":"a"},{"name":"b"}]"#);
    let reads = client.begin_as(Isolation::Snapshot, Access::ReadOnly).await.unwrap();
    assert_eq!(reads.query("delete Artist", &none).await.unwrap_err().code, ErrorCode::ReadOnly);
    assert_eq!(reads.fetch("Artist", &none).await.unwrap().len(), 2);
    reads.query("rollback", &none).await.unwrap();
}

/// A request that is given up, and a connection that ends, wait for nothing any longer, and give their places free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_nobody_wants_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (server, client) = served(dir.path()).await;
    let none = Params::none();
    for closes in [false, true] {
        let holder = client.begin_with(Isolation::ReadCommitted).await.unwrap();
        holder.fetch("Artist[name: \"a\"] for share { name }", &none).await.unwrap();
        // It has a row of its own, and waits for the one that is held.
        let waits = server.client().await;
        let waiting = waits.begin_with(Isolation::ReadCommitted).await.unwrap();
        waiting.query("Artist[name: \"b\"] for update { name }", &none).await.unwrap();
        let update = "update Artist[name: \"a\"] set { kind: band }";
        let given_up = tokio::time::timeout(Duration::from_millis(100), waiting.query(update, &none)).await;
        assert!(given_up.is_err());
        if closes {
            waits.close();
        }
        let start = tokio::time::Instant::now();
        // Behind the writer no reader would have had the lock, and the row of its own is free once it is rolled back.
        let other = server.client().await.begin_with(Isolation::ReadCommitted).await.unwrap();
        let shared = other.fetch("Artist[name: \"a\"] for share { name }", &none).await.unwrap();
        assert_eq!(shared.len(), 1);
        if !closes {
            waiting.rollback().await.unwrap();
        }
        other.fetch("Artist[name: \"b\"] for update { name }", &none).await.unwrap();
        let took = start.elapsed();
        assert!(took < Duration::from_millis(1500), "{took:?}; the wait itself would have taken 10 s");
        println!("closed {closes}: free after {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closure_is_run_again_until_it_commits() {
    let dir = tempfile::tempdir().unwrap();
    let (server, client) = served(dir.path()).await;
    let none = Params::none();
    client
        .query("create Artist { name: \"n\", albums: create { title: \"0\", price: 0 } }", &none)
        .await
        .unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let client = server.client().await.with_retry(Retry { retries_max: 200, ..Retry::default() });
        writers.spawn(async move {
            for _ in 0..10 {
                let add = |transaction: Arc<ormdb_client::Transaction>| async move {
                    let album = transaction.fetch("Album[1] { price }", &Params::none()).await?;
                    let price = album.roots()?.next().unwrap().value("price")?;
                    let params = Params::none().with("p", price);
                    transaction.query("update Album[1] set { price: $p + 1 }", &params).await.map(drop)
                };
                client.transact(add).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    assert_eq!(names(&client, "Album { price }").await, r#"[{"price":40.00}]"#);
    // What is no conflict is not run again, and a conflict not forever.
    let mut runs = 0;
    let fails = |transaction: Arc<ormdb_client::Transaction>| {
        runs += 1;
        async move { transaction.query("create Artist { name: \"n\" }", &Params::none()).await.map(drop) }
    };
    assert_eq!(client.transact(fails).await.unwrap_err().code, ErrorCode::UniqueViolation);
    assert_eq!(runs, 1);
    let (mut runs, client) = (0, client.with_retry(Retry { retries_max: 2, ..Retry::default() }));
    let conflicts = |transaction: Arc<ormdb_client::Transaction>| {
        runs += 1;
        let (client, none) = (&client, &none);
        async move {
            transaction.fetch("Album { price }", none).await?;
            client.query("update Album[1] set { price += 1 }", none).await?;
            transaction.query("update Album[1] set { price += 1 }", none).await.map(drop)
        }
    };
    let error = client.transact(conflicts).await.unwrap_err();
    assert_eq!((error.code, runs), (ErrorCode::SerializationConflict, 3));
    assert_eq!(error.detail.limit.unwrap().name, "retries_max");
}

/// A write may say which version it was decided upon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_expects_a_version() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, client) = served(dir.path()).await;
    let none = Params::none();
    let seen = client.fetch("Artist[name: \"a\"]", &none).await.unwrap().trailer().token;
    let params = Params::none().with("seen", seen.to_string());
    client.query("update Artist[name: \"b\"] set { kind: band }", &none).await.unwrap();
    client.query("update Artist[name: \"a\"] expected $seen set { kind: band }", &params).await.unwrap();
    for text in [
        "update Artist[name: \"a\"] expected $seen set { kind: solo }",
        "update Artist where kind = band expected $seen set { kind: solo }",
        "delete Artist[name: \"a\"] expected $seen",
    ] {
        let error = client.query(text, &params).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::VersionChanged, "{text}");
        assert_eq!(error.detail.key.as_deref(), Some("id = 1"));
    }
    client.query("delete Artist[name: \"c\"] expected $seen", &params).await.unwrap();
    let other = Params::none().with("seen", "0000000000000007-1");
    let error = client.query("delete Artist[name: \"a\"] expected $seen", &other).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::HistoryDiverged);
    assert_eq!(names(&client, "Artist order by id { kind }").await, r#"[{"kind":"band"},{"kind":"band"}]"#);
}

/// Writes share a thread: one that waits for a lock, and one of many rows, leave it to the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_pass_those_that_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (server, client) = served(dir.path()).await;
    let none = Params::none();
    let holder = client.begin().await.unwrap();
    holder.query("delete Artist[name: \"a\"]", &none).await.unwrap();
    let other = server.client().await;
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.query("update Artist[name: \"a\"] set { name: \"d\" }", &Params::none()).await }
    });
    for n in 0..20 {
        let create = format!("create Tag {{ name: \"{n}\" }}");
        let one = if n % 2 == 0 { &client } else { &other };
        one.query(&create, &none).await.unwrap();
    }
    let many: Vec<String> = (0..400).map(|n| format!("{{ name: \"many {n}\" }}")).collect();
    client.query(&format!("create Tag [{}]", many.join(", ")), &none).await.unwrap();
    assert!(!waiting.is_finished());
    holder.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(client.fetch("Artist[name: \"d\"]", &none).await.unwrap().len(), 1);
    assert_eq!(client.fetch("Tag", &none).await.unwrap().len(), 420);
}

/// Writes of a client that asks alone run where its requests are read: one that would wait there for a lock would hold up the very
/// request that gives the lock back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_does_not_keep_its_connection_from_reading() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, client) = served(dir.path()).await;
    for number in 0..40 {
        let create = format!("create Tag {{ name: \"{number}\" }}");
        client.query(&create, &Params::none()).await.unwrap();
    }
    let transaction = client.begin().await.unwrap();
    transaction.query("update Artist[name: \"a\"] set { kind: band }", &Params::none()).await.unwrap();
    let update = "update Artist[name: \"a\"] set { name: \"after\" }";
    let params = Params::none();
    // Sent one behind the other.
    let (written, committed) = tokio::join!(client.query(update, &params), transaction.commit());
    committed.unwrap();
    let Outcome::Written(written) = written.unwrap() else { panic!("a write was asked for") };
    assert_eq!(written.updated, 1);
    let kind = names(&client, "Artist[name: \"after\"] { kind }").await;
    assert_eq!(kind, r#"[{"kind":"band"}]"#);
}
