//! Rows become structs of a program, and transactions are those of the client's API.

use ormdb::Params;
use ormdb_proto::Value;

use crate::process::{SCHEMA, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_become_structs_on_the_client() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Artist {
        name: String,
        albums: Vec<Album>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Album {
        title: String,
        price: Option<f64>,
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let create =
        "create Artist { name: \"a\", albums: create [{ title: \"t\", price: 1.5 }, { title: \"u\" }] }";
    client.query(create, &Params::none()).await.unwrap();
    let result = client.fetch("Artist { name, albums { title, price } }", &Params::none()).await.unwrap();
    let albums =
        vec![Album { title: "t".to_owned(), price: Some(1.5) }, Album { title: "u".to_owned(), price: None }];
    assert_eq!(result.rows::<Artist>().unwrap(), [Artist { name: "a".to_owned(), albums }]);
}

const STRUCTS: &str = r#"struct Geo {
  lat  float64
}

struct Address {
  street  string
  at      Geo?
}

namespace people {
  entity User {
    id    int64     @id
    home  Address
    post  Address?
  }
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_structs_become_structs_on_the_client() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct User {
        id: i64,
        home: Address,
        post: Option<Address>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Address {
        street: String,
        at: Option<Geo>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Geo {
        lat: f64,
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(STRUCTS).await.unwrap();
    assert_eq!(client.schema().await.unwrap(), STRUCTS);
    let home = Value::Json("{\"at\":{\"lat\":2.5},\"street\":\"B\"}".into());
    let create = "create User [{ id: 1, home: { street: \"A\" } }, { id: 2, home: $p, post: $p }]";
    client.query(create, &Params::none().with("p", home)).await.unwrap();
    for update in [
        "update User[1] set { post: home, home.at: { lat: 1.5 } }",
        "update User[1] set { post.at: { lat: 4 } }",
    ] {
        client.query(update, &Params::none()).await.unwrap();
    }
    let address = |street: &str, lat: Option<f64>| Address {
        street: street.to_owned(),
        at: lat.map(|lat| Geo { lat }),
    };
    let result = client.fetch("User", &Params::none()).await.unwrap();
    let wanted = [
        User { id: 1, home: address("A", Some(1.5)), post: Some(address("A", Some(4.0))) },
        User { id: 2, home: address("B", Some(2.5)), post: Some(address("B", Some(2.5))) },
    ];
    assert_eq!(result.rows::<User>().unwrap(), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_reads_its_writes_and_ends_as_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let none = Params::none();
    let count = async || client.fetch("Artist", &none).await.unwrap().len();

    let transaction = client.begin().await.unwrap();
    transaction.query("create Artist { name: \"a\" }", &none).await.unwrap();
    assert_eq!(transaction.fetch("Artist", &none).await.unwrap().len(), 1);
    assert_eq!(count().await, 0, "others do not see it yet");
    let failed = transaction.query("create Artist { name: \"a\" }", &none).await.unwrap_err();
    assert_eq!(failed.code, ormdb_proto::ErrorCode::UniqueViolation);
    assert!(transaction.commit().await.unwrap().is_some());
    assert_eq!(count().await, 1);

    let transaction = client.begin().await.unwrap();
    transaction.query("delete Artist", &none).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(count().await, 1);

    // Two that change what both read: the later one is told so.
    let (first, second) = (client.begin().await.unwrap(), client.begin().await.unwrap());
    let update = "update Artist[name: \"a\"] set { name: name || \"x\" }";
    first.query(update, &none).await.unwrap();
    first.commit().await.unwrap();
    let conflict = second.query(update, &none).await.unwrap_err();
    assert_eq!(conflict.code, ormdb_proto::ErrorCode::SerializationConflict);

    // Dropped, it is rolled back; a request behind it on the same connection sees that at once or later, never its rows.
    let transaction = client.begin().await.unwrap();
    transaction.query("create Artist { name: \"gone\" }", &none).await.unwrap();
    drop(transaction);
    assert_eq!(count().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_have_levels_and_savepoints() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let client = server.client().await;
    client.apply_schema(SCHEMA).await.unwrap();
    let none = Params::none();
    for level in ormdb_proto::Isolation::ALL {
        client.query("create Artist { name: \"a\" }", &none).await.unwrap();
        let transaction = client.begin_with(level).await.unwrap();
        assert_eq!(transaction.fetch("Artist", &none).await.unwrap().len(), 1);
        client.query("create Artist { name: \"b\" }", &none).await.unwrap();
        let seen = if level == ormdb_proto::Isolation::ReadCommitted { 2 } else { 1 };
        assert_eq!(transaction.fetch("Artist", &none).await.unwrap().len(), seen, "{level}");
        transaction.rollback().await.unwrap();

        let transaction = client.begin_with(level).await.unwrap();
        transaction.savepoint("s").await.unwrap();
        transaction.query("delete Artist", &none).await.unwrap();
        transaction.rollback_to("s").await.unwrap();
        assert_eq!(transaction.fetch("Artist", &none).await.unwrap().len(), 2);
        transaction.release("s").await.unwrap();
        let gone = transaction.rollback_to("s").await.unwrap_err();
        assert_eq!(gone.code, ormdb_proto::ErrorCode::SavepointNotFound);
        transaction.query("delete Artist", &none).await.unwrap();
        transaction.commit().await.unwrap();
    }
}
