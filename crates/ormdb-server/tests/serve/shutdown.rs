//! A server that is told to stop answers what was begun.

use std::time::Duration;

use ormdb::Params;
use ormdb_client::Client;
use ormdb_proto::ErrorCode;

use crate::process::{SCHEMA, Server, check};

/// Writers go on while the server is told to stop: every answer is a write that is there afterwards, or a typed error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_loses_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    server.client().await.apply_schema(SCHEMA).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let client = server.client().await;
        writers.spawn(async move {
            let mut written = Vec::new();
            for at in 0.. {
                let name = format!("{writer}-{at}");
                let params = Params::none().with("name", name.as_str());
                match client.query("create Artist { name: $name }", &params).await {
                    Ok(_) => written.push(name),
                    Err(error) => {
                        let expected = [ErrorCode::ShuttingDown, ErrorCode::ConnectionFailed];
                        assert!(expected.contains(&error.code), "{error:?}");
                        break;
                    }
                }
            }
            written
        });
    }
    let watcher = server.client().await;
    while watcher.fetch("Artist", &Params::none()).await.unwrap().len() < 20 {}
    server.terminate();
    assert!(server.wait().success());
    assert!(!dir.path().join("socket").exists());

    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    while let Some(written) = writers.join_next().await {
        for name in written.unwrap() {
            let params = Params::none().with("name", name.as_str());
            let found = client.fetch("Artist[name: $name] { id }", &params).await.unwrap();
            assert_eq!(found.len(), 1, "{name} was acknowledged");
        }
    }
    drop(server);
    assert!(check(dir.path()).status.success());
}

/// An idle connection and an open transaction do not keep a server from stopping.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_idle_does_not_hold_a_stop_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--drain-timeout", "600"]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let transaction = client.begin().await.unwrap();
    transaction.query("create Artist { name: \"open\" }", &Params::none()).await.unwrap();
    server.terminate();
    let url = server.tcp.clone();
    assert!(server.wait().success());
    let error = transaction.commit().await.unwrap_err();
    assert!([ErrorCode::ShuttingDown, ErrorCode::ConnectionFailed].contains(&error.code), "{error:?}");
    let error = Client::connect(&url).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ConnectionFailed);

    let server = Server::start(dir.path(), &[]);
    let client = server.client().await.with_deadline(Duration::from_secs(60));
    assert_eq!(client.fetch("Artist", &Params::none()).await.unwrap().len(), 0);
}
