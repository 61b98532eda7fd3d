//! Prepared statements through the real server with the shipped client.

use ormdb::{Outcome, Params, Value};
use ormdb_proto::ErrorCode;

use crate::process::{SCHEMA, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_prepared_and_run_many_times() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let none = Params::none();
    let create = client.prepare("create Artist { name: $name } return { id }").await.unwrap();
    let by_name = client.prepare("Artist where name startsWith $name order by name { name }").await.unwrap();
    let described = by_name.description();
    assert_eq!(
        (described.params[0].name.as_str(), described.params[0].ty.as_deref()),
        ("name", Some("string"))
    );
    assert_eq!(described.shape.as_ref().unwrap().nodes[0].columns[0].name, "name");
    assert_eq!(create.description().shape.as_ref().unwrap().nodes[0].columns[0].name, "id");
    assert_eq!(client.prepare("Artst").await.unwrap_err().code, ErrorCode::UnknownEntity);
    let named = |name: &str| Params::none().with("name", name);
    // Many at once, over the one connection.
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (client, create) = (client.clone(), create.clone());
        tasks.spawn(async move {
            client.run_prepared(&create, &Params::none().with("name", format!("a{n:02}"))).await.map(drop)
        });
    }
    while let Some(created) = tasks.join_next().await {
        created.unwrap().unwrap();
    }
    let count = async |name: &str| match client.run_prepared(&by_name, &named(name)).await.unwrap() {
        Outcome::Fetched(result) => result.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((count("a").await, count("a1").await, count("b").await), (50, 10, 0));
    let mut stream = client.stream_prepared(&by_name, &named("a")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().rows(), 50);
    assert!(stream.next().await.unwrap().is_none());

    // In a transaction it sees what that wrote; others do not.
    let transaction = client.begin().await.unwrap();
    transaction.run_prepared(&create, &named("b")).await.unwrap();
    let Outcome::Fetched(seen) = transaction.run_prepared(&by_name, &named("b")).await.unwrap() else {
        panic!("no graph")
    };
    assert_eq!((seen.len(), count("b").await), (1, 0));
    transaction.rollback().await.unwrap();

    // Its errors are those of the statement, and it goes on.
    let taken = client.run_prepared(&create, &named("a00")).await.unwrap_err();
    assert_eq!(taken.code, ErrorCode::UniqueViolation);
    let missing = client.run_prepared(&create, &none).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::MissingParameter);
    let wrong =
        client.run_prepared(&by_name, &Params::none().with("name", Value::Int64(1))).await.unwrap_err();
    assert_eq!(wrong.code, ErrorCode::TypeMismatch);
    assert_eq!(client.prepare("Artist where (").await.unwrap_err().code, ErrorCode::SyntaxError);

    // The schema may change below it.
    let changed = SCHEMA.replace("born    date?", "born    date?\n  note    string  @default(\"new\")");
    client.apply_schema(&changed).await.unwrap();
    let all = client.prepare("Artist[name: $name]").await.unwrap();
    let Outcome::Fetched(row) = client.run_prepared(&all, &named("a07")).await.unwrap() else {
        panic!("no graph")
    };
    assert!(row.to_json().unwrap().contains("\"note\":\"new\""));
    let Outcome::Fetched(row) = client.run_prepared(&by_name, &named("a07")).await.unwrap() else {
        panic!("no graph")
    };
    assert_eq!(row.len(), 1);
    let explained = client.prepare("explain Artist[1]").await.unwrap();
    assert!(matches!(client.run_prepared(&explained, &none).await.unwrap(), Outcome::Explained(_)));

    // It belongs to its connection.
    let other = server.client().await;
    assert_eq!(other.run_prepared(&create, &named("c")).await.unwrap_err().code, ErrorCode::InvalidValue);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_so_many() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let long = format!("Artist{}", " ".repeat(300_000));
    let kept = [
        client.prepare(&long).await.unwrap(),
        client.prepare(&long).await.unwrap(),
        client.prepare(&long).await.unwrap(),
    ];
    assert_eq!(client.prepare(&long).await.unwrap_err().code, ErrorCode::LimitExceeded);
    drop(kept);
    let mut kept = Vec::new();
    let full = loop {
        match client.prepare("Artist[$id]").await {
            Ok(prepared) => kept.push(prepared),
            Err(error) => break error,
        }
    };
    assert_eq!((full.code, kept.len()), (ErrorCode::LimitExceeded, 1024));
    kept.pop();
    client.prepare("Artist[$id]").await.unwrap();
}
