//! Users log in to the real server with the shipped client, and may do what they may.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use ormdb::{Access, Params, User};
use ormdb_client::{Client, ConnectOptions, Credentials};
use ormdb_proto::ErrorCode;

use crate::process::{SCHEMA, Server, database, ormdb};

/// Runs `ormdb user …` with a new password on standard input.
fn user(arguments: &[&str], password: &str) -> Output {
    let mut command = ormdb();
    command.arg("user").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails before it reads is told by its status.
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn add_user(dir: &Path, arguments: &[&str], password: &str) {
    let db = database(dir);
    let mut all = vec!["add", db.to_str().unwrap()];
    all.extend(arguments);
    let added = user(&all, password);
    assert!(added.status.success(), "{added:?}");
}

/// A database with the schema, a user who writes and one who reads.
fn prepared(dir: &Path) {
    ormdb::Database::open(database(dir)).unwrap().apply_schema(SCHEMA).unwrap();
    add_user(dir, &["ann"], "one/1@:%");
    add_user(dir, &["bob", "--read-only"], "two");
}

fn url(server: &str, login: &str) -> String {
    server.replacen("://", &format!("://{login}@"), 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_users_get_in_and_readers_only_read() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let server = Server::start(dir.path(), &[]);
    let none = Params::none();
    for address in [&server.tcp, &server.unix] {
        let anonymous = Client::connect(address).await.unwrap_err();
        assert_eq!(anonymous.code, ErrorCode::AuthenticationFailed);
        assert!(anonymous.detail.hint.is_some());
        let mut told = Vec::new();
        for login in ["ann:two", "ann", "nobody:two", "bob:one"] {
            let error = Client::connect(&url(address, login)).await.unwrap_err();
            // An empty password cannot be one, and is not even sent.
            if login != "ann" {
                assert_eq!(error.code, ErrorCode::AuthenticationFailed, "{login}");
                told.push(error.message);
            }
        }
        told.dedup();
        assert_eq!(told.len(), 1, "nothing tells an unknown user from a wrong password: {told:?}");

        let ann = Client::connect(&url(address, "ann:one%2F1%40%3A%25")).await.unwrap();
        ann.query("create Artist { name: $n }", &none.clone().with("n", address.as_str())).await.unwrap();
        let bob = Client::connect(&url(address, "bob:two")).await.unwrap();
        assert!(!bob.fetch("Artist", &none).await.unwrap().is_empty());
        let transaction = bob.begin().await.unwrap();
        transaction.fetch("Artist", &none).await.unwrap();
        let denied = [
            transaction.query("delete Artist", &none).await.map(drop).unwrap_err(),
            transaction.fetch("Artist for update", &none).await.map(drop).unwrap_err(),
            bob.query("create Artist { name: \"x\" }", &none).await.map(drop).unwrap_err(),
            bob.apply_schema("").await.unwrap_err().remove(0),
            bob.users().await.map(drop).unwrap_err(),
            bob.set_password("bob", "three").await.unwrap_err(),
            bob.drop_user("ann").await.unwrap_err(),
        ];
        for error in denied {
            assert_eq!(error.code, ErrorCode::PermissionDenied);
        }
    }
    let credentials = Some(Credentials { user: "bob".to_owned(), password: "two".to_owned() });
    let options = ConnectOptions { credentials, ..ConnectOptions::default() };
    Client::connect_with(&server.tcp.parse().unwrap(), &options).await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_kept_through_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let open = server.client().await;
    // Whoever names a user wants the server to know it.
    let error = Client::connect(&url(&server.tcp, "ann:one")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AuthenticationFailed);

    let ann = User { name: "ann".to_owned(), access: Access::ReadWrite };
    open.add_user(&ann, "one").await.unwrap();
    assert_eq!(open.add_user(&ann, "two").await.unwrap_err().code, ErrorCode::DuplicateName);
    assert_eq!(
        open.add_user(&User { name: "b".to_owned(), ..ann.clone() }, "").await.unwrap_err().code,
        ErrorCode::InvalidValue
    );
    assert_eq!(Client::connect(&server.tcp).await.unwrap_err().code, ErrorCode::AuthenticationFailed);
    let client = Client::connect(&url(&server.tcp, "ann:one")).await.unwrap();
    assert_eq!(client.users().await.unwrap(), [ann]);
    client.set_password("ann", "two").await.unwrap();
    assert_eq!(client.set_password("eve", "two").await.unwrap_err().code, ErrorCode::RecordNotFound);
    assert!(Client::connect(&url(&server.tcp, "ann:one")).await.is_err());

    // The commands do the same.
    let run = |arguments: &[&str], login: &str| {
        let mut command = ormdb();
        command.arg("user").args(arguments).arg(url(&server.tcp, "ann")).env("ORMDB_PASSWORD", login);
        command.env("ORMDB_NEW_PASSWORD", "three");
        command
    };
    let out = run(&["add"], "two").args(["bob", "--read-only"]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let out = run(&["list"], "two").output().unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "ann  reads and writes\nbob  reads only\n");
    let out = run(&["password"], "two").arg("ann").output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let out = run(&["list"], "two").output().unwrap();
    assert_eq!(out.status.code(), Some(3), "{out:?}");
    let out = run(&["drop"], "three").arg("bob").output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let out = run(&["add"], "three").args(["a b"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    // A password in the URL is taken, and warned of.
    let out = ormdb().args(["user", "list", &url(&server.tcp, "ann:three")]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    assert!(String::from_utf8(out.stderr).unwrap().contains("can see the password"));
    let out = ormdb().args(["user", "list", &url(&server.tcp, "ann")]).stdin(Stdio::null()).output().unwrap();
    assert!(String::from_utf8(out.stderr).unwrap().contains("set ORMDB_PASSWORD"));

    // With the last user the door is open again, for those on this machine.
    client.drop_user("ann").await.unwrap();
    Client::connect(&server.tcp).await.unwrap().ping().await.unwrap();
    client.ping().await.unwrap();
}
