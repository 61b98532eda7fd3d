//! Requests that are stopped: what was not executed when the server heard of it never is, and whoever stopped it waits until then.

use std::time::Duration;

use ormdb::Params;
use ormdb_client::Stop;
use ormdb_proto::ErrorCode;

use crate::process::{SCHEMA, Server};

const CREATE: &str = "create Artist { name: \"a\" }";
const RENAME: &str = "update Artist[name: \"a\"] set { name: \"stopped\" }";

/// The lock that it waits for is given back over another connection, right behind its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_statement_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let (holding, waiting) = (server.client().await, server.client().await);
    let none = Params::none();
    holding.apply_schema(SCHEMA).await.unwrap();
    holding.query(CREATE, &none).await.unwrap();
    for round in 0..40 {
        let holder = holding.begin().await.unwrap();
        holder.query("update Artist[name: \"a\"] set { name: \"a\" }", &none).await.unwrap();
        let stop = Stop::default();
        let waits = tokio::spawn({
            let (stop, waiting) = (stop.clone(), waiting.clone());
            async move { stop.run(waiting.query(RENAME, &Params::none())).await }
        });
        // Not sent, on its way, or waiting.
        tokio::time::sleep(Duration::from_micros(200 * round)).await;
        stop.stop();
        assert_eq!(waits.await.unwrap().unwrap_err().code, ErrorCode::Cancelled);
        holder.commit().await.unwrap();
        assert_eq!(waiting.fetch("Artist[name: \"a\"]", &none).await.unwrap().len(), 1, "round {round}");
    }
}

/// One that waits for its turn in a transaction is not begun when its turn comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_statement_is_not_begun() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    let none = Params::none();
    client.apply_schema(SCHEMA).await.unwrap();
    client.query(CREATE, &none).await.unwrap();
    let holder = client.begin().await.unwrap();
    holder.query("delete Artist[name: \"a\"]", &none).await.unwrap();
    let transaction = client.begin().await.unwrap();
    let stop = Stop::default();
    let first = transaction.query(RENAME, &none);
    let second = stop.run(transaction.query("create Artist { name: \"b\" }", &none));
    let rest = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.stop();
        // On the same connection as the stop, and so behind it.
        client.ping().await.unwrap();
        holder.rollback().await.unwrap();
    };
    let (first, second, ()) = tokio::join!(first, second, rest);
    first.unwrap();
    assert_eq!(second.unwrap_err().code, ErrorCode::Cancelled);
    drop(transaction);
    assert_eq!(client.fetch("Artist", &none).await.unwrap().len(), 1);
}
