#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "test data"
)]

use super::*;
use crate::bytes::AlignedBytes;
use crate::value::{Decimal, Interval, ValueRef};

fn decimal(unscaled: i128, scale: u8) -> ValueRef<'static> {
    ValueRef::Decimal(Decimal::new(unscaled, scale).unwrap())
}

/// A type and three values for every kind of column.
fn samples() -> Vec<(ColumnType, Vec<ValueRef<'static>>)> {
    use ColumnKind as K;
    use ValueRef as V;
    let one = ColumnType::Scalar;
    vec![
        (one(K::Bool), vec![V::Bool(true), V::Bool(false), V::Null]),
        (one(K::Int16), vec![V::Int16(-5), V::Int16(i16::MAX), V::Int16(0)]),
        (one(K::Int32), vec![V::Int32(7), V::Null, V::Int32(i32::MIN)]),
        (one(K::Int64), vec![V::Int64(i64::MIN), V::Int64(i64::MAX), V::Int64(1)]),
        (one(K::Float32), vec![V::Float32(1.5), V::Float32(-0.0), V::Null]),
        (one(K::Float64), vec![V::Float64(f64::INFINITY), V::Float64(0.1), V::Float64(0.0)]),
        (one(K::Decimal), vec![decimal(150, 2), decimal(-1, 2), V::Null]),
        (one(K::Decimal), vec![decimal(150, 2), V::Null, decimal(-1, 0)]),
        (one(K::String), vec![V::String(""), V::String("Björk"), V::Null]),
        (one(K::Bytes), vec![V::Bytes(&[0, 255]), V::Bytes(&[]), V::Null]),
        (one(K::Uuid), vec![V::Uuid([1; 16]), V::Uuid([255; 16]), V::Null]),
        (one(K::DateTime), vec![V::DateTime(-1), V::DateTime(1 << 50), V::Null]),
        (one(K::LocalDateTime), vec![V::LocalDateTime(-1), V::Null, V::LocalDateTime(2)]),
        (one(K::Date), vec![V::Date(-1), V::Date(20_000), V::Null]),
        (one(K::Time), vec![V::Time(0), V::Time(86_399_999_999), V::Null]),
        (
            one(K::Interval),
            vec![V::Interval(Interval { months: -1, days: 2, micros: i64::MIN }), V::Null, V::Null],
        ),
        (one(K::Json), vec![V::Json("{}"), V::Json("[1]"), V::Null]),
        (one(K::Enum), vec![V::Enum(0), V::Enum(65536), V::Null]),
        (
            ColumnType::List(K::String),
            vec![V::Array(vec![V::String("a"), V::Null, V::String("")]), V::Array(vec![]), V::Null],
        ),
        (ColumnType::List(K::Bool), vec![V::Null, V::Array(vec![V::Bool(true); 9]), V::Array(vec![V::Null])]),
    ]
}

fn sample_block() -> AlignedBytes {
    let samples = samples();
    let mut builder = BlockBuilder::new(samples.iter().map(|(ty, _)| *ty));
    for (column, (_, values)) in builder.columns_mut().iter_mut().zip(&samples) {
        values.iter().for_each(|v| column.push(v).unwrap());
    }
    builder.finish(3).unwrap()
}

#[test]
fn every_type_comes_back_as_it_went_in() {
    let block = Block::open(AlignedBytes::copy_of(&sample_block())).unwrap();
    assert_eq!((block.kind(), block.slot(), block.rows()), (BlockKind::Entity, 3, 3));
    for (at, (ty, values)) in samples().iter().enumerate() {
        let column = block.column(at).unwrap();
        assert_eq!(column.ty(), *ty);
        let read: Vec<ValueRef<'_>> = column.iter().map(Result::unwrap).collect();
        assert_eq!(read, *values, "{ty:?}");
        assert!(column.get(3).is_err());
    }
}

#[test]
fn a_withheld_cell_is_not_a_null() {
    let mut builder = BlockBuilder::new([ColumnType::Scalar(ColumnKind::Int64)]);
    let column = builder.column(0).unwrap();
    column.push_i64(1).unwrap();
    column.push_withheld();
    column.push_null();
    column.push_i64(2).unwrap();
    let block = Block::open(builder.finish(0).unwrap()).unwrap();
    let column = block.column(0).unwrap();
    let cells: Vec<Cell<'_>> = (0..4).map(|row| column.cell(row).unwrap()).collect();
    assert_eq!(
        cells,
        [
            Cell::Value(ValueRef::Int64(1)),
            Cell::Withheld,
            Cell::Value(ValueRef::Null),
            Cell::Value(ValueRef::Int64(2))
        ]
    );
    assert_eq!(column.get(1).unwrap(), ValueRef::Null);
}

#[test]
fn edges_come_back_in_order() {
    let mut builder = EdgeBlockBuilder::new();
    builder.push_child(4);
    builder.push_child(2);
    builder.end_parent().unwrap();
    builder.push_parent(&[]).unwrap();
    builder.push_parent(&[4]).unwrap();
    let block = Block::open(builder.finish(1).unwrap()).unwrap();
    let edges = block.edges().unwrap();
    let all: Vec<Vec<usize>> = (0..3).map(|p| edges.children(p).unwrap().iter().collect()).collect();
    assert_eq!(all, [vec![4, 2], vec![], vec![4]]);
    assert_eq!((edges.parents(), block.edge_count()), (3, 3));
    assert!(edges.children(3).is_err());
}

/// Bytes as they stand in a row make the same block as their values do.
#[test]
fn raw_values_are_values() {
    let of = |push: fn(&mut BlockBuilder)| {
        let kinds = [ColumnKind::Int64, ColumnKind::Int32, ColumnKind::Uuid, ColumnKind::String];
        let mut block = BlockBuilder::new(kinds.map(ColumnType::Scalar));
        push(&mut block);
        block.finish(0).unwrap().to_vec()
    };
    let raw = of(|block| {
        block.column(0).unwrap().push_raw(&(-7i64).to_le_bytes()).unwrap();
        block.column(1).unwrap().push_raw(&9i32.to_le_bytes()).unwrap();
        block.column(2).unwrap().push_raw(&[3; 16]).unwrap();
        block.column(3).unwrap().push_raw(b"text").unwrap();
    });
    let pushed = of(|block| {
        block.column(0).unwrap().push_i64(-7).unwrap();
        block.column(1).unwrap().push_i32(9).unwrap();
        block.column(2).unwrap().push_uuid([3; 16]).unwrap();
        block.column(3).unwrap().push_str("text").unwrap();
    });
    assert_eq!(raw, pushed);
    for kind in [ColumnKind::Int64, ColumnKind::Bool, ColumnKind::Decimal] {
        let mut column = ColumnBuilder::new(ColumnType::Scalar(kind));
        assert!(column.push_raw(&[0; 4]).is_err());
        assert_eq!(column.len(), 0);
    }
}

#[test]
fn a_wrong_push_is_refused_and_adds_nothing() {
    let mut column = ColumnBuilder::new(ColumnType::Scalar(ColumnKind::Int64));
    assert!(column.push(&ValueRef::Int32(1)).is_err());
    assert!(column.push_str("a").is_err());
    let mut list = ColumnBuilder::new(ColumnType::List(ColumnKind::Int64));
    assert!(list.push(&ValueRef::Array(vec![ValueRef::Int64(1), ValueRef::Bool(true)])).is_err());
    assert_eq!((column.len(), list.len()), (0, 0));
    let mut block = BlockBuilder::new([ColumnType::Scalar(ColumnKind::Int64); 2]);
    block.column(0).unwrap().push_i64(1).unwrap();
    assert!(block.finish(0).is_err(), "columns of different rows");
}

/// Reads everything of a block.
fn read_all(bytes: AlignedBytes) -> crate::Result<()> {
    let block = Block::open(bytes)?;
    for at in 0..block.column_types().len() {
        let column = block.column(at)?;
        for row in 0..column.len() {
            column.cell(row)?;
        }
    }
    if block.kind() == BlockKind::Edge {
        let edges = block.edges()?;
        for parent in 0..edges.parents() {
            edges.children(parent)?;
        }
    }
    Ok(())
}

#[test]
fn every_flipped_bit_is_found() {
    let block = sample_block();
    for at in 0..block.len() {
        for bit in 0..8 {
            let mut bytes = block.to_vec();
            bytes[at] ^= 1 << bit;
            // The slot is compared with the shape's by the chunk that holds the block.
            let error = read_all(AlignedBytes::copy_of(&bytes)).expect_err("a flipped bit");
            assert_eq!(error.code, ErrorCode::ProtocolViolation, "byte {at}");
        }
    }
}

#[test]
fn every_truncation_is_found() {
    let block = sample_block();
    for len in 0..block.len() {
        assert!(read_all(AlignedBytes::copy_of(&block[..len])).is_err());
    }
    let mut longer = block.to_vec();
    longer.extend_from_slice(&[0; 8]);
    assert!(read_all(AlignedBytes::copy_of(&longer)).is_err());
}

/// Damages a block and makes all its checksums fit again, so that the checks behind them are reached.
#[test]
fn hostile_blocks_with_fitting_checksums_never_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let block = sample_block();
    for _ in 0..20_000 {
        let mut bytes = block.to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(4..bytes.len());
            bytes[at] = if random.bool() { random.u8(..) } else { bytes[at] ^ (1 << random.u8(0..8)) };
        }
        crate::fuzzing::reseal_block(&mut bytes);
        let _ignored = read_all(AlignedBytes::copy_of(&bytes)).is_ok();
    }
}

#[test]
fn opening_touches_no_data() {
    let mut bytes = sample_block().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let block = Block::open(AlignedBytes::copy_of(&bytes)).unwrap();
    let columns = block.column_types().len();
    assert!(block.column(0).is_ok());
    assert!(block.column(columns - 1).is_err());
}
