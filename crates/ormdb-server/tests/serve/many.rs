//! Many connections at once: most of them quiet, some at work.

use std::time::Duration;

use ormdb::{Outcome, Params};
use ormdb_client::Client;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use crate::process::{SCHEMA, Server};

const IDLE: usize = 1000;
const BUSY: usize = 200;
/// The requests of each busy connection.
const REQUESTS: usize = 20;
/// File descriptors of this process: the connections, and some for itself.
const FILES: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_and_two_hundred_busy_connections_are_held() {
    let limit = getrlimit(Resource::Nofile);
    assert!(
        limit.maximum.is_none_or(|most| most >= FILES),
        "this test needs {FILES} file descriptors: {limit:?}"
    );
    if limit.current.is_some_and(|now| now < FILES) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), ..limit }).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--connections-max", "1201", "--idle-timeout", "3"]);
    let first = server.client().await;
    first.apply_schema(SCHEMA).await.unwrap();
    let mut idle = Vec::new();
    for n in 0..IDLE {
        let url = if n % 2 == 0 { &server.tcp } else { &server.unix };
        idle.push(Client::connect(url).await.unwrap());
    }
    let mut busy = JoinSet::new();
    for n in 0..BUSY {
        let url = server.tcp.clone();
        busy.spawn(async move {
            let client = Client::connect(&url).await?;
            for request in 0..REQUESTS {
                let params = Params::none().with("name", format!("{n}/{request}"));
                if request % 4 == 0 {
                    client.query("create Artist { name: $name }", &params).await?;
                } else {
                    client.fetch("Artist where name startsWith $name limit 10 { name }", &params).await?;
                }
            }
            Ok::<(), ormdb::Error>(())
        });
    }
    let done = tokio::time::timeout(Duration::from_secs(120), busy.join_all()).await.unwrap();
    done.into_iter().collect::<Result<Vec<()>, _>>().unwrap();
    // Longer than a quiet connection lives: those gave signs of life meanwhile.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    for client in &idle {
        client.ping().await.unwrap();
    }
    let Outcome::Fetched(all) = first.query("Artist { id }", &Params::none()).await.unwrap() else {
        panic!()
    };
    assert_eq!(all.len(), BUSY * REQUESTS / 4);
}
