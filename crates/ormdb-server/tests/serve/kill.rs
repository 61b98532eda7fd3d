//! The server is killed in the middle of everything, again and again: what was acknowledged is there, whole, and
//! nothing is there by halves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ormdb::Params;
use ormdb_client::Client;
use ormdb_proto::{ErrorCode, Result};
use tokio::sync::Notify;

use crate::process::{SCHEMA, Server, check};

const ROUNDS: usize = 20;
const CLIENTS: usize = 8;

/// What a client knows of its writes.
#[derive(Default)]
struct Journal {
    /// Acknowledged: these must be there.
    written: Vec<String>,
    /// Surely not executed: these must not.
    not_written: Vec<String>,
}

/// One nested create: an artist, two albums, two tracks each.
const GRAPH: &str = "create Artist { name: $name, albums: create [\
    { title: \"one\", tracks: create [{ name: \"a\", ms: 1 }, { name: \"b\", ms: 2 }] }, \
    { title: \"two\", tracks: create [{ name: \"c\", ms: 3 }, { name: \"d\", ms: 4 }] }] } return { id }";

const READ: &str =
    "Artist where name = $name { name, albums order by title { title, tracks order by ms { name, ms } } }";

fn whole(name: &str) -> String {
    format!(
        "[{{\"name\":\"{name}\",\"albums\":[\
         {{\"title\":\"one\",\"tracks\":[{{\"name\":\"a\",\"ms\":1}},{{\"name\":\"b\",\"ms\":2}}]}},\
         {{\"title\":\"two\",\"tracks\":[{{\"name\":\"c\",\"ms\":3}},{{\"name\":\"d\",\"ms\":4}}]}}]}}]"
    )
}

/// The same graph in three statements of one transaction.
async fn write_in_transaction(client: &Client, params: &Params) -> Result<()> {
    let transaction = client.begin().await?;
    transaction.query("create Artist { name: $name }", params).await?;
    let albums = "update Artist[name: $name] set { albums: create [{ title: \"one\" }, { title: \"two\" }] }";
    transaction.query(albums, params).await?;
    for (title, tracks) in
        [("one", "a\", ms: 1 }, { name: \"b\", ms: 2"), ("two", "c\", ms: 3 }, { name: \"d\", ms: 4")]
    {
        let text = format!(
            "update Album where title = \"{title}\" and artist.name = $name set {{ tracks: create [{{ name: \"{tracks} }}] }}"
        );
        transaction.query(&text, params).await?;
    }
    transaction.commit().await.map(drop)
}

/// Writes and reads until the server is gone.
async fn work(
    client: Client,
    name: String,
    journal: &mut Journal,
    acknowledged: &AtomicUsize,
    enough: (usize, &Notify),
) {
    for at in 0.. {
        let name = format!("{name}-{at}");
        let params = Params::none().with("name", name.as_str());
        let by_transaction = at % 4 == 3;
        let written = if by_transaction {
            write_in_transaction(&client, &params).await
        } else {
            client.query(GRAPH, &params).await.map(drop)
        };
        match written {
            Ok(()) => journal.written.push(name.clone()),
            // Lost against another client's transaction, and nothing was written: the next one.
            Err(error) if matches!(error.code, ErrorCode::SerializationConflict | ErrorCode::Deadlock) => {
                journal.not_written.push(name);
                continue;
            }
            Err(error) => {
                assert_eq!(error.code, ErrorCode::ConnectionFailed, "{error:?}");
                if error.detail.maybe_executed == Some(false) && !by_transaction {
                    journal.not_written.push(name);
                }
                return;
            }
        }
        if acknowledged.fetch_add(1, Ordering::Relaxed) + 1 == enough.0 {
            enough.1.notify_one();
        }
        match client.fetch(READ, &params).await {
            Ok(result) => assert_eq!(result.to_json().unwrap(), whole(&name)),
            Err(error) => {
                assert_eq!(error.code, ErrorCode::ConnectionFailed, "{error:?}");
                return;
            }
        }
    }
}

/// Compares the whole database with the journals.
async fn verify(client: &Client, journals: &[Journal]) {
    #[derive(serde::Deserialize)]
    struct Artist {
        name: String,
        albums: Vec<Album>,
    }
    #[derive(serde::Deserialize)]
    struct Album {
        tracks: Vec<Track>,
    }
    #[derive(serde::Deserialize)]
    struct Track {
        ms: i32,
    }
    let none = Params::none();
    let everything = "Artist { name, albums order by title { tracks order by ms { ms } } }";
    let artists: Vec<Artist> = client.fetch(everything, &none).await.unwrap().rows().unwrap();
    let mut found = HashSet::new();
    for artist in &artists {
        let tracks: Vec<Vec<i32>> =
            artist.albums.iter().map(|album| album.tracks.iter().map(|t| t.ms).collect()).collect();
        assert_eq!(tracks, [vec![1, 2], vec![3, 4]], "{} is there by halves", artist.name);
        assert!(found.insert(artist.name.as_str()), "{} is there twice", artist.name);
    }
    for journal in journals {
        for name in &journal.written {
            assert!(found.contains(name.as_str()), "{name} was acknowledged and is gone");
        }
        for name in &journal.not_written {
            assert!(!found.contains(name.as_str()), "{name} was not executed and is there");
        }
    }
    let counts = [("Album", 2), ("Track", 4)];
    for (entity, each) in counts {
        let rows = client.fetch(&format!("{entity} {{ id }}"), &none).await.unwrap().len();
        assert_eq!(rows, artists.len() * each, "every {entity} belongs to an artist");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_sigkill() {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), &[]);
    server.client().await.apply_schema(SCHEMA).await.unwrap();
    let mut journals: HashMap<usize, Journal> = HashMap::new();
    for round in 0..ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let enough = Arc::new(Notify::new());
        let kill_after = random.usize(1..60);
        let mut clients = tokio::task::JoinSet::new();
        for client_at in 0..CLIENTS {
            let url = if client_at % 2 == 0 { &server.tcp } else { &server.unix };
            let client = Client::connect(url).await.unwrap();
            let (acknowledged, enough) = (Arc::clone(&acknowledged), Arc::clone(&enough));
            let mut journal = journals.remove(&client_at).unwrap_or_default();
            clients.spawn(async move {
                let name = format!("{round}-{client_at}");
                work(client, name, &mut journal, &acknowledged, (kill_after, &enough)).await;
                (client_at, journal)
            });
        }
        enough.notified().await;
        server.kill();
        while let Some(ended) = clients.join_next().await {
            let (client_at, journal) = ended.unwrap();
            journals.insert(client_at, journal);
        }
        let report = check(dir.path());
        let told =
            String::from_utf8_lossy(&report.stdout).into_owned() + &String::from_utf8_lossy(&report.stderr);
        assert!(report.status.success(), "round {round}: {told}");
        server = Server::start(dir.path(), &[]);
        let all: Vec<Journal> = journals.drain().map(|(_, journal)| journal).collect();
        verify(&server.client().await, &all).await;
        journals = all.into_iter().enumerate().collect();
    }
    let written: usize = journals.values().map(|journal| journal.written.len()).sum();
    let not_written: usize = journals.values().map(|journal| journal.not_written.len()).sum();
    println!("{written} graphs were acknowledged, {not_written} surely not written, over {ROUNDS} kills");
    assert!(written >= ROUNDS);
}
