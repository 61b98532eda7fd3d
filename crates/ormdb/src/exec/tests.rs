use std::sync::Arc;

use ordinum::clock::ManualClock;
use ormdb_proto::ErrorCode;
use ormdb_proto::ir::{Explain, Params, Statement};
use ormdb_proto::value::ValueRef;

use crate::catalog::testing::TestDb;
use crate::context::Ctx;
use crate::limits::Limits;
use crate::options::{Intersections, SemiJoins};
use crate::plan::PlanCache;
use crate::session::SessionContext;
use crate::statistics::Statistics;
use crate::text::parse_statement;

const SCHEMA: &str = r#"
entity Artist {
  id      int64   @id
  name    string  @unique
  country string?
  albums  Album[]
}
entity Album {
  id       int64   @id
  title    string
  year     int32?
  artistId int64
  artist   Artist  @relation(artistId -> Artist.id)
  tags     Tag[]   @through(AlbumTag)
  @@index(artistId, year)
}
entity Tag {
  id     int64  @id
  name   string
  albums Album[] @through(AlbumTag)
}
entity AlbumTag {
  albumId int64
  tagId   int64
  album   Album @relation(albumId -> Album.id)
  tag     Tag   @relation(tagId -> Tag.id)
  @@id(albumId, tagId)
}
"#;

fn music() -> TestDb {
    let db = TestDb::new();
    db.apply(SCHEMA).unwrap();
    let int = ValueRef::Int64;
    let text = ValueRef::String;
    for (id, name, country) in [(1, "Bjork", Some("IS")), (2, "Can", Some("DE")), (3, "Zed", None)] {
        db.put("Artist", &[int(id), text(name), country.map_or(ValueRef::Null, text)]);
    }
    let albums = [(10, "Post", Some(1995), 1), (11, "Debut", Some(1993), 1), (12, "Vespertine", None, 1)];
    for (id, title, year, artist) in albums.into_iter().chain([(13, "Tago Mago", Some(1971), 2)]) {
        db.put("Album", &[int(id), text(title), year.map_or(ValueRef::Null, ValueRef::Int32), int(artist)]);
    }
    for (id, name) in [(100, "pop"), (101, "kraut")] {
        db.put("Tag", &[int(id), text(name)]);
    }
    for (album, tag) in [(10, 100), (11, 100), (13, 101), (13, 100)] {
        db.put("AlbumTag", &[int(album), int(tag)]);
    }
    db
}

fn with<T>(db: &TestDb, query: &str, run: impl FnOnce(&Ctx<'_>, &ormdb_proto::ir::Fetch) -> T) -> T {
    let parsed = parse_statement(query).unwrap();
    let Statement::Fetch(fetch) = parsed.statement else { panic!("{query} is no fetch") };
    let catalog = Arc::new(db.catalog());
    let statistics = Arc::new(Statistics::open(&db.engine, &db.families, &catalog).unwrap());
    let clock = Arc::new(ManualClock::default());
    let session =
        SessionContext::new(Limits::default(), clock, statistics, SemiJoins::ByCost, Intersections::ByCost);
    let params = Params::none();
    let ctx = Ctx {
        catalog: &catalog,
        reader: &db.engine,
        families: &db.families,
        session: &session,
        params: &params,
        now: 0,
        history: 1,
        plans: &PlanCache::default(),
        slots: &[],
        is_of_now: true,
    };
    run(&ctx, &fetch)
}

fn json(db: &TestDb, query: &str) -> String {
    with(db, query, |ctx, fetch| super::fetch(ctx, fetch).unwrap().to_json().unwrap().to_string())
}

#[test]
fn a_graph_of_three_levels() {
    let db = music();
    assert_eq!(
        json(
            &db,
            r#"Artist where name < "D" { name, albums order by year desc limit 2 { title, year, tags { name } } }"#
        ),
        r#"[{"name":"Bjork","albums":[{"title":"Vespertine","year":null,"tags":[]},{"title":"Post","year":1995,"tags":[{"name":"pop"}]}]},{"name":"Can","albums":[{"title":"Tago Mago","year":1971,"tags":[{"name":"pop"},{"name":"kraut"}]}]}]"#
    );
    assert_eq!(
        json(
            &db,
            r#"Album where artist.name = "Bjork" and tags some (name = "pop") order by title { title, artist { name }, n: count(tags) }"#
        ),
        r#"[{"title":"Debut","artist":{"name":"Bjork"},"n":1},{"title":"Post","artist":{"name":"Bjork"},"n":1}]"#
    );
    assert_eq!(json(&db, r#"Artist[name: "Zed"] { id, albums { id } }"#), r#"[{"id":3,"albums":[]}]"#);
}

#[test]
fn explain_speaks() {
    let db = music();
    let text = with(&db, "Artist { name, albums order by year limit 1 { title } }", |ctx, fetch| {
        super::explain(ctx, fetch, Explain::Analyze).unwrap().text
    });
    println!("{text}");
    assert!(text.contains("multi-range scan of index"));
}

#[test]
fn an_include_shows_the_rows_that_an_order_has_read() {
    let db = music();
    let lookups = |query: &str| {
        let text = with(&db, query, |ctx, fetch| super::explain(ctx, fetch, Explain::Analyze).unwrap().json);
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let of = |step: &serde_json::Value| step["row_lookups"].as_u64().unwrap();
        shown["below"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    // Four albums of two artists.
    assert_eq!(lookups("Album { title, artist { name } }"), [2]);
    assert_eq!(lookups("Album order by artist.country { title, artist { name } }"), [2, 0]);
    assert_eq!(lookups("Album order by artist.country limit 1 { title, artist { name } }"), [2, 0]);
    assert_eq!(lookups("Album { title, of: artist.country, artist { name } }"), [2, 0]);
    // The artists that a condition passes over are read where they are shown.
    assert_eq!(
        lookups("Album order by artist.country { title, artist where country = \"DE\" { name } }"),
        [2, 0]
    );
    assert_eq!(
        json(
            &db,
            "Album order by artist.country desc, id { title, artist { name, albums order by artist.name { id } } }"
        ),
        json(&db, "Album order by id { title, artist { name, albums order by id { id } } }"),
    );
}

#[test]
fn the_value_of_a_key_reads_nothing_of_a_row() {
    let db = music();
    let refused = |query: &str| with(&db, query, |ctx, fetch| super::fetch(ctx, fetch).unwrap_err());
    for (query, code, place) in [
        ("Artist[id: id]", ErrorCode::InvalidQuery, "id"),
        ("Artist[id: id + 1]", ErrorCode::InvalidQuery, "Artist"),
        ("AlbumTag[albumId: tagId, tagId: albumId]", ErrorCode::InvalidQuery, "tagId"),
        ("Album[artist.id]", ErrorCode::UnsupportedFeature, "artist.id"),
    ] {
        let error = refused(query);
        assert_eq!(error.code, code, "{query}: {error}");
        let span = error.detail.span.unwrap_or_else(|| panic!("{query}: {error} has no place"));
        assert_eq!(&query[span.start as usize..span.end as usize], place, "{query}: {error}");
    }
    assert_eq!(json(&db, r#"Artist[1 + 1] { id }"#), r#"[{"id":2}]"#);
}

#[test]
fn wrong_literals_have_their_place() {
    let db = music();
    for (query, place) in [
        (r#"Artist["x"]"#, r#""x""#),
        (r#"Artist { albums where year = "x" }"#, r#""x""#),
        (r#"Artist where id in [1, 2, "three"] { id }"#, r#""three""#),
        (r#"Artist where id between 1 and "many" { id }"#, r#""many""#),
        (r#"Artist where not (id = 1 or "zero" = id)"#, r#""zero""#),
        (r#"Artist where id = 1 + "one" { id }"#, r#""one""#),
        (r#"Artist where albums some (year > -1 and year < "x")"#, r#""x""#),
        (r#"Artist where coalesce(id, "none") = 1"#, r#""none""#),
    ] {
        let error = with(&db, query, |ctx, fetch| super::fetch(ctx, fetch).unwrap_err());
        let span = error.detail.span.unwrap_or_else(|| panic!("{query}: {error} has no place"));
        assert_eq!(&query[span.start as usize..span.end as usize], place, "{query}: {error}");
    }
}

#[test]
fn what_has_no_place_of_its_own_stands_at_its_entity() {
    let db = music();
    for (query, place) in [
        (r#"Artist[zz: 1]"#, "Artist"),
        ("Artist { * except (zz) }", "Artist"),
        ("Artist { albums { * except (zz) } }", "albums"),
        (r#"Artist where name < "b" or country = 1 + id"#, "country = 1 + id"),
        ("Artist where 1 = 1 and name", "name"),
        ("Artist where name + 1 = 2", "name + 1"),
        ("Artist { x: id || albums }", "albums"),
    ] {
        let error = with(&db, query, |ctx, fetch| super::fetch(ctx, fetch).unwrap_err());
        let span = error.detail.span.unwrap_or_else(|| panic!("{query}: {error} has no place"));
        assert_eq!(&query[span.start as usize..span.end as usize], place, "{query}: {error}");
    }
}

/// The rows that a fetch reads of a step's key, whatever the number of rows that there are.
#[test]
fn a_limit_over_an_index_reads_as_many_entries() {
    let db = TestDb::new();
    db.apply(
        "
entity Artist {
  id      int64  @id
  albums  Album[]
}
entity Album {
  id        int64   @id
  artistId  int64
  year      int64
  artist    Artist  @relation(artistId -> Artist.id)
  @@index(artistId, year desc)
  @@index(year)
}",
    )
    .unwrap();
    let int = ValueRef::Int64;
    for artist in 1..=2i64 {
        db.put("Artist", &[int(artist)]);
        for album in 0..5000 {
            db.put("Album", &[int(artist * 10_000 + album), int(artist), int(album)]);
        }
    }
    let entries = |query: &str, step: usize| {
        with(&db, query, |ctx, fetch| {
            let plan = super::bind(ctx, crate::plan::RootInput::Fetch(fetch)).unwrap();
            let run = super::Run::watched(*ctx, plan.steps);
            let result = super::run_whole(&run, &plan, &plan.access).unwrap();
            (run.into_stats()[step].entries, result.to_json().unwrap().to_string())
        })
    };
    let (read, json) = entries("Artist[1] { albums order by year desc limit 3 { year } }", 1);
    assert_eq!(json, r#"[{"albums":[{"year":4999},{"year":4998},{"year":4997}]}]"#);
    assert!(read <= 4, "{read} entries for the three newest of a parent");
    let (read, _) = entries("Artist { albums order by year desc limit 3 { year } }", 1);
    assert!(read <= 8, "{read} entries for the three newest of two parents");
    let (read, _) = entries("Artist[2] { albums order by year limit 3 { year } }", 1);
    assert!(read <= 8, "{read} entries for the three oldest of a parent");
    let (read, json) = entries("Album order by year desc limit 2 { year }", 0);
    assert_eq!(json, r#"[{"year":4999},{"year":4999}]"#);
    assert!(read <= 4, "{read} entries for the two newest of all");
}
