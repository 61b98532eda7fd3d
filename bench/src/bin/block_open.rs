//! Opening a result costs what its columns cost, not what its rows cost.
//!
//! Expected: a chunk opens in about a microsecond whether it has a thousand rows or a million, since only headers
//! and directories are looked at; reading every cell grows with the rows. The program fails if opening a hundred
//! thousand rows takes more than `GROWTH_MAX` times what opening a thousand takes.
//!
//! Run it as `cargo run --release -p ormdb-bench --bin block_open [ROWS_MAX]`; sizes above `ROWS_MAX` are left out.

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ormdb_proto::block::{ColumnKind, ColumnType};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::error::Result;
use ormdb_proto::result::{Cardinality, Chunk, ChunkBuilder, ResultShape, ShapeColumn, ShapeEdge, ShapeNode};
use ormdb_proto::value::Decimal;

/// Rows of the root node; each has one child row.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// The pair of sizes that the bound is about.
const BOUNDED: (u32, u32) = (1_000, 100_000);

/// How much slower the larger of the two may open.
const GROWTH_MAX: f64 = 4.0;

/// Opens that are timed together, and how often; the best batch counts, since noise only adds.
const OPENS_PER_BATCH: u32 = 2_000;
const BATCHES: u32 = 25;

struct Measured {
    rows: u32,
    bytes: usize,
    open: Duration,
    read: Duration,
}

fn main() -> ExitCode {
    let rows_max = match std::env::args().nth(1).map(|text| text.parse::<u32>()) {
        None => u32::MAX,
        Some(Ok(rows)) if rows >= BOUNDED.1 => rows,
        Some(_) => {
            println!("usage: block_open [ROWS_MAX], at least {}", BOUNDED.1);
            return ExitCode::from(2);
        }
    };
    match measure_all(rows_max) {
        Ok(measured) => report(&measured),
        Err(error) => {
            println!("block_open: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure_all(rows_max: u32) -> Result<Vec<Measured>> {
    let shape = Arc::new(shape());
    SIZES.iter().filter(|rows| **rows <= rows_max).map(|rows| measure(&shape, *rows)).collect()
}

/// Eight columns of the usual types in the root, two in the child.
fn shape() -> ResultShape {
    let column = |name: &str, kind| ShapeColumn::new(name, ColumnType::Scalar(kind));
    let root = ShapeNode {
        entity: "Track".to_owned(),
        columns: vec![
            column("id", ColumnKind::Int64),
            column("name", ColumnKind::String),
            column("composer", ColumnKind::String),
            column("milliseconds", ColumnKind::Int32),
            column("bytes", ColumnKind::Int64),
            column("unitPrice", ColumnKind::Decimal),
            column("rating", ColumnKind::Float64),
            column("explicit", ColumnKind::Bool),
        ],
        edges: vec![ShapeEdge {
            alias: "album".to_owned(),
            child: 1,
            cardinality: Cardinality::One,
            columns_before: 8,
        }],
    };
    let child = ShapeNode {
        entity: "Album".to_owned(),
        columns: vec![column("id", ColumnKind::Int64), column("title", ColumnKind::String)],
        edges: Vec::new(),
    };
    ResultShape { nodes: vec![root, child] }
}

/// The bytes of a chunk, as they come from the wire.
fn chunk_bytes(shape: &Arc<ResultShape>, rows: u32) -> Result<AlignedBytes> {
    let mut builder = ChunkBuilder::new(Arc::clone(shape));
    for row in 0..rows {
        fill_root(&mut builder, row)?;
        let child = builder.entity(1)?;
        child.column(0)?.push_i64(i64::from(row))?;
        child.column(1)?.push_str("For Those About To Rock")?;
        builder.edge(0, 0)?.push_parent(&[row])?;
    }
    let order: Vec<u32> = (0..rows).collect();
    builder.put_roots(&order)?;
    let parts: Vec<u8> = builder.finish()?.parts().flatten().copied().collect();
    Ok(AlignedBytes::copy_of(&parts))
}

fn fill_root(builder: &mut ChunkBuilder, row: u32) -> Result<()> {
    let block = builder.entity(0)?;
    block.column(0)?.push_i64(i64::from(row))?;
    block.column(1)?.push_str("Let There Be Rock")?;
    if row.is_multiple_of(3) {
        block.column(2)?.push_null();
    } else {
        block.column(2)?.push_str("Angus Young, Malcolm Young, Bon Scott")?;
    }
    block.column(3)?.push_i32(366_654)?;
    block.column(4)?.push_i64(12_021_261)?;
    block.column(5)?.push_decimal(Decimal::from(99))?;
    block.column(6)?.push_f64(f64::from(row) / 7.0)?;
    block.column(7)?.push_bool(row.is_multiple_of(2))
}

fn measure(shape: &Arc<ResultShape>, rows: u32) -> Result<Measured> {
    let bytes = chunk_bytes(shape, rows)?;
    let mut open = Duration::MAX;
    for _ in 0..BATCHES {
        let started = now();
        for _ in 0..OPENS_PER_BATCH {
            black_box(Chunk::open(black_box(&bytes), shape)?);
        }
        open = open.min(started.elapsed() / OPENS_PER_BATCH);
    }
    let started = now();
    let mut cells = 0_usize;
    for block in Chunk::open(&bytes, shape)?.entities() {
        for at in 0..block.column_types().len() {
            for value in block.column(at)?.iter() {
                black_box(value?);
                cells += 1;
            }
        }
    }
    black_box(cells);
    Ok(Measured { rows, bytes: bytes.len(), open, read: started.elapsed() })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures wall time")]
fn now() -> Instant {
    Instant::now()
}

fn report(measured: &[Measured]) -> ExitCode {
    let open_of =
        |rows: u32| measured.iter().find(|m| m.rows == rows).map_or(f64::NAN, |m| m.open.as_secs_f64());
    let first = open_of(BOUNDED.0);
    println!("{:>10} {:>14} {:>10} {:>8} {:>16}", "rows", "bytes", "open ns", "ratio", "read every cell");
    for m in measured {
        println!(
            "{:>10} {:>14} {:>10.0} {:>7.2}x {:>13.3} ms",
            m.rows,
            m.bytes,
            m.open.as_secs_f64() * 1e9,
            m.open.as_secs_f64() / first,
            m.read.as_secs_f64() * 1e3
        );
    }
    let growth = open_of(BOUNDED.1) / first;
    let holds = growth <= GROWTH_MAX;
    println!(
        "opening {} rows takes {growth:.2} times what {} rows take; the bound is {GROWTH_MAX}: {}",
        BOUNDED.1,
        BOUNDED.0,
        if holds { "holds" } else { "FAILED" }
    );
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
