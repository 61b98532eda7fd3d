//! The Chinook data set, loaded through the write path and read back as graphs.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;
use std::sync::Arc;

use ordinum::fs::MemoryFs;
use ormdb::{Database, ErrorCode, Options, Params, Statement, Value};
use ormdb_proto::ir::{Assignment, Create, RecordInput};
use serde::Deserialize;
use serde_json::Value as Json;

/// In an order in which every row finds the rows that it refers to.
const ENTITIES: [(&str, usize); 11] = [
    ("Artist", 275),
    ("Album", 347),
    ("Genre", 25),
    ("MediaType", 5),
    ("Track", 3503),
    ("Playlist", 18),
    ("PlaylistTrack", 8715),
    ("Employee", 8),
    ("Customer", 59),
    ("Invoice", 412),
    ("InvoiceLine", 2240),
];

fn record(line: &str) -> RecordInput {
    let Json::Object(members) = serde_json::from_str(line).unwrap() else {
        unreachable!("a line is an object")
    };
    let constant = |(name, value)| Assignment::constant(name, Value::from_json(value));
    RecordInput { assignments: members.iter().map(constant).collect() }
}

fn chinook() -> Database {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/chinook");
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("chinook.ormdb", options).unwrap();
    database.apply_schema(&std::fs::read_to_string(folder.join("schema.ormdb")).unwrap()).unwrap();
    let session = database.session();
    for (entity, rows) in ENTITIES {
        let lines = std::fs::read_to_string(folder.join("data").join(format!("{entity}.jsonl"))).unwrap();
        let records: Vec<RecordInput> = lines.lines().map(record).collect();
        assert_eq!(records.len(), rows, "{entity}");
        let create = Create {
            entity: entity.to_owned(),
            span: None,
            rows: records,
            skip_duplicates: false,
            returning: None,
        };
        session.execute(&Statement::Create(create), &Params::none()).unwrap();
    }
    database
}

#[derive(Debug, Deserialize, PartialEq)]
struct Artist {
    name: String,
    albums: Vec<Album>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Album {
    title: String,
    tracks: Vec<Track>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Track {
    name: String,
    genre: Option<Genre>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Genre {
    name: String,
}

#[test]
fn the_whole_shop_is_there_and_reads_as_graphs() {
    let database = chinook();
    let session = database.session();
    for (entity, rows) in ENTITIES {
        let found = session.fetch(&format!("{entity} {{ * }}"), &Params::none()).unwrap();
        assert_eq!(found.rows::<serde::de::IgnoredAny>().unwrap().len(), rows, "{entity}");
    }

    let graph = session
        .fetch(
            r#"Artist where name = $name {
                name,
                albums order by title { title, tracks order by name limit 2 { name, genre { name } } }
            }"#,
            &Params::none().with("name", "AC/DC"),
        )
        .unwrap();
    let artists: Vec<Artist> = graph.rows().unwrap();
    let [artist] = artists.as_slice() else { unreachable!("one artist has the name") };
    let titles: Vec<&str> = artist.albums.iter().map(|a| a.title.as_str()).collect();
    assert_eq!(titles, ["For Those About To Rock We Salute You", "Let There Be Rock"]);
    let tracks: Vec<&str> = artist.albums[0].tracks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(tracks, ["Breaking The Rules", "C.O.D."]);
    assert_eq!(artist.albums[0].tracks[0].genre, Some(Genre { name: "Rock".to_owned() }));

    let boss = session
        .fetch("Employee where reportsTo is null { lastName, subordinates { lastName } }", &Params::none());
    assert!(boss.is_ok(), "{boss:?}");
    assert!(database.check(10).unwrap().is_clean());
}

#[test]
fn many_to_many_relations_lead_both_ways() {
    let database = chinook();
    let session = database.session();
    let through = |text: &str| -> Json {
        serde_json::from_str(&session.fetch(text, &Params::none()).unwrap().to_json().unwrap()).unwrap()
    };
    let forth = through("Playlist where name = \"Grunge\" { tracks { id } }");
    let ids: Vec<i64> =
        forth[0]["tracks"].as_array().unwrap().iter().map(|t| t["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 15);
    let back = through(&format!("Track[{}] {{ playlists where name = \"Grunge\" {{ name }} }}", ids[0]));
    assert_eq!(back[0]["playlists"][0]["name"], "Grunge");
    let some = through("Track where playlists some (name = \"Grunge\") order by id { id }");
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    let found: Vec<i64> = some.as_array().unwrap().iter().map(|t| t["id"].as_i64().unwrap()).collect();
    assert_eq!(found, sorted);
}

#[test]
fn constraints_of_the_shop_hold() {
    let database = chinook();
    let session = database.session();
    let refused = |text: &str| session.query(text, &Params::none()).unwrap_err();
    assert_eq!(refused("create Artist { name: \"AC/DC\" }").code, ErrorCode::UniqueViolation);
    assert_eq!(refused("update Track[1] set { milliseconds: 0 }").code, ErrorCode::CheckViolation);
    assert_eq!(refused("update Track[1] set { mediaTypeId: 77 }").code, ErrorCode::ForeignKeyViolation);
    assert_eq!(refused("delete Artist[1]").code, ErrorCode::ForeignKeyViolation);
    assert!(database.check(10).unwrap().is_clean());
}
