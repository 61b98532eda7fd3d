//! Many requests on one connection.

use std::time::Duration;

use ormdb::Params;
use ormdb_proto::ErrorCode;

use crate::process::{SCHEMA, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_a_connection() {
    let dir = tempfile::tempdir().unwrap();
    // Fewer places than tasks, so that requests wait for each other.
    let server = Server::start(dir.path(), &["--requests-max", "3"]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let client = client.clone();
        tasks.spawn(async move {
            for at in 0..20 {
                let name = format!("{task}-{at}");
                let params = Params::none().with("name", name.as_str());
                client.query("create Artist { name: $name }", &params).await.unwrap();
                let found = client.fetch("Artist where name = $name { name }", &params).await.unwrap();
                assert_eq!(found.to_json().unwrap(), format!("[{{\"name\":\"{name}\"}}]"));
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(client.fetch("Artist", &Params::none()).await.unwrap().len(), 160);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_request_and_not_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--requests-max", "1"]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    for _ in 0..20 {
        let late = client.with_deadline(Duration::from_micros(50)).fetch("Artist", &Params::none()).await;
        if let Err(error) = late {
            assert_eq!(error.code, ErrorCode::Cancelled);
        }
    }
    // Every place of the one that there is was given back.
    client.ping().await.unwrap();
    assert_eq!(client.fetch("Artist", &Params::none()).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_client_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.close();
    let error = client.ping().await.unwrap_err();
    assert_eq!((error.code, error.detail.maybe_executed), (ErrorCode::ConnectionFailed, Some(false)));
}
