//! Plans of fetches: a schema, then queries with the plan that `explain` shows. `REWRITE=1` writes the files anew.
//!
//! And what a limit per parent reads, counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use ormdb::{Database, ErrorCode, Explain, Limits, Options, Outcome, Params, Session};

fn open() -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(ordinum::fs::MemoryFs::new());
    Database::open_with("/db", options).unwrap()
}

#[test]
fn plans() {
    datadriven::walk("tests/plans", |file| {
        let database = open();
        let session = database.session();
        file.run(|case| match case.directive.as_str() {
            "schema" => match database.apply_schema(&case.input) {
                Ok(_) => "ok\n".to_owned(),
                Err(errors) => errors.iter().map(|e| e.render(Some(&case.input)) + "\n").collect(),
            },
            "explain" => {
                let parsed = ormdb::text::parse_statement(&case.input);
                let shown = parsed
                    .and_then(|parsed| session.explain(&parsed.statement, &Params::none(), Explain::Plan));
                match shown {
                    Ok(shown) => shown.text,
                    Err(error) => error.render(Some(&case.input)) + "\n",
                }
            }
            other => panic!("no directive is named {other}"),
        });
    });
}

fn analyze(session: &Session, text: &str) -> serde_json::Value {
    let outcome = session.query(&format!("explain analyze {text}"), &Params::none()).unwrap();
    let Outcome::Explained(explanation) = outcome else { panic!("an explain explains") };
    serde_json::from_str(&explanation.json).unwrap()
}

/// Three artists of 500 albums each, in years that tie.
fn shop() -> Session {
    let database = open();
    let schema = "
        entity Artist { id int64 @id
          albums Album[] }
        entity Album { id int64 @id
          year int32
          artistId int64
          artist Artist @relation(artistId -> Artist.id)
          @@index(artistId, year) }";
    database.apply_schema(schema).unwrap();
    let session = database.session();
    let written = session.with_transaction(|txn| {
        for artist in 0..3 {
            txn.query(&format!("create Artist {{ id: {artist} }}"), &Params::none())?;
            let album =
                |n: i32| format!("{{ id: {}, year: {}, artistId: {artist} }}", artist * 500 + n, n / 2);
            let albums: Vec<String> = (0..500).map(album).collect();
            txn.query(&format!("create Album [{}]", albums.join(", ")), &Params::none())?;
        }
        Ok(())
    });
    written.unwrap();
    session
}

#[test]
fn a_limit_per_parent_over_an_index_reads_about_the_limit() {
    let session = shop();
    let read = |text: &str| analyze(&session, text)["below"][0]["entries_read"].as_u64().unwrap();
    // Per artist, three entries; one more tells that no further entry ties with the third.
    assert_eq!(read("Artist { id, albums order by year, id limit 3 { id } }"), 9);
    assert!(read("Artist { id, albums order by year desc limit 3 { id } }") <= 3 * 5);
    assert!(read("Artist { id, albums order by year limit 3 offset 2 { id } }") <= 3 * 7);
    // The root alike: the limit stops the scan.
    let root = analyze(&session, "Album limit 5 { id }");
    assert_eq!(root["entries_read"].as_u64(), Some(5));
}

#[test]
fn limits_are_named_and_count_what_is_held() {
    let session = shop();
    let limited =
        |limits: Limits, text: &str| session.clone().with_limits(limits).fetch(text, &Params::none());
    let limit_of = |limits: Limits, text: &str| {
        let error = limited(limits, text).unwrap_err();
        let limit = error.detail.limit.clone().unwrap_or_else(|| panic!("{error} names no limit"));
        (error.code, limit.name)
    };
    let limits = Limits::default();
    let memory = Limits { memory_bytes_max: 120_000, ..limits };
    assert_eq!(limit_of(memory, "Album { id }"), (ErrorCode::OverBudget, "memory_bytes_max".to_owned()));
    assert_eq!(
        limit_of(memory, "Artist { albums { id } }"),
        (ErrorCode::OverBudget, "memory_bytes_max".to_owned())
    );
    // What a condition rejects, and what an order with a limit drops, is held no longer.
    assert_eq!(limited(memory, "Album where year < 0 { id }").unwrap().len(), 0);
    assert_eq!(limited(memory, "Album limit 20 { id, artist { id } }").unwrap().len(), 20);
    let rows = Limits { rows_max: 100, ..limits };
    assert_eq!(limit_of(rows, "Album { id }"), (ErrorCode::OverBudget, "rows_max".to_owned()));
    let depth = Limits { depth_max: 1, ..limits };
    assert_eq!(
        limit_of(depth, "Album { artist { id } }"),
        (ErrorCode::LimitExceeded, "depth_max".to_owned())
    );
}

#[test]
fn a_cancelled_session_stops() {
    let session = shop();
    session.cancel_handle().cancel();
    let error = session.fetch("Album { id }", &Params::none()).unwrap_err();
    assert_eq!(error.code, ErrorCode::Cancelled);
}
