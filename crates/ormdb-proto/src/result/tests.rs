#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "test data")]

use std::sync::Arc;

use super::*;
use crate::Token;
use crate::block::{Cell, ColumnKind, ColumnType};
use crate::bytes::AlignedBytes;
use crate::error::ErrorCode;
use crate::value::ValueRef;

pub(super) fn column(name: &str, kind: ColumnKind) -> ShapeColumn {
    ShapeColumn::new(name, ColumnType::Scalar(kind))
}

pub(super) fn edge(alias: &str, child: u32, cardinality: Cardinality) -> ShapeEdge {
    ShapeEdge { alias: alias.to_owned(), child, cardinality, columns_before: 1 }
}

/// Artists with albums, each with its one genre.
pub(super) fn shape() -> Arc<ResultShape> {
    let mut role = column("role", ColumnKind::Enum);
    role.labels = EnumLabels(vec![
        Label { position: 10, name: "solo".to_owned() },
        Label { position: 20, name: "band".to_owned() },
    ]);
    Arc::new(ResultShape {
        nodes: vec![
            ShapeNode {
                entity: "Artist".to_owned(),
                columns: vec![column("name", ColumnKind::String), role],
                edges: vec![edge("albums", 1, Cardinality::Many)],
            },
            ShapeNode {
                entity: "Album".to_owned(),
                columns: vec![column("year", ColumnKind::Int32)],
                edges: vec![edge("genre", 2, Cardinality::One)],
            },
            ShapeNode {
                entity: "Genre".to_owned(),
                columns: vec![column("name", ColumnKind::String)],
                edges: vec![],
            },
        ],
    })
}

pub(super) fn token() -> Token {
    Token::new(0xfeed, 77)
}

pub(super) fn sample() -> GraphResult {
    let shape = shape();
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for (name, role) in [("Björk", 10), ("Sugarcubes", 20)] {
        let artists = chunk.entity(0).unwrap();
        artists.column(0).unwrap().push_str(name).unwrap();
        artists.column(1).unwrap().push_u32(role).unwrap();
    }
    chunk.put_roots(&[1, 0]).unwrap();
    let years = chunk.entity(1).unwrap().column(0).unwrap();
    years.push_i32(1993).unwrap();
    years.push_null();
    years.push_withheld();
    let albums = chunk.edge(0, 0).unwrap();
    albums.push_parent(&[1, 0]).unwrap();
    albums.push_parent(&[2]).unwrap();
    chunk.entity(2).unwrap().column(0).unwrap().push_str("Pop").unwrap();
    let genre = chunk.edge(1, 0).unwrap();
    genre.push_parent(&[0]).unwrap();
    genre.push_parent(&[]).unwrap();
    genre.push_parent(&[0]).unwrap();
    let chunk = chunk.finish().unwrap();
    GraphResult::new(shape, vec![chunk], token(), 9)
}

/// The bytes of a chunk as a wire carries them.
fn wire(chunk: &Chunk) -> Vec<u8> {
    chunk.parts().flatten().copied().collect()
}

#[test]
fn walks_from_parent_to_child() {
    let result = sample();
    assert_eq!((result.len(), result.trailer().rows, result.is_empty()), (2, 6, false));
    let names: Vec<_> = result.roots().unwrap().map(|r| r.value("name").unwrap()).collect();
    assert_eq!(names, ["Sugarcubes".into(), "Björk".into()]);
    let bjork = result.roots().unwrap().nth(1).unwrap();
    assert_eq!(bjork.value("role").unwrap(), crate::Value::Enum("solo".to_owned()));
    let years: Vec<_> = bjork.children("albums").unwrap().map(|a| a.get("year").unwrap()).collect();
    assert_eq!(years, [ValueRef::Null, ValueRef::Int32(1993)]);
    let mut albums = bjork.children("albums").unwrap();
    assert_eq!(albums.len(), 2);
    assert!(albums.next().unwrap().child("genre").unwrap().is_none());
    let genre = albums.next().unwrap().child("genre").unwrap().unwrap();
    assert_eq!(genre.get("name").unwrap(), ValueRef::String("Pop"));
    let band = result.roots().unwrap().next().unwrap();
    assert_eq!(band.children("albums").unwrap().next().unwrap().cell("year").unwrap(), Cell::Withheld);
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let result = sample();
    let row = result.roots().unwrap().next().unwrap();
    let error = row.get("nmae").unwrap_err();
    assert_eq!((error.code, error.detail.suggestion.as_deref()), (ErrorCode::UnknownField, Some("name")));
    assert_eq!(row.children("album").unwrap_err().detail.suggestion.as_deref(), Some("albums"));
}

#[test]
fn a_chunk_comes_back_from_its_bytes() {
    let result = sample();
    let bytes = wire(&result.chunks()[0]);
    assert_eq!(bytes.len() as u64, result.trailer().bytes);
    let chunk = Chunk::open(&AlignedBytes::copy_of(&bytes), result.shape()).unwrap();
    assert_eq!(wire(&chunk), bytes);
    let again = GraphResult::new(Arc::clone(result.shape()), vec![chunk], token(), 9);
    assert_eq!(again.trailer(), result.trailer());
}

#[test]
fn a_damaged_chunk_is_found_or_reads_the_same() {
    let result = sample();
    let bytes = wire(&result.chunks()[0]);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let read = Chunk::open(&AlignedBytes::copy_of(&damaged), result.shape()).and_then(|chunk| {
            let again = GraphResult::new(Arc::clone(result.shape()), vec![chunk], token(), 9);
            for row in again.roots()? {
                row.get("name")?;
                row.get("role")?;
                for album in row.children("albums")? {
                    album.get("year")?;
                    for genre in album.children("genre")? {
                        genre.get("name")?;
                    }
                }
            }
            Ok(())
        });
        assert_eq!(read.map_err(|e| e.code), Err(ErrorCode::ProtocolViolation), "byte {at}");
    }
    for len in 0..bytes.len() {
        assert!(Chunk::open(&AlignedBytes::copy_of(&bytes[..len]), result.shape()).is_err());
    }
}

#[test]
fn a_shape_is_a_tree() {
    let good = shape();
    good.validate().unwrap();
    let with = |change: &dyn Fn(&mut ResultShape)| {
        let mut shape = (*good).clone();
        change(&mut shape);
        shape.validate().map_err(|e| e.code)
    };
    let refused = Err(ErrorCode::ProtocolViolation);
    assert_eq!(with(&|s| s.nodes.clear()), refused);
    assert_eq!(with(&|s| s.nodes[2].edges.push(edge("back", 0, Cardinality::Many))), refused);
    assert_eq!(with(&|s| s.nodes[1].edges.push(edge("self", 1, Cardinality::Many))), refused);
    assert_eq!(with(&|s| s.nodes[0].edges.push(edge("twice", 2, Cardinality::Many))), refused);
    assert_eq!(with(&|s| s.nodes[0].edges.push(edge("none", 9, Cardinality::Many))), refused);
    assert_eq!(with(&|s| s.nodes[1].edges.clear()), refused);
    assert_eq!(with(&|s| s.nodes[0].columns[1].labels.0.reverse()), refused);
}
