//! Versions that were overwritten, for as long as the server is told to keep them.

use std::path::Path;
use std::time::Duration;

use ormdb::Params;
use ormdb_client::Client;
use ormdb_proto::{Error, ErrorCode};
use tokio::time::Instant;

use crate::process::{SCHEMA, Server, database, ormdb};

/// By when a version has to be given up that nobody keeps.
const GIVEN_UP_BY: Duration = Duration::from_secs(60);

async fn name_as_of(client: &Client, token: &str) -> Result<String, Error> {
    let params = Params::none().with("t", token);
    let fetched = client.fetch("Artist[1] as of $t { name }", &params).await?;
    let rows: Vec<(String,)> = fetched.rows()?;
    Ok(rows.into_iter().map(|(name,)| name).collect())
}

/// Starts a server whose only row was overwritten, and returns the token of a result with the row as it was.
async fn overwritten(dir: &Path, options: &[&str]) -> (Server, Client, String) {
    let server = Server::start(dir, options);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let none = Params::none();
    client.query("create Artist { name: \"first\" }", &none).await.unwrap();
    let token = client.fetch("Artist { name }", &none).await.unwrap().trailer().token.to_string();
    overwrite(&client).await;
    (server, client, token)
}

async fn overwrite(client: &Client) {
    client.query("update Artist[1] set { name: \"second\" }", &Params::none()).await.unwrap();
}

/// Reads a version, while more is written, until it is given up, which it has to be; returns the error, and how long that took.
async fn given_up(client: &Client, token: &str) -> (Error, Duration) {
    let began = Instant::now();
    loop {
        match name_as_of(client, token).await {
            Err(error) => return (error, began.elapsed()),
            Ok(name) => assert_eq!(name, "first"),
        }
        assert!(began.elapsed() < GIVEN_UP_BY, "nobody gives the version up");
        overwrite(client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_kept_for_as_long_as_the_server_is_told() {
    // Without a retention, whatever looks for work gives the past up, and the error says how it would have been kept.
    let dir = tempfile::tempdir().unwrap();
    let (_server, client, token) = overwritten(dir.path(), &[]).await;
    let (error, took) = given_up(&client, &token).await;
    assert_eq!(error.code, ErrorCode::TokenTooOld);
    let hint = error.detail.hint.unwrap();
    assert!(hint.contains("ormdb serve --retention-age"), "{hint}");
    // With one that allows no bytes as well.
    let dir = tempfile::tempdir().unwrap();
    let options = ["--retention-age", "3600", "--retention-bytes", "0"];
    let (_server, client, token) = overwritten(dir.path(), &options).await;
    assert_eq!(given_up(&client, &token).await.0.code, ErrorCode::TokenTooOld);
    // With one of an hour it stays, for longer than that took, and when the server is started again.
    let dir = tempfile::tempdir().unwrap();
    let options = ["--retention-age", "3600", "--retention-bytes", "1000000000"];
    let (server, client, token) = overwritten(dir.path(), &options).await;
    let began = Instant::now();
    while began.elapsed() < took * 2 {
        overwrite(&client).await;
        assert_eq!(name_as_of(&client, &token).await.unwrap(), "first");
    }
    server.terminate();
    assert!(server.wait().success());
    let server = Server::start(dir.path(), &options);
    let client = server.client().await;
    assert_eq!(name_as_of(&client, &token).await.unwrap(), "first");
    let newest = client.fetch("Artist { name }", &Params::none()).await.unwrap().trailer().token.to_string();
    assert_eq!(name_as_of(&client, &newest).await.unwrap(), "second");
}

/// A command on the directory of a server that keeps versions gave them up, for it opened the database with no retention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_on_the_directory_keep_what_a_server_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let stop = |server: Server| {
        server.terminate();
        assert!(server.wait().success());
    };
    let (server, _client, token) = overwritten(dir.path(), &["--retention-age", "3600"]).await;
    stop(server);
    let database = database(dir.path());
    let run = |command: &str, rest: &[&str]| {
        let run = ormdb().arg(command).arg(&database).args(rest).output().unwrap();
        let error = String::from_utf8(run.stderr).unwrap();
        (run.status.success(), String::from_utf8(run.stdout).unwrap(), error)
    };
    let as_of = format!("Artist[1] as of \"{token}\" {{ name }}");
    let rounds = 8;
    for round in 0..rounds {
        // Each opening has a log of its own; those that many openings leave are flushed.
        let write = format!("update Artist[1] set {{ name: \"round {round}\" }}");
        assert!(run("query", &[&write]).0, "round {round}");
        assert!(run("purge", &[]).0);
        assert!(run("check", &[]).0);
        let (is_kept, output, error) = run("query", &[&as_of]);
        assert!(is_kept && output.contains("first"), "round {round}: {output}{error}");
    }
    // A server that is told nothing keeps it as well.
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    assert_eq!(name_as_of(&client, &token).await.unwrap(), "first");
    let newest = client.fetch("Artist { name }", &Params::none()).await.unwrap().trailer().token.to_string();
    stop(server);
    // It ends with a server that is told to keep nothing.
    stop(Server::start(dir.path(), &["--retention-age", "0"]));
    for round in 0..rounds {
        assert!(run("query", &["update Artist[1] set { name: \"another\" }"]).0, "round {round}");
    }
    let (is_kept, _, error) = run("query", &[&as_of]);
    assert!(!is_kept && error.contains("token_too_old"), "{error}");
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    let given_up = name_as_of(&client, &newest).await.unwrap_err();
    assert_eq!(given_up.code, ErrorCode::TokenTooOld);
}

#[test]
fn what_is_no_retention_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    for (options, status, said) in [
        (&["--retention-age=-1"][..], 1, "--retention-age -1 is no age"),
        (&["--retention-age", "inf"], 1, "--retention-age inf is no age"),
        (&["--retention-age", "nan"], 1, "--retention-age NaN is no age"),
        (&["--retention-age", "1e300"], 1, "is no age"),
        (
            &["--retention-age", "1e18"],
            1,
            "error[invalid_value]: versions are kept for at most 31536000000 seconds",
        ),
        (&["--retention-age", "soon"], 2, "invalid value 'soon'"),
        // Bytes alone would keep nothing.
        (&["--retention-bytes", "1000"], 2, "--retention-age <SECONDS>"),
    ] {
        let refused = ormdb().arg("serve").arg(&path).args(options).output().unwrap();
        let error = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(status), "{error}");
        assert!(error.contains(said), "{error}");
    }
    assert!(!path.exists());
}
