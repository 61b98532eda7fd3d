//! Commits that are told without being asked for: through the real server with the shipped client.

use std::time::Duration;

use ormdb::{ErrorCode, Outcome, Params, Token};
use ormdb_client::{Changes, Client, ConnectOptions, Pool};
use ormdb_proto::message::Changed;

use crate::process::{SCHEMA, Server};

async fn run(client: &Client, text: &str) -> Token {
    match client.query(text, &Params::none()).await.unwrap() {
        Outcome::Written(written) => written.token,
        other => panic!("{other:?}"),
    }
}

/// The notices up to a version, joined, and how many they were.
async fn until(changes: &mut Changes, token: Token) -> (Changed, usize) {
    let (mut all, mut count) = (changes.next().await.unwrap(), 1);
    while all.token < token {
        let next = changes.next().await.unwrap();
        assert!(next.token > all.token, "in order");
        all.entities.extend(next.entities);
        all.entities.sort();
        all.entities.dedup();
        (all.token, count) = (next.token, count + 1);
    }
    (all, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--requests-max", "2"]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let other = server.client().await;
    let mut every = client.subscribe(&[]).await.unwrap();
    let mut albums = client.subscribe(&["Album", "Track"]).await.unwrap();
    let token = run(&other, "create Artist { name: \"a\" }").await;
    assert!(every.since() < token);
    assert_eq!(until(&mut every, token).await.0.entities, ["Artist"]);
    // What is told is there to be read, on the connection that was told.
    assert_eq!(client.fetch("Artist", &Params::none()).await.unwrap().len(), 1);
    let token = run(&other, "create Album { title: \"b\", artistId: 1 }").await;
    assert_eq!(until(&mut albums, token).await.0.entities, ["Album"]);
    let token = run(&other, "delete Artist[1]").await;
    assert_eq!(until(&mut albums, token).await.0.entities, ["Album"]);
    assert_eq!(until(&mut every, token).await.0.entities, ["Album", "Artist"]);
    let applied =
        other.apply_schema(&format!("{SCHEMA}\nentity New {{\n  id int64 @id\n}}\n")).await.unwrap();
    assert_eq!(albums.next().await.unwrap().schema, Some(applied.version));
    assert_eq!(client.subscribe(&["Artst"]).await.unwrap_err().code, ErrorCode::UnknownEntity);
    // They take no place of a request: two are all that this server takes at a time.
    let mut kept = vec![albums];
    while kept.len() < 15 {
        kept.push(client.subscribe(&["Artist"]).await.unwrap());
    }
    assert_eq!(client.subscribe(&[]).await.unwrap_err().code, ErrorCode::LimitExceeded);
    client.ping().await.unwrap();
    // One that is dropped makes room, as soon as the server has heard of it.
    kept.pop();
    client.ping().await.unwrap();
    let again = async {
        loop {
            match client.subscribe(&["Artist"]).await {
                Ok(changes) => break changes,
                Err(error) => assert_eq!(error.code, ErrorCode::LimitExceeded),
            }
        }
    };
    kept.push(tokio::time::timeout(Duration::from_secs(30), again).await.unwrap());
}

/// Who reads nothing is told once what others wrote many times, and holds up nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_is_told_less_often() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let options = ConnectOptions { window_bytes: 64, ..ConnectOptions::default() };
    let narrow = Client::connect_with(&server.tcp.parse().unwrap(), &options).await.unwrap();
    let mut slow = narrow.subscribe(&[]).await.unwrap();
    run(&client, "create Artist { name: \"a\" }").await;
    for n in 0..200 {
        run(&client, &format!("update Artist[1] set {{ name: \"{n}\" }}")).await;
    }
    let last = run(&client, "create Tag { name: \"t\" }").await;
    narrow.ping().await.unwrap();
    let (told, notices) = until(&mut slow, last).await;
    assert_eq!(told.entities, ["Artist", "Tag"]);
    assert!(notices <= 4, "a window holds two of them, and not {notices}");
}

/// Read-only users are told too; a subscription ends with the server, and one of a pool is made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_ends_with_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let address = server.address().to_owned();
    let pool = Pool::new(&server.tcp).unwrap();
    pool.apply_schema(SCHEMA).await.unwrap();
    let mut changes = pool.subscribe(&["Artist"]).await.unwrap();
    server.terminate();
    assert_eq!(changes.next().await.unwrap_err().code, ErrorCode::ShuttingDown);
    assert_eq!(changes.next().await.unwrap_err().code, ErrorCode::ShuttingDown, "and nothing more");
    assert!(server.wait().success(), "it waits for no subscriber");
    let server = Server::start(dir.path(), &["--listen", &address]);
    let mut changes = pool.subscribe(&["Artist"]).await.unwrap();
    pool.query("create Artist { name: \"a\" }", &Params::none()).await.unwrap();
    assert_eq!(changes.next().await.unwrap().entities, ["Artist"]);
    server.kill();
    assert_eq!(changes.next().await.unwrap_err().code, ErrorCode::ConnectionFailed);
    pool.close();
}

/// A hundred subscribers of many connections, while others write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_subscribers_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    let (last_sender, last) = tokio::sync::watch::channel(None::<Token>);
    for _ in 0..10 {
        let subscriber = server.client().await;
        for _ in 0..10 {
            let mut changes = subscriber.subscribe(&["Artist"]).await.unwrap();
            let mut last = last.clone();
            tasks.spawn(async move {
                let last = last.wait_for(Option::is_some).await.unwrap().unwrap();
                until(&mut changes, last).await.0
            });
        }
    }
    let mut token = run(&client, "create Artist { name: \"a\" }").await;
    for n in 0..50 {
        token = run(&client, &format!("update Artist[1] set {{ name: \"{n}\" }}")).await;
    }
    last_sender.send(Some(token)).unwrap();
    while let Some(told) = tasks.join_next().await {
        let told = told.unwrap();
        assert_eq!((told.token, told.entities), (token, vec!["Artist".to_owned()]));
    }
}
