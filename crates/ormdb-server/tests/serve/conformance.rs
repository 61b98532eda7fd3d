//! The same requests, embedded and remote, give the same answers and the same errors.

use ormdb::text::parse_statement;
use ormdb::{Database, Params, Session};
use ormdb_client::Client;
use ormdb_proto::{Outcome, Result, Value};

use crate::process::{SCHEMA, Server, database};

/// Statements in order, with a parameter `$p` where there is one.
fn statements() -> Vec<(&'static str, Params)> {
    let none = Params::none;
    vec![
        (
            "create Artist { name: \"Björk\", born: \"1965-11-21\", albums: create [{ title: \"Debut\", price: 9.50, tracks: create [{ name: \"Venus as a Boy\", ms: 282000 }, { name: \"Human Behaviour\", ms: 252000 }] }, { title: \"Post\" }] } return { id, name, albums { id, title, price, tracks { name } } }",
            none(),
        ),
        (
            "create Artist [{ name: \"Sugarcubes\", kind: band }, { name: \"Kukl\", kind: band, born: null }]",
            none(),
        ),
        ("create Artist { name: $p } return *", none().with("p", "\"quoted\" \\ \n \u{1}")),
        ("create Artist { name: $p } return { * }", none().with("p", "\"quoted\" \\ \n \u{1}")),
        ("Artist", none()),
        ("Artist order by name", none()),
        ("Artist[1] { name, born }", none()),
        ("Artist[name: $p] { id, kind }", none().with("p", "Kukl")),
        ("Artist[999]", none()),
        ("Artist where kind = band order by name desc { name }", none()),
        ("Artist where name in $p { id }", none().with("p", vec!["Kukl", "Björk"])),
        ("Artist where born is null { name } ", none()),
        ("Artist where albums some (title startsWith \"D\") { name }", none()),
        (
            "Artist order by id { name, n: count(albums), albums order by title desc limit 1 { title, tracks order by ms { ms } } }",
            none(),
        ),
        (
            "Artist order by id { name, latest: albums limit 1 { title }, all: albums { title, artist { name } } }",
            none(),
        ),
        ("Track { name, s: ms / 1000, album { title, artist { name, kind } } }", none()),
        ("Track where album.artist.name = \"Björk\" order by ms desc limit 1 offset 1 { * }", none()),
        (
            "update Album where title = \"Debut\" set { price += 0.25, tags: connectOrCreate [name: \"pop\"] { name: \"pop\" } } return { price, tags { name } }",
            none(),
        ),
        ("Tag { *, albums { title, price } }", none()),
        (
            "upsert Artist[name: \"Kukl\"] create { kind: solo } update { born: \"1983-01-01\" } return { * }",
            none(),
        ),
        (
            "upsert Artist[name: \"Tappi\"] create { kind: band } update { born: \"1983-01-01\" } return { * }",
            none(),
        ),
        ("Artist order by name after [name: $p] limit 2 { name }", none().with("p", "Björk")),
        ("Artist distinct by kind last 1 { name, kind }", none()),
        (
            "group Artist by kind having count() > 1 order by max(name) desc { kind, n: count(), first: min(name) }",
            none(),
        ),
        ("group Artist { n: count(), kinds: count(distinct kind) }", none()),
        ("group Artist by kind { name }", none()),
        ("explain group Artist where id > 1 by kind { n: count() }", none()),
        ("explain Artist where name = \"Kukl\" { name, albums { title } }", none()),
        ("Artist { nmae }", none()),
        ("Artits", none()),
        ("Artist where name = 1", none()),
        ("Artist where name = $p", none()),
        ("Artist wehre name = 1", none()),
        ("Track where ms / 0 = 1", none()),
        ("create Artist { name: \"Kukl\" }", none()),
        ("create Album { title: \"x\", artistId: 999 }", none()),
        ("create Album { title: \"x\", artistId: 1, price: -1 }", none()),
        ("create Album { artistId: 1 }", none()),
        ("update Artist[999] set { name: \"x\" }", none()),
        ("delete Album where title = \"Post\" return { title }", none()),
        ("delete Artist[name: \"Björk\"]", none()),
        ("Album { title }", none()),
        ("Track { name }", none()),
        ("delete Artist", none()),
        ("Artist { * }", none()),
        ("group Artist by kind { kind }", none()),
        ("Artist where id = $p { id }", none().with("p", Value::Array(vec![]))),
        ("Tag order by id limit 1 for update skip locked { name, albums { title } }", none()),
        ("Tag for key share wait 10 { name }", none()),
        ("group Tag by name for update { name }", none()),
        ("Tag as of $p", none().with("p", "0")),
        ("Tag as of \"0123456789abcdef-1\"", none()),
        ("update Tag[1] expected $p set { name: \"x\" }", none().with("p", 7i64)),
        ("begin read only", none()),
        ("commit", none()),
    ]
}

/// What there is to compare of an answer: everything but the version token.
fn told(answer: Result<Outcome>) -> String {
    match answer {
        Ok(Outcome::Fetched(result)) => result.to_json().unwrap(),
        Ok(Outcome::Written(w)) => {
            let returned = w.returned.map(|result| result.to_json().unwrap());
            format!("created {} updated {} deleted {} {returned:?}", w.created, w.updated, w.deleted)
        }
        Ok(Outcome::Explained(plan)) => format!("{}\n{}", plan.text, plan.json),
        Ok(Outcome::Done { token }) => format!("done {}", token.is_some()),
        Err(error) => format!("{error:?}"),
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Text,
    Ir,
}

fn embedded(session: &Session, way: Way, text: &str, params: &Params) -> String {
    told(match way {
        Way::Text => session.query(text, params),
        Way::Ir => parse_statement(text).and_then(|parsed| match parsed.explain {
            Some(explain) => session.explain(&parsed.statement, params, explain).map(Outcome::Explained),
            None => session.execute(&parsed.statement, params),
        }),
    })
}

async fn remote(client: &Client, way: Way, text: &str, params: &Params) -> String {
    told(match way {
        Way::Text => client.query(text, params).await,
        Way::Ir => match parse_statement(text) {
            Ok(parsed) => match parsed.explain {
                Some(explain) => {
                    client.explain(&parsed.statement, params, explain).await.map(Outcome::Explained)
                }
                None => client.execute(&parsed.statement, params).await,
            },
            Err(error) => Err(error),
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_answers_as_embedded() {
    for way in [Way::Text, Way::Ir] {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let database = Database::open(database(here.path())).unwrap();
        let session = database.session();
        let server = Server::start(there.path(), &[]);
        let clients = [server.client().await, Client::connect(&server.unix).await.unwrap()];

        let applied = clients[0].apply_schema(SCHEMA).await.unwrap();
        let applied_here = database.apply_schema(SCHEMA).unwrap();
        let changes: Vec<String> = applied_here.changes.iter().map(ToString::to_string).collect();
        assert_eq!((applied.version, applied.changes), (applied_here.catalog.version(), changes));
        assert_eq!(clients[1].schema().await.unwrap(), database.catalog().text());

        for (at, (text, params)) in statements().iter().enumerate() {
            let expected = embedded(&session, way, text, params);
            let found = remote(&clients[at % 2], way, text, params).await;
            assert_eq!(found, expected, "{way:?}: {text}");
        }

        let wrong = SCHEMA.replace("int64", "int65").replace("date?", "dote?");
        let errors = clients[0].apply_schema(&wrong).await.unwrap_err();
        assert_eq!(errors, database.apply_schema(&wrong).unwrap_err());
        assert!(errors.len() > 1);
    }
}

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
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = Database::open(database(here.path())).unwrap();
    database.apply_schema(STRUCTS).unwrap();
    let session = database.session();
    let server = Server::start(there.path(), &[]);
    let client = server.client().await;
    client.apply_schema(STRUCTS).await.unwrap();
    assert_eq!(client.schema().await.unwrap(), STRUCTS);
    let home = Value::Json("{\"at\":{\"lat\":2.5},\"street\":\"B\"}".into());
    let statements = [
        ("create User { id: 1, home: { street: \"A\" }, post: null } return { * }", Params::none()),
        ("create people.User { id: 2, home: $p, post: $p }", Params::none().with("p", home.clone())),
        ("create User { id: 3, home: $p }", Params::none().with("p", Value::Json("{\"stret\":1}".into()))),
        ("create User { id: 3, home: { at: { lat: 1 } } }", Params::none()),
        ("update User[1] set { post: home, home.at: { lat: 1.5 } } return { post }", Params::none()),
        ("update User[1] set { post.at.lat: 4 }", Params::none()),
        ("User { id, post { at }, h: home { street } }", Params::none()),
        ("User where home = 1", Params::none()),
        ("explain User where post is null order by home.at.lat", Params::none()),
        ("User", Params::none()),
    ];
    for way in [Way::Text, Way::Ir] {
        for (text, params) in &statements {
            let expected = embedded(&session, way, text, params);
            assert_eq!(remote(&client, way, text, params).await, expected, "{way:?}: {text}");
        }
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
