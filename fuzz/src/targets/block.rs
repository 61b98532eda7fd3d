//! Result blocks and chunks, as they come from the wire; with their checksums made right, so that what stands behind
//! them is reached.

use std::sync::Arc;

use ormdb_proto::block::{BlockBuilder, ColumnKind, ColumnType};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::error::Result;
use ormdb_proto::result::{Cardinality, Chunk, ChunkBuilder, ResultShape, ShapeColumn, ShapeEdge, ShapeNode};
use ormdb_proto::value::{Decimal, ValueRef};
use ormdb_proto::{GraphResult, Token, fuzzing};

/// What the first byte of an input says about the others.
const BLOCK: u8 = 0;
const SEALED_BLOCK: u8 = 1;
const SEALED_CHUNK: u8 = 2;

const CHUNK_HEADER_BYTES: usize = 16;
/// Where a block's header has the block's length.
const BLOCK_LENGTH_AT: usize = 24;

pub(super) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let mut bytes = bytes.to_vec();
    match choice % 3 {
        BLOCK => fuzzing::block(&bytes),
        SEALED_BLOCK => {
            fuzzing::reseal_block(&mut bytes);
            fuzzing::block(&bytes);
        }
        _ => {
            reseal_chunk(&mut bytes);
            // An error is an answer; what opens is read to its end.
            if let Ok(chunk) = Chunk::open(&AlignedBytes::copy_of(&bytes), &shape()) {
                std::hint::black_box(read(chunk).is_ok());
            }
        }
    }
}

fn reseal_chunk(bytes: &mut [u8]) {
    let mut at = CHUNK_HEADER_BYTES;
    while let Some(length) = bytes.get(at + BLOCK_LENGTH_AT..).and_then(|rest| rest.first_chunk::<4>()) {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX).max(1);
        let end = at.saturating_add(length).min(bytes.len());
        if let Some(block) = bytes.get_mut(at..end) {
            fuzzing::reseal_block(block);
        }
        at = end;
    }
}

/// Reads every value that can be reached from the roots.
fn read(chunk: Chunk) -> Result<usize> {
    let result = GraphResult::new(Arc::new(shape()), vec![chunk], Token::new(1, 1), 0);
    let mut values = 0;
    for root in result.roots()? {
        for name in ["id", "price", "name", "tags"] {
            // A damaged value must not hide the ones behind it.
            values += usize::from(root.get(name).is_ok_and(|value| !value.is_null()));
        }
        for child in root.children("tracks")? {
            values += usize::from(child.get("title").is_ok());
        }
    }
    Ok(values)
}

fn shape() -> ResultShape {
    let column = |name: &str, kind| ShapeColumn::new(name, ColumnType::Scalar(kind));
    let edge =
        ShapeEdge { alias: "tracks".to_owned(), child: 1, cardinality: Cardinality::Many, columns_before: 4 };
    let root = ShapeNode {
        entity: "Album".to_owned(),
        columns: vec![
            column("id", ColumnKind::Int64),
            column("price", ColumnKind::Decimal),
            column("name", ColumnKind::String),
            ShapeColumn::new("tags", ColumnType::List(ColumnKind::String)),
        ],
        edges: vec![edge],
    };
    let child = ShapeNode {
        entity: "Track".to_owned(),
        columns: vec![column("title", ColumnKind::String)],
        edges: Vec::new(),
    };
    ResultShape { nodes: vec![root, child] }
}

/// A sound block of every type, once as it is and once to be sealed; a sound chunk.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let block = seed_block().expect("the seed is a block");
    let chunk = seed_chunk().expect("the seed is a chunk");
    let tagged = |choice: u8, bytes: &[u8]| [&[choice], bytes].concat();
    vec![tagged(BLOCK, &block), tagged(SEALED_BLOCK, &block), tagged(SEALED_CHUNK, &chunk)]
}

fn seed_block() -> Result<Vec<u8>> {
    let lists = [ColumnKind::Int32, ColumnKind::String, ColumnKind::Bool].map(ColumnType::List);
    let scalars = ColumnKind::ALL.iter().filter(|kind| **kind != ColumnKind::RowNumber).copied();
    let types: Vec<ColumnType> = scalars.map(ColumnType::Scalar).chain(lists).collect();
    let mut builder = BlockBuilder::new(types.iter().copied());
    for (column, ty) in builder.columns_mut().iter_mut().zip(&types) {
        column.push(&sample(*ty))?;
        column.push_null();
        column.push(&sample(*ty))?;
        column.push_withheld();
    }
    Ok(builder.finish(0)?.to_vec())
}

fn sample(ty: ColumnType) -> ValueRef<'static> {
    let kind = match ty {
        ColumnType::Scalar(kind) => kind,
        ColumnType::List(kind) => {
            let item = sample(ColumnType::Scalar(kind));
            return ValueRef::Array(vec![item.clone(), ValueRef::Null, item]);
        }
    };
    match kind {
        ColumnKind::Bool => ValueRef::Bool(true),
        ColumnKind::Int16 => ValueRef::Int16(-2),
        ColumnKind::Int32 => ValueRef::Int32(-3),
        ColumnKind::Int64 => ValueRef::Int64(-4),
        ColumnKind::Float32 => ValueRef::Float32(1.5),
        ColumnKind::Float64 => ValueRef::Float64(-0.5),
        ColumnKind::Decimal => ValueRef::Decimal(Decimal::from(7)),
        ColumnKind::String => ValueRef::String("Björk"),
        ColumnKind::Bytes => ValueRef::Bytes(&[0, 255]),
        ColumnKind::Uuid => ValueRef::Uuid([7; 16]),
        ColumnKind::DateTime => ValueRef::DateTime(1),
        ColumnKind::LocalDateTime => ValueRef::LocalDateTime(2),
        ColumnKind::Date => ValueRef::Date(3),
        ColumnKind::Time => ValueRef::Time(4),
        ColumnKind::Interval => {
            ValueRef::Interval(ormdb_proto::value::Interval { months: 1, days: 2, micros: 3 })
        }
        ColumnKind::Json => ValueRef::Json("{}"),
        ColumnKind::Enum | ColumnKind::RowNumber => ValueRef::Enum(65536),
    }
}

fn seed_chunk() -> Result<Vec<u8>> {
    let mut builder = ChunkBuilder::new(Arc::new(shape()));
    for id in 0..3 {
        let root = builder.entity(0)?;
        root.column(0)?.push_i64(id)?;
        root.column(1)?.push_decimal(Decimal::from(id))?;
        root.column(2)?.push_str("Post")?;
        root.column(3)?.push_list(&[ValueRef::String("a"), ValueRef::Null])?;
        builder.entity(1)?.column(0)?.push_str("Hyperballad")?;
    }
    for children in [&[0_u32, 2][..], &[], &[1]] {
        builder.edge(0, 0)?.push_parent(children)?;
    }
    builder.put_roots(&[2, 0, 1])?;
    Ok(builder.finish()?.parts().flatten().copied().collect())
}

#[cfg(test)]
mod tests;
