//! Rows as structs: by `#[derive(FromRow)]` and a plan, beside serde.
//!
//! Expected: a row of eight fields, two of them text, costs two allocations and some thirty nanoseconds by a plan; serde
//! compares the name of each field with those of the struct in each row, and builds a map over them.
//!
//! Run it as `cargo run --release -p ormdb-bench --bin typed_rows [ROWS]`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ormdb::FromRow;
use ormdb_proto::GraphResult;
use ormdb_proto::Token;
use ormdb_proto::block::{ColumnKind, ColumnType};
use ormdb_proto::error::Result;
use ormdb_proto::result::{Cardinality, ChunkBuilder, ResultShape, ShapeColumn, ShapeEdge, ShapeNode};
use ormdb_proto::value::Decimal;

/// Root rows where none are said; each has `PLAYS` related ones.
const ROWS: u32 = 10_000;
const PLAYS: u32 = 3;

/// How often each way is measured, in turn; the best counts, since noise only adds.
const ROUNDS: u32 = 15;

#[derive(FromRow, serde::Deserialize)]
#[expect(dead_code, reason = "fields are filled, and that is what is measured")]
struct Track {
    id: i64,
    name: String,
    composer: Option<String>,
    milliseconds: i32,
    bytes: i64,
    rating: f64,
    explicit: bool,
    released: i32,
    plays: Vec<Play>,
}

#[derive(FromRow, serde::Deserialize)]
#[expect(dead_code, reason = "fields are filled, and that is what is measured")]
struct Play {
    user: i64,
    at: i64,
}

/// The same without what is text and without related rows.
#[derive(FromRow, serde::Deserialize)]
#[expect(dead_code, reason = "fields are filled, and that is what is measured")]
struct Numbers {
    id: i64,
    milliseconds: i32,
    bytes: i64,
    rating: f64,
    released: i32,
}

fn main() -> ExitCode {
    let rows = match std::env::args().nth(1).map(|text| text.parse::<u32>()) {
        None => ROWS,
        Some(Ok(rows)) if rows > 0 => rows,
        Some(_) => {
            println!("usage: typed_rows [ROWS]");
            return ExitCode::from(2);
        }
    };
    match build(rows).and_then(|result| compare(&result)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("typed_rows: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(result: &GraphResult) -> Result<()> {
    println!("{:28} {:>12} {:>12} {:>7}", "nanoseconds per root row", "serde", "plan", "ratio");
    let graph = (|| result.rows::<Track>(), || result.typed_rows::<Track>());
    line("8 fields and 3 related rows", result.len(), graph)?;
    let numbers = (|| result.rows::<Numbers>(), || result.typed_rows::<Numbers>());
    line("5 numbers of the 8", result.len(), numbers)
}

type Rows<T> = Result<Vec<T>>;

fn line<T>(
    name: &str,
    rows: usize,
    (serde, plan): (impl Fn() -> Rows<T>, impl Fn() -> Rows<T>),
) -> Result<()> {
    let (mut by_serde, mut by_plan) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        by_serde = by_serde.min(time(&serde)?);
        by_plan = by_plan.min(time(&plan)?);
    }
    let count = u32::try_from(rows).map_or(f64::MAX, f64::from);
    let each = |took: Duration| took.as_secs_f64() * 1e9 / count;
    let ratio = by_serde.as_secs_f64() / by_plan.as_secs_f64();
    println!("{name:28} {:12.1} {:12.1} {ratio:6.1}x", each(by_serde), each(by_plan));
    Ok(())
}

/// The time without that of dropping the rows.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn time<T>(read: impl Fn() -> Rows<T>) -> Result<Duration> {
    let started = Instant::now();
    let rows = black_box(read()?);
    let took = started.elapsed();
    drop(rows);
    Ok(took)
}

fn build(rows: u32) -> Result<GraphResult> {
    let column = |name: &str, kind| ShapeColumn::new(name, ColumnType::Scalar(kind));
    let track = ShapeNode {
        entity: "Track".to_owned(),
        columns: vec![
            column("id", ColumnKind::Int64),
            column("name", ColumnKind::String),
            column("composer", ColumnKind::String),
            column("milliseconds", ColumnKind::Int32),
            column("bytes", ColumnKind::Int64),
            column("rating", ColumnKind::Float64),
            column("explicit", ColumnKind::Bool),
            column("released", ColumnKind::Date),
            column("unitPrice", ColumnKind::Decimal),
        ],
        edges: vec![ShapeEdge {
            alias: "plays".to_owned(),
            child: 1,
            cardinality: Cardinality::Many,
            columns_before: 9,
        }],
    };
    let play = ShapeNode {
        entity: "Play".to_owned(),
        columns: vec![column("user", ColumnKind::Int64), column("at", ColumnKind::DateTime)],
        edges: vec![],
    };
    let shape = Arc::new(ResultShape { nodes: vec![track, play] });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for row in 0..rows {
        use ormdb_proto::value::ValueRef::{
            Bool, Date, DateTime, Decimal as Exact, Float64, Int32, Int64, Null, String,
        };
        let (name, composer) = (format!("Track number {row}"), format!("Composer {}", row % 97));
        let composer = if row % 5 == 0 { Null } else { String(&composer) };
        let price = Decimal::new(99, 2).map_or(Null, Exact);
        let small = i32::try_from(row).unwrap_or(i32::MAX);
        let values = [
            Int64(i64::from(row)),
            String(&name),
            composer,
            Int32(small),
            Int64(i64::from(row) << 20),
            Float64(f64::from(row) / 7.0),
            Bool(row % 2 == 0),
            Date(small),
            price,
        ];
        for (at, value) in values.iter().enumerate() {
            chunk.entity(0)?.column(at)?.push(value)?;
        }
        for play in row * PLAYS..(row + 1) * PLAYS {
            chunk.entity(1)?.column(0)?.push(&Int64(i64::from(play)))?;
            chunk.entity(1)?.column(1)?.push(&DateTime(i64::from(play)))?;
        }
        let plays: Vec<u32> = (row * PLAYS..(row + 1) * PLAYS).collect();
        chunk.edge(0, 0)?.push_parent(&plays)?;
    }
    chunk.put_roots(&(0..rows).collect::<Vec<_>>())?;
    Ok(GraphResult::new(shape, vec![chunk.finish()?], Token::new(1, 1), 0))
}
