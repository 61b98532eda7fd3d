#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "test data")]

use std::sync::Arc;

use super::*;
use crate::Token;
use crate::block::{Cell, ColumnKind, ColumnType};
use crate::bytes::AlignedBytes;
use crate::error::ErrorCode;
use crate::value::ValueRef;

pub(crate) fn column(name: &str, kind: ColumnKind) -> ShapeColumn {
    ShapeColumn::new(name, ColumnType::Scalar(kind))
}

pub(crate) fn edge(alias: &str, child: u32, cardinality: Cardinality) -> ShapeEdge {
    ShapeEdge { alias: alias.to_owned(), child, cardinality, columns_before: 1 }
}

/// Artists with albums, each with its one genre.
pub(crate) fn shape() -> Arc<ResultShape> {
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

pub(crate) fn token() -> Token {
    Token::new(0xfeed, 77)
}

pub(crate) fn sample() -> GraphResult {
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
fn a_builder_that_is_used_again_builds_as_a_new_one_does() {
    use crate::value::Decimal;
    let kinds = [
        ColumnType::Scalar(ColumnKind::Int64),
        ColumnType::Scalar(ColumnKind::Bool),
        ColumnType::Scalar(ColumnKind::String),
        ColumnType::Scalar(ColumnKind::Decimal),
        ColumnType::List(ColumnKind::Int64),
    ];
    let columns = kinds.iter().map(|ty| ShapeColumn::new("c", *ty)).collect();
    let node = ShapeNode { entity: "A".to_owned(), columns, edges: Vec::new() };
    let shape = Arc::new(ResultShape { nodes: vec![node] });
    let fill = |builder: &mut ChunkBuilder, seed: u64, rows: u32| {
        let mut rng = fastrand::Rng::with_seed(seed);
        builder.put_roots(&(0..rows).collect::<Vec<_>>()).unwrap();
        for _ in 0..rows {
            let block = builder.entity(0).unwrap();
            let text = "x".repeat(rng.usize(..20));
            let items = [ValueRef::Int64(rng.i64(..)), ValueRef::Null];
            let decimal = Decimal::new(rng.i128(-99..99), rng.u8(..3)).unwrap();
            let values = [
                ValueRef::Int64(rng.i64(..)),
                ValueRef::Bool(rng.bool()),
                ValueRef::String(&text),
                ValueRef::Decimal(decimal),
                ValueRef::Array(items[..rng.usize(..3)].to_vec()),
            ];
            for (at, value) in values.iter().enumerate() {
                let column = block.column(at).unwrap();
                match rng.u8(..8) {
                    0 => column.push_null(),
                    1 => column.push_withheld(),
                    _ => column.push(value).unwrap(),
                }
            }
        }
    };
    let parts = |chunk: &Chunk| chunk.parts().map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut again = ChunkBuilder::new(Arc::clone(&shape));
    for (seed, rows) in (0..).zip([3, 1, 0, 40, 2, 0, 1]) {
        let mut new = ChunkBuilder::new(Arc::clone(&shape));
        fill(&mut new, seed, rows);
        fill(&mut again, seed, rows);
        let expected = new.finish().unwrap();
        assert_eq!(parts(&again.finish_and_clear().unwrap()), parts(&expected), "seed {seed}");
    }
    assert!(again.capacity() > 0);
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

#[test]
fn writes_json() {
    let result = sample();
    let text = r#"[{"name":"Sugarcubes","albums":[{"genre":{"name":"Pop"}}],"role":"band"},{"name":"Björk","albums":[{"year":null,"genre":null},{"year":1993,"genre":{"name":"Pop"}}],"role":"solo"}]"#;
    assert_eq!(result.to_json().unwrap(), text);
    assert_eq!(result.to_json_value().unwrap(), serde_json::from_str::<serde_json::Value>(text).unwrap());
    let pretty = result.to_json_pretty().unwrap();
    assert_eq!(pretty, serde_json::to_string_pretty(&result.to_json_value().unwrap()).unwrap());
    let lines = result.to_json_lines().unwrap();
    assert_eq!(format!("[{}]", lines.trim_end().replace('\n', ",")), text);
}

/// A result of one row with one column for each value.
fn one_row(cells: &[(&str, ColumnType, ValueRef<'_>)]) -> GraphResult {
    let columns = cells.iter().map(|(name, ty, _)| ShapeColumn::new(*name, *ty)).collect();
    let shape =
        Arc::new(ResultShape { nodes: vec![ShapeNode { entity: "E".to_owned(), columns, edges: vec![] }] });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for (at, (_, _, value)) in cells.iter().enumerate() {
        chunk.entity(0).unwrap().column(at).unwrap().push(value).unwrap();
    }
    chunk.put_roots(&[0]).unwrap();
    GraphResult::new(shape, vec![chunk.finish().unwrap()], token(), 0)
}

#[test]
fn json_keeps_every_digit_and_escapes() {
    let one = ColumnType::Scalar;
    let decimal = crate::value::Decimal::new(-150, 2).unwrap();
    let result = one_row(&[
        ("int", one(ColumnKind::Int64), ValueRef::Int64(i64::MAX)),
        ("dec", one(ColumnKind::Decimal), ValueRef::Decimal(decimal)),
        ("nan", one(ColumnKind::Float64), ValueRef::Float64(f64::NAN)),
        ("half", one(ColumnKind::Float64), ValueRef::Float64(0.5)),
        ("text", one(ColumnKind::String), ValueRef::String("a\"b\\\n\u{1}é")),
        ("json", one(ColumnKind::Json), ValueRef::Json("{\"a\":[1,null]}")),
        ("bytes", one(ColumnKind::Bytes), ValueRef::Bytes(&[0, 255])),
        ("day", one(ColumnKind::Date), ValueRef::Date(0)),
        (
            "list",
            ColumnType::List(ColumnKind::Int16),
            ValueRef::Array(vec![ValueRef::Int16(1), ValueRef::Null]),
        ),
    ]);
    assert_eq!(
        result.to_json().unwrap(),
        r#"[{"int":9223372036854775807,"dec":-1.50,"nan":"NaN","half":0.5,"text":"a\"b\\\n\u0001é","json":{"a":[1,null]},"bytes":"\\x00ff","day":"1970-01-01","list":[1,null]}]"#
    );
    let broken = one_row(&[("json", one(ColumnKind::Json), ValueRef::Json("{]"))]);
    assert_eq!(broken.to_json().unwrap_err().code, ErrorCode::ProtocolViolation);
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Artist {
    name: String,
    role: Role,
    albums: Vec<Album>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Solo,
    Band,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Album {
    year: Option<i16>,
    genre: Option<Genre>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Genre {
    name: String,
}

#[test]
fn hydrates_structs() {
    let pop = || Some(Genre { name: "Pop".to_owned() });
    let artists: Vec<Artist> = sample().rows().unwrap();
    let expected = [
        Artist {
            name: "Sugarcubes".to_owned(),
            role: Role::Band,
            albums: vec![Album { year: None, genre: pop() }],
        },
        Artist {
            name: "Björk".to_owned(),
            role: Role::Solo,
            albums: vec![Album { year: None, genre: None }, Album { year: Some(1993), genre: pop() }],
        },
    ];
    assert_eq!(artists, expected);
}

#[test]
fn hydrates_what_the_struct_asks_for() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Wanted {
        at: i64,
        at_text: String,
        price: f64,
        price_text: String,
        doc: serde_json::Value,
        doc_text: String,
        tags: Vec<Option<String>>,
        raw: Vec<u8>,
        big: u64,
    }
    let one = ColumnType::Scalar;
    let price = ValueRef::Decimal(crate::value::Decimal::new(150, 2).unwrap());
    let result = one_row(&[
        ("at", one(ColumnKind::DateTime), ValueRef::DateTime(1_000_000)),
        ("at_text", one(ColumnKind::DateTime), ValueRef::DateTime(1_000_000)),
        ("price", one(ColumnKind::Decimal), price.clone()),
        ("price_text", one(ColumnKind::Decimal), price),
        ("doc", one(ColumnKind::Json), ValueRef::Json("{\"a\":1}")),
        ("doc_text", one(ColumnKind::Json), ValueRef::Json("{\"a\":1}")),
        (
            "tags",
            ColumnType::List(ColumnKind::String),
            ValueRef::Array(vec![ValueRef::String("x"), ValueRef::Null]),
        ),
        ("raw", one(ColumnKind::Bytes), ValueRef::Bytes(&[1, 2])),
        ("big", one(ColumnKind::Int64), ValueRef::Int64(5)),
        ("not_asked_for", one(ColumnKind::Bool), ValueRef::Bool(true)),
    ]);
    let wanted: Vec<Wanted> = result.rows().unwrap();
    let doc_text = "{\"a\":1}".to_owned();
    let expected = Wanted {
        at: 1_000_000,
        at_text: crate::value::Value::DateTime(1_000_000).to_text(),
        price: 1.5,
        price_text: "1.50".to_owned(),
        doc: serde_json::from_str(&doc_text).unwrap(),
        doc_text,
        tags: vec![Some("x".to_owned()), None],
        raw: vec![1, 2],
        big: 5,
    };
    assert_eq!(wanted, [expected]);
    let names: Vec<(String, serde::de::IgnoredAny, String)> = sample().rows().unwrap();
    assert_eq!(names[0].0, "Sugarcubes");
}

#[test]
fn a_struct_that_does_not_fit_says_where() {
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "only its type matters")]
    struct Wrong {
        albums: Vec<WrongAlbum>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "only its type matters")]
    struct WrongAlbum {
        genre: WrongGenre,
    }
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "only its type matters")]
    struct WrongGenre {
        name: i64,
    }
    let error = sample().rows::<Wrong>().unwrap_err();
    assert_eq!(error.code, ErrorCode::TypeMismatch);
    assert_eq!(
        (error.detail.entity.as_deref(), error.detail.field.as_deref()),
        (Some("Genre"), Some("name"))
    );
}

/// Twelve levels, each of whose rows leads to ten rows of the next: a small result that is a graph of 10^12 rows.
#[test]
fn a_small_result_does_not_become_an_endless_answer() {
    let levels = 12;
    let nodes = (0..levels)
        .map(|at| ShapeNode {
            entity: "E".to_owned(),
            columns: vec![],
            edges: if at + 1 < levels { vec![edge("e", at + 1, Cardinality::Many)] } else { vec![] },
        })
        .collect();
    let shape = Arc::new(ResultShape { nodes });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for at in 0..levels as usize {
        chunk.entity(at).unwrap().set_rows(1);
        if at + 1 < levels as usize {
            chunk.edge(at, 0).unwrap().push_parent(&[0; 10]).unwrap();
        }
    }
    chunk.put_roots(&[0]).unwrap();
    let result = GraphResult::new(shape, vec![chunk.finish().unwrap()], token(), 0);
    assert_eq!(result.rows::<serde::de::IgnoredAny>().unwrap().len(), 1);
    let left = std::cell::Cell::new(1000);
    let view = super::view::View::new(result.shape(), &result.chunks()[0], &left).unwrap();
    let error = (0..2000).find_map(|_| view.visit(0, 0).err()).unwrap();
    assert_eq!(error.code, ErrorCode::LimitExceeded);
}
