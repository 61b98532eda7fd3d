//! Plans of fetches: a schema, then queries with the plan that `explain` shows. `REWRITE=1` writes the files anew.
//!
//! And what a limit per parent reads, counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use ormdb::{Database, Explain, Options, Outcome, Params, Session};

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
