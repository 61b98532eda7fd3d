//! The client's pool: bounded, fair, replaced where it broke, and back by itself when its server is killed and started again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ormdb::Params;
use ormdb_client::{Pool, PoolOptions};
use ormdb_proto::{Error, ErrorCode, Result, Retry};

use crate::process::{SCHEMA, Server};

fn named(name: &str) -> Params {
    Params::none().with("name", name)
}

const CREATE: &str = "create Artist { name: $name }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_opened_as_they_are_needed_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let options = PoolOptions {
        connections_max: 2,
        requests_per_connection_max: 2,
        wait_max: Duration::from_millis(20),
        ..PoolOptions::default()
    };
    let pool = Pool::with(server.tcp.parse().unwrap(), options);
    assert_eq!(pool.connections(), 0, "none before it is needed");
    pool.apply_schema(SCHEMA).await.unwrap();
    for name in ["a", "b"] {
        pool.query(CREATE, &named(name)).await.unwrap();
    }
    assert_eq!(pool.connections(), 1, "one is enough for one request at a time");

    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(pool.begin().await.unwrap());
    }
    assert_eq!(pool.connections(), 2);
    let full = pool.ping().await.unwrap_err();
    assert_eq!((full.code, full.detail.maybe_executed), (ErrorCode::ServerBusy, Some(false)));
    assert_eq!(full.detail.limit.unwrap().name, "connections_max");

    // A place that becomes free goes to the one who waits for it.
    let patient = Pool::with(
        server.unix.parse().unwrap(),
        PoolOptions { connections_max: 1, requests_per_connection_max: 1, ..PoolOptions::default() },
    );
    let place = patient.client().await.unwrap();
    let waiting = tokio::spawn({
        let patient = patient.clone();
        async move { patient.fetch("Artist { name }", &Params::none()).await }
    });
    tokio::task::yield_now().await;
    drop(place);
    assert_eq!(waiting.await.unwrap().unwrap().len(), 2);

    let deadline = patient.with_deadline(Duration::from_millis(20));
    let place = patient.client().await.unwrap();
    let late = deadline.query(CREATE, &named("c")).await.unwrap_err();
    assert_eq!((late.code, late.detail.maybe_executed), (ErrorCode::Cancelled, Some(false)));
    drop(place);
    assert_eq!(patient.fetch("Artist", &Params::none()).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_past_its_deadline_is_cancelled_on_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    // On one connection, so that the server has been told of the end of the request when it hears of that of the holder.
    let options = PoolOptions { connections_max: 1, ..PoolOptions::default() };
    let pool = Pool::with(server.tcp.parse().unwrap(), options);
    pool.apply_schema(SCHEMA).await.unwrap();
    pool.query(CREATE, &named("a")).await.unwrap();
    let holder = pool.begin().await.unwrap();
    holder.query("update Artist[name: \"a\"] set { name: \"b\" }", &Params::none()).await.unwrap();
    let hurried = pool.with_deadline(Duration::from_millis(30));
    let delete = "delete Artist[name: \"a\"]";
    let late = hurried.query(delete, &Params::none()).await.unwrap_err();
    assert_eq!((late.code, late.detail.maybe_executed), (ErrorCode::Cancelled, Some(true)));
    // Its wait for the lock has ended with it: the row is there when the holder gives it back.
    holder.rollback().await.unwrap();
    assert_eq!(pool.fetch("Artist", &Params::none()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_become_structs_and_keep_their_place() {
    #[derive(ormdb_client::FromRow)]
    struct Artist {
        name: String,
        kind: Kind,
        albums: Vec<Album>,
    }
    #[derive(Clone, Debug, PartialEq, ormdb_client::FromLabel)]
    enum Kind {
        Solo,
        Band,
    }
    #[derive(ormdb_client::FromRow)]
    struct Album {
        title: String,
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let options =
        PoolOptions { connections_max: 1, requests_per_connection_max: 1, ..PoolOptions::default() };
    let pool = Pool::with(server.tcp.parse().unwrap(), options);
    pool.apply_schema(SCHEMA).await.unwrap();
    let records: Vec<String> = (0..20_000)
        .map(|n| format!("{{ name: \"{n:05}\", kind: band, albums: create {{ title: \"t{n}\" }} }}"))
        .collect();
    for records in records.chunks(5_000) {
        pool.query(&format!("create Artist [{}]", records.join(", ")), &Params::none()).await.unwrap();
    }
    let text = "Artist order by id { name, kind, albums { title } }";
    let mut rows = pool.stream(text, &Params::none()).await.unwrap().typed::<Artist>().unwrap();
    let (mut count, mut chunks) = (0, 0);
    while let Some(artists) = rows.next().await.unwrap() {
        for artist in artists {
            assert_eq!((artist.name, artist.kind), (format!("{count:05}"), Kind::Band));
            assert_eq!(artist.albums[0].title, format!("t{count}"));
            count += 1;
        }
        chunks += 1;
    }
    assert_eq!(count, 20_000);
    assert!(chunks > 1);
    assert_eq!(rows.trailer().unwrap().rows, 40_000);
    // Its place is taken until it is dropped.
    let hurried = pool.with_deadline(Duration::from_millis(20));
    assert_eq!(hurried.ping().await.unwrap_err().code, ErrorCode::Cancelled);
    drop(rows);
    pool.ping().await.unwrap();
    assert_eq!(Kind::Solo, <Kind as ormdb_client::FromLabel>::from_label("solo").unwrap());
}

/// What the workers of a kill run know.
#[derive(Default)]
struct Journal {
    written: Vec<String>,
    surely_not: Vec<String>,
}

/// Writes and reads through the pool until told to stop, over every restart of the server.
async fn work(
    pool: Pool,
    name: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
) -> Result<Journal> {
    let mut journal = Journal::default();
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        at += 1;
        let name = format!("{name}-{at}");
        let params = named(&name);
        let written = match at % 3 {
            0 => {
                let params = &params;
                pool.transact(|transaction| async move {
                    transaction.query(CREATE, params).await?;
                    let update = "update Artist[name: $name] set { kind: band }";
                    transaction.query(update, params).await.map(drop)
                })
                .await
            }
            _ => pool.query(CREATE, &params).await.map(drop),
        };
        match written {
            Ok(()) => {
                acknowledged.fetch_add(1, Ordering::Relaxed);
                journal.written.push(name);
            }
            Err(error) => {
                typed(&error)?;
                if error.detail.maybe_executed == Some(false) {
                    journal.surely_not.push(name);
                }
            }
        }
        // A read is repeated by the pool until the server is back.
        let found = pool.fetch("Artist where name = $name { kind }", &params).await?;
        let written = journal.written.last().is_some_and(|last| last.ends_with(&format!("-{at}")));
        assert!(found.len() == 1 || !written);
    }
    Ok(journal)
}

/// Passes over what a killed server leads to; anything else is a fault.
fn typed(error: &Error) -> Result<()> {
    let known = error.code == ErrorCode::ConnectionFailed && error.detail.maybe_executed.is_some();
    if known { Ok(()) } else { Err(error.clone()) }
}

/// Kills and starts the server so many times under a pool of eight workers. `ORMDB_KILLS=100` is the whole of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_outlives_its_server() {
    let kills: usize = std::env::var("ORMDB_KILLS").ok().map_or(5, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), &[]);
    let options = PoolOptions {
        connections_max: 3,
        reconnects: Retry { retries_max: 1000, ..PoolOptions::default().reconnects },
        ..PoolOptions::default()
    };
    let pool = Pool::with(server.unix.parse().unwrap(), options);
    pool.apply_schema(SCHEMA).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        workers.spawn(work(pool.clone(), format!("w{worker}"), stop, acknowledged));
    }
    for kill in 0..kills {
        // Work goes on behind every restart, by itself.
        let goal = acknowledged.load(Ordering::Relaxed) + 1 + kill * 7 % 40;
        while acknowledged.load(Ordering::Relaxed) < goal {
            assert!(workers.try_join_next().is_none(), "a worker ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        server = Server::start(dir.path(), &[]);
    }
    stop.store(true, Ordering::Relaxed);
    let mut journals = Vec::new();
    while let Some(journal) = workers.join_next().await {
        journals.push(journal.unwrap().unwrap());
    }
    #[derive(serde::Deserialize)]
    struct Artist {
        name: String,
        kind: String,
    }
    let artists = pool.fetch("Artist { name, kind }", &Params::none()).await.unwrap();
    let artists: Vec<Artist> = artists.rows().unwrap();
    for artist in &artists {
        let (_, at) = artist.name.rsplit_once('-').unwrap();
        let by_transaction = at.parse::<usize>().unwrap().is_multiple_of(3);
        assert_eq!(artist.kind == "band", by_transaction, "{} is there by halves", artist.name);
    }
    let found: HashSet<&str> = artists.iter().map(|artist| artist.name.as_str()).collect();
    for journal in &journals {
        assert!(
            journal.written.iter().all(|name| found.contains(name.as_str())),
            "an acknowledged write is lost"
        );
        assert!(journal.surely_not.iter().all(|name| !found.contains(name.as_str())));
    }
    let unsure = found.len() - journals.iter().map(|journal| journal.written.len()).sum::<usize>();
    println!("{} rows over {kills} kills, {unsure} of them never acknowledged", found.len());
    assert!(pool.connections() <= 3);
}
