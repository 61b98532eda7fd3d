//! Results that are larger than what their readers take: through the real server with the shipped client.

use std::time::Duration;

use ormdb::{Isolation, Params};
use ormdb_client::{Client, ConnectOptions};
use ormdb_proto::{ErrorCode, GraphResult, Token};

use crate::process::{SCHEMA, Server};

/// Rows enough for many chunks of many windows, 1,000 bytes each.
const ROWS: usize = 40_000;

async fn filled(server: &Server) -> Client {
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let name = "x".repeat(990);
    for thousand in 0..ROWS / 1000 {
        let rows: Vec<String> =
            (0..1000).map(|n| format!("{{ name: $n || \"{:06}\" }}", thousand * 1000 + n)).collect();
        let params = Params::none().with("n", name.as_str());
        client.query(&format!("create Artist [{}]", rows.join(", ")), &params).await.unwrap();
    }
    client
}

async fn connect(server: &Server, window_bytes: u32) -> Client {
    let options = ConnectOptions { window_bytes, ..ConnectOptions::default() };
    Client::connect_with(&server.tcp.parse().unwrap(), &options).await.unwrap()
}

/// What the process has in memory, in KiB.
fn resident_kib(server: &Server) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--requests-max", "16", "--retention-age", "3600"]);
    drop(filled(&server).await);
    let none = Params::none();
    let client = connect(&server, 1 << 20).await;
    let count = async || {
        let one = client.fetch("Artist order by id limit 1 { id }", &none).await.unwrap();
        assert_eq!(one.len(), 1);
    };
    count().await;
    // What is read once more is in the database's cache, before and after.
    assert_eq!(client.fetch("Artist", &none).await.unwrap().len(), ROWS);
    let before = resident_kib(&server);
    // Many results that nobody reads on, over the one connection.
    let mut slow = Vec::new();
    for _ in 0..12 {
        let mut stream = client.stream("Artist", &none).await.unwrap();
        assert!(stream.next().await.unwrap().is_some());
        slow.push(stream);
    }
    for _ in 0..100 {
        count().await;
    }
    let transaction = client.begin_with(Isolation::ReadCommitted).await.unwrap();
    transaction.query("create Artist { name: \"later\" }", &none).await.unwrap();
    // One in a transaction: it sees what that wrote.
    let mut within = transaction.stream("Artist { name }", &none).await.unwrap();
    assert!(within.next().await.unwrap().is_some());
    if let (Some(before), Some(after)) = (before, resident_kib(&server)) {
        // They are 480 MB; what is held are a window and a chunk of each, the rows that a chunk is made of, and what the
        // allocator keeps.
        assert!(after < before + 240 * 1024, "{before} KiB before, {after} KiB with slow readers");
    }
    // Read on, each is whole, and of the moment that it began in.
    let mut rows = 0;
    while let Some(chunk) = within.next().await.unwrap() {
        rows += chunk.rows();
    }
    let trailer = *within.trailer().unwrap();
    assert!(rows < ROWS, "the first chunk was taken before");
    assert_eq!(trailer.rows as usize, ROWS + 1);
    transaction.commit().await.unwrap();
    let mut last = slow.pop().unwrap();
    let shape = std::sync::Arc::clone(last.shape());
    let mut names = std::collections::HashSet::new();
    while let Some(chunk) = last.next().await.unwrap() {
        #[derive(serde::Deserialize)]
        struct Artist {
            name: String,
        }
        let part = GraphResult::new(shape.clone(), vec![chunk], Token::new(0, 0), 0);
        names.extend(part.rows::<Artist>().unwrap().into_iter().map(|artist| artist.name));
    }
    assert!(names.len() < ROWS && !names.contains("later"));
    assert_eq!(last.trailer().unwrap().rows as usize, ROWS);
    // Those that are dropped are cancelled, and their places are free.
    drop(slow);
    let all = (0..16).map(|_| client.fetch("Artist limit 10", &none));
    for fetched in all {
        assert_eq!(fetched.await.unwrap().len(), 10);
    }
    // Taken whole, a result of many windows comes as ever.
    assert_eq!(client.fetch("Artist", &none).await.unwrap().len(), ROWS + 1);
    let unbounded = connect(&server, 0).await;
    assert_eq!(unbounded.fetch("Artist", &none).await.unwrap().len(), ROWS + 1);
    // A window that is smaller than any chunk lets one chunk through at a time.
    let narrow = connect(&server, 1).await;
    assert_eq!(narrow.fetch("Artist", &none).await.unwrap().len(), ROWS + 1);
    // A write may return more than a window; its counts come behind it.
    let written = narrow.query("update Artist set { kind: band } return { name }", &none).await.unwrap();
    let ormdb::Outcome::Written(written) = written else { panic!("{written:?}") };
    assert_eq!((written.updated as usize, written.returned.unwrap().len()), (ROWS + 1, ROWS + 1));
    // What a reader that names a row or a version finds comes in parts as well. The version is kept, so that no commit in between,
    // as of the statistics in the background, makes it too old.
    let token = narrow.fetch("Artist limit 1", &none).await.unwrap().trailer().token.to_string();
    let past = Params::none().with("t", token);
    for text in ["Artist order by id after [1] { name }", "Artist as of $t { name }"] {
        let mut stream = narrow.stream(text, &past).await.unwrap();
        let (mut rows, mut chunks) = (0, 0);
        while let Some(chunk) = stream.next().await.unwrap() {
            (rows, chunks) = (rows + chunk.rows(), chunks + 1);
        }
        assert!(rows >= ROWS && chunks > 5, "{text}: {rows} rows in {chunks} chunks");
    }
}

/// A statement that gives no rows is refused before it runs, however it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gives_no_rows_is_not_executed_for_rows() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let none = Params::none();
    let create = client.prepare("create Artist { name: \"z\" }").await.unwrap();
    for text in ["create Artist { name: \"z\" }", "explain Artist", "commit"] {
        assert_eq!(client.stream(text, &none).await.unwrap_err().code, ErrorCode::InvalidQuery, "{text}");
        assert_eq!(client.fetch(text, &none).await.unwrap_err().code, ErrorCode::InvalidQuery, "{text}");
    }
    assert_eq!(client.stream_prepared(&create, &none).await.unwrap_err().code, ErrorCode::InvalidQuery);
    let transaction = client.begin().await.unwrap();
    let refused = transaction.fetch("create Artist { name: \"z\" }", &none).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidQuery);
    transaction.commit().await.unwrap();
    assert_eq!(client.fetch("Artist", &none).await.unwrap().len(), 0);
    assert_eq!(client.fetch("create Artist { name: \"z\" } return { id }", &none).await.unwrap().len(), 1);
}

/// The deadline is that of each wait: a chunk that does not come ends the stream, and the statement on the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_does_not_come_in_time_ends_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let none = Params::none();
    client.query("create Artist { name: \"a\" }", &none).await.unwrap();
    let holder = client.begin().await.unwrap();
    holder.query("update Artist[1] set { name: \"b\" }", &none).await.unwrap();
    let hurried = client.with_deadline(Duration::from_millis(100));
    let late =
        hurried.stream("update Artist[1] set { name: \"c\" } return { name }", &none).await.unwrap_err();
    assert_eq!((late.code, late.detail.maybe_executed), (ErrorCode::Cancelled, Some(true)));
    holder.commit().await.unwrap();
    // In time, it is as without one.
    let mut stream = hurried.stream("Artist { name }", &none).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().rows(), 1);
    assert!(stream.next().await.unwrap().is_none());
    assert_eq!(client.fetch("Artist where name = \"c\"", &none).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_on_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--stall-timeout", "0.3"]);
    drop(filled(&server).await);
    let client = connect(&server, 1 << 20).await;
    let mut stream = client.stream("Artist", &Params::none()).await.unwrap();
    // What was sent ahead is still there; behind it comes why there is no more.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let error = loop {
        match stream.next().await {
            Ok(chunk) => assert!(chunk.is_some(), "the result is not whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert!(error.message.contains("took nothing"), "{}", error.message);
    client.ping().await.unwrap();
}

/// All related rows of one root row had to stand in one chunk, which the server made at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_row_with_many_related_ones_comes_in_parts() {
    const ALBUMS: usize = 30_000;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let none = Params::none();
    client
        .query("create Artist [{ name: \"few\" }, { name: \"many\" }, { name: \"none\" }]", &none)
        .await
        .unwrap();
    let title = Params::none().with("t", "x".repeat(990));
    for thousand in 0..ALBUMS / 1000 {
        let album = |n| format!("{{ title: $t || \"{:06}\", artistId: 2 }}", thousand * 1000 + n);
        let albums: Vec<String> = (0..1000).map(album).collect();
        client.query(&format!("create Album [{}]", albums.join(", ")), &title).await.unwrap();
    }
    client.query("create Album { title: \"one\", artistId: 1 }", &none).await.unwrap();
    let text = "Artist order by id { id, name, albums order by id { id, title } }";
    // In parts, none of which is large; together they are the whole.
    let mut stream = client.stream_divided(text, &none).await.unwrap();
    let shape = std::sync::Arc::clone(stream.shape());
    let mut parts = Vec::new();
    while let Some(part) = stream.next().await.unwrap() {
        assert!(part.byte_len() < 8 << 20, "a part of {} bytes", part.byte_len());
        parts.push(part);
    }
    assert!(parts.iter().filter(|part| part.goes_on()).count() >= 3, "{} parts", parts.len());
    let joined = ormdb_proto::result::join_all(&shape, parts).unwrap();
    let joined =
        GraphResult::new(std::sync::Arc::clone(&shape), joined, Token::new(0, 0), 0).to_json().unwrap();
    // Who does not ask for parts gets whole rows, in a stream and at once, outside of a transaction and in one.
    let mut stream = client.stream(text, &none).await.unwrap();
    let mut whole = Vec::new();
    while let Some(chunk) = stream.next().await.unwrap() {
        assert!(!chunk.goes_on());
        whole.push(chunk);
    }
    let streamed = GraphResult::new(shape, whole, Token::new(0, 0), 0).to_json().unwrap();
    let fetched = client.fetch(text, &none).await.unwrap().to_json().unwrap();
    let transaction = client.begin().await.unwrap();
    let within = transaction.fetch(text, &none).await.unwrap().to_json().unwrap();
    transaction.rollback().await.unwrap();
    assert!(joined == fetched && streamed == fetched && within == fetched);
    let graph: serde_json::Value = serde_json::from_str(&fetched).unwrap();
    let albums = |artist: usize| graph[artist]["albums"].as_array().unwrap().len();
    assert_eq!([albums(0), albums(1), albums(2)], [1, ALBUMS, 0]);
}
