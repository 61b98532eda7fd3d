//! Writes to a server that is killed and started again under it, and tells of each call on standard output;
//! conformance/kills/README.md has the lines.
//!
//! Usage: kills URL NAME WRITERS

#![allow(clippy::print_stdout, reason = "standard output is the journal")]

use std::error::Error as StdError;
use std::io::{Read as _, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ormdb_client::{FromRow, Pool, PoolOptions};
use ormdb_proto::ir::Params;
use ormdb_proto::{Error, Result};

const GRAPH: &str = r#"create Artist { name: $name, albums: create [{ title: "one" }, { title: "two" }] }"#;
const READ: &str = "Artist where name = $name { name, albums order by title { title } }";
const COUNT: &str = "upsert Counter[name: $name] create { n: 1 } update { n += 1 }";
const ALBUM: &str = "update Artist[name: $name] set { albums: create { title: $title } }";

#[derive(FromRow)]
struct Artist {
    name: String,
    albums: Vec<Album>,
}

#[derive(FromRow)]
struct Album {
    title: String,
}

fn main() -> std::result::Result<(), Box<dyn StdError>> {
    let [url, client, writers] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: kills URL NAME WRITERS")?;
    let stopped = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stopped);
    std::thread::Builder::new().spawn(move || {
        // Whether it ends or fails: nobody is there any more.
        drop(stdin().read_to_end(&mut Vec::new()));
        stops.store(true, Ordering::Relaxed);
    })?;
    let pool = Pool::with(url.parse()?, PoolOptions::default());
    let writers: usize = writers.parse()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let work = |writer| work(pool.clone(), format!("{client}/{writer}"), Arc::clone(&stopped));
        let writers: Vec<_> = (0..writers).map(|writer| tokio::spawn(work(writer))).collect();
        for writer in writers {
            if let Err(panicked) = writer.await {
                println!("wrong no typed error: {panicked}");
            }
        }
    });
    println!("end");
    Ok(())
}

/// Writes until it is stopped.
async fn work(pool: Pool, writer: String, stopped: Arc<AtomicBool>) {
    let mut n = 0;
    while !stopped.load(Ordering::Relaxed) {
        n += 1;
        let name = format!("{writer}-{n}");
        let params = &Params::none().with("name", name.as_str());
        if n % 4 == 3 {
            println!("begin {writer}");
            match pool.query(COUNT, &Params::none().with("name", writer.as_str())).await {
                Ok(_) => println!("counted {writer}"),
                Err(error) => failed(&writer, &error),
            }
            continue;
        }
        println!("begin {name}");
        let written = match n % 4 {
            1 => in_transaction(&pool, &name).await,
            _ => pool.query(GRAPH, params).await.map(drop),
        };
        if let Err(error) = written {
            failed(&name, &error);
            continue;
        }
        println!("ok {name}");
        match pool.fetch(READ, params).await.and_then(|result| result.typed_rows::<Artist>()) {
            Ok(artists) => told(&name, &artists),
            Err(error) => failed("read", &error),
        }
    }
}

async fn in_transaction(pool: &Pool, name: &str) -> Result<()> {
    pool.transact(|transaction| async move {
        let params = Params::none().with("name", name);
        transaction.query("create Artist { name: $name }", &params).await?;
        for title in ["one", "two"] {
            transaction.query(ALBUM, &params.clone().with("title", title)).await?;
        }
        Ok(())
    })
    .await
}

fn told(name: &str, artists: &[Artist]) {
    let titles = |artist: &Artist| artist.albums.iter().map(|album| album.title.clone()).collect::<Vec<_>>();
    match artists {
        [artist] if artist.name == name && titles(artist) == ["one", "two"] => println!("read {name}"),
        others => println!("wrong {name} is {:?}", others.iter().map(titles).collect::<Vec<_>>()),
    }
}

fn failed(name: &str, error: &Error) {
    let maybe = match error.detail.maybe_executed {
        None => "unknown",
        Some(true) => "yes",
        Some(false) => "no",
    };
    println!("failed {name} {} {maybe}", error.code.name());
}
