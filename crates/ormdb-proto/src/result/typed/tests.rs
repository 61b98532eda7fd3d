//! Results become structs by `#[derive(FromRow)]`, or say why they do not.

#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::cell::Cell;
use std::sync::Arc;

use ormdb_derive::{ProtoLabel as FromLabel, ProtoRow as FromRow};

use super::RowPlan;
use crate::block::{ColumnKind, ColumnType};
use crate::result::tests::{column, edge, token};
use crate::result::{
    Cardinality, ChunkBuilder, EnumLabels, Label, ResultShape, ShapeColumn, ShapeEdge, ShapeNode,
};
use crate::value::{Decimal, Interval, ValueRef};
use crate::{Error, ErrorCode, GraphResult, Value};

fn node(entity: &str, columns: Vec<ShapeColumn>, edges: Vec<ShapeEdge>) -> ShapeNode {
    ShapeNode { entity: entity.to_owned(), columns, edges }
}

/// Two artists with albums, each with a genre or none.
fn artists() -> GraphResult {
    let mut role = column("role", ColumnKind::Enum);
    let label = |position, name: &str| Label { position, name: name.to_owned() };
    role.labels = EnumLabels(vec![label(10, "solo"), label(20, "big_band"), label(30, "duo")]);
    let artist = vec![column("name", ColumnKind::String), role];
    let shape = Arc::new(ResultShape {
        nodes: vec![
            node("Artist", artist, vec![edge("albums", 1, Cardinality::Many)]),
            node("Album", vec![column("year", ColumnKind::Int16)], vec![edge("genre", 2, Cardinality::One)]),
            node("Genre", vec![column("name", ColumnKind::String)], vec![]),
        ],
    });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for (name, role) in [("Björk", 10), ("Sugarcubes", 20)] {
        let artists = chunk.entity(0).unwrap();
        artists.column(0).unwrap().push_str(name).unwrap();
        artists.column(1).unwrap().push_u32(role).unwrap();
    }
    for year in [ValueRef::Int16(1993), ValueRef::Null] {
        chunk.entity(1).unwrap().column(0).unwrap().push(&year).unwrap();
    }
    chunk.entity(2).unwrap().column(0).unwrap().push_str("Pop").unwrap();
    for (parent, children) in [(0, &[1, 0][..]), (0, &[0]), (1, &[0]), (1, &[])] {
        chunk.edge(parent, 0).unwrap().push_parent(children).unwrap();
    }
    chunk.put_roots(&[1, 0]).unwrap();
    GraphResult::new(shape, vec![chunk.finish().unwrap()], token(), 0)
}

/// A result of one row with one column for each value.
fn one_row(cells: &[(&str, ColumnType, ValueRef<'_>)]) -> GraphResult {
    let columns = cells.iter().map(|(name, ty, _)| ShapeColumn::new(*name, *ty)).collect();
    let shape = Arc::new(ResultShape { nodes: vec![node("E", columns, vec![])] });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for (at, (_, _, value)) in cells.iter().enumerate() {
        chunk.entity(0).unwrap().column(at).unwrap().push(value).unwrap();
    }
    chunk.put_roots(&[0]).unwrap();
    GraphResult::new(shape, vec![chunk.finish().unwrap()], token(), 0)
}

#[derive(Debug, PartialEq, FromRow)]
struct Artist {
    name: String,
    role: Role,
    albums: Vec<Album>,
}

#[derive(Clone, Debug, PartialEq, FromLabel)]
enum Role {
    Solo,
    BigBand,
    #[row(name = "duo")]
    Two,
}

#[derive(Debug, PartialEq, FromRow)]
struct Album {
    #[row(name = "year")]
    since: Option<i32>,
    genre: Option<Genre>,
    #[row(default)]
    plays: i64,
}

#[derive(Debug, PartialEq, FromRow)]
struct Genre {
    name: Box<str>,
}

#[test]
fn graphs_become_structs() {
    let pop = || Some(Genre { name: "Pop".into() });
    let first = || Album { since: Some(1993), genre: pop(), plays: 0 };
    let expected = [
        Artist { name: "Sugarcubes".to_owned(), role: Role::BigBand, albums: vec![first()] },
        Artist {
            name: "Björk".to_owned(),
            role: Role::Solo,
            albums: vec![Album { since: None, genre: None, plays: 0 }, first()],
        },
    ];
    assert_eq!(artists().typed_rows::<Artist>().unwrap(), expected);
    assert_eq!(<Role as super::FromLabel>::from_label("duo"), Some(Role::Two));
}

#[test]
fn every_type_is_read() {
    #[derive(Debug, PartialEq, FromRow)]
    struct All {
        int: i64,
        small: i32,
        at: i64,
        day: i32,
        single: f64,
        double: Option<f64>,
        yes: bool,
        price: Decimal,
        span: Interval,
        raw: Vec<u8>,
        uuid: [u8; 16],
        doc: String,
        tags: Vec<Option<String>>,
        numbers: Option<Vec<i16>>,
        absent: Option<Vec<i16>>,
        r#type: Value,
        list: Value,
    }
    let (one, list) = (ColumnType::Scalar, ColumnType::List);
    let price = Decimal::new(150, 2).unwrap();
    let span = Interval { months: 1, days: -2, micros: 3 };
    let result = one_row(&[
        ("int", one(ColumnKind::Int64), ValueRef::Int64(i64::MIN)),
        ("small", one(ColumnKind::Int16), ValueRef::Int16(-7)),
        ("at", one(ColumnKind::DateTime), ValueRef::DateTime(5)),
        ("day", one(ColumnKind::Date), ValueRef::Date(-1)),
        ("single", one(ColumnKind::Float32), ValueRef::Float32(0.5)),
        ("double", one(ColumnKind::Float64), ValueRef::Null),
        ("yes", one(ColumnKind::Bool), ValueRef::Bool(true)),
        ("price", one(ColumnKind::Decimal), ValueRef::Decimal(price)),
        ("span", one(ColumnKind::Interval), ValueRef::Interval(span)),
        ("raw", one(ColumnKind::Bytes), ValueRef::Bytes(&[0, 255])),
        ("uuid", one(ColumnKind::Uuid), ValueRef::Uuid([7; 16])),
        ("doc", one(ColumnKind::Json), ValueRef::Json("{\"a\":1}")),
        ("tags", list(ColumnKind::String), ValueRef::Array(vec![ValueRef::String("ä"), ValueRef::Null])),
        ("numbers", list(ColumnKind::Int16), ValueRef::Array(vec![ValueRef::Int16(1), ValueRef::Int16(2)])),
        ("absent", list(ColumnKind::Int16), ValueRef::Null),
        ("type", one(ColumnKind::Time), ValueRef::Time(9)),
        ("list", list(ColumnKind::Bool), ValueRef::Array(vec![ValueRef::Bool(false)])),
        ("not_asked_for", one(ColumnKind::Bool), ValueRef::Bool(false)),
    ]);
    let expected = All {
        int: i64::MIN,
        small: -7,
        at: 5,
        day: -1,
        single: 0.5,
        double: None,
        yes: true,
        price,
        span,
        raw: vec![0, 255],
        uuid: [7; 16],
        doc: "{\"a\":1}".to_owned(),
        tags: vec![Some("ä".to_owned()), None],
        numbers: Some(vec![1, 2]),
        absent: None,
        r#type: Value::Time(9),
        list: Value::Array(vec![Value::Bool(false)]),
    };
    assert_eq!(result.typed_rows::<All>().unwrap(), [expected]);
}

#[test]
fn embedded_structs_are_structs() {
    #[derive(Debug, PartialEq, FromRow)]
    struct User {
        home: Address,
        post: Option<Address>,
        gone: Option<Address>,
    }
    #[derive(Debug, PartialEq, FromRow)]
    struct Address {
        street: String,
        #[row(default)]
        at: Option<Geo>,
    }
    #[derive(Debug, PartialEq, FromRow)]
    struct Geo {
        lat: f64,
    }
    let one = ColumnType::Scalar;
    let result = one_row(&[
        ("home.street", one(ColumnKind::String), ValueRef::String("A")),
        ("home.at?", one(ColumnKind::Bool), ValueRef::Null),
        ("home.at.lat", one(ColumnKind::Float64), ValueRef::Null),
        ("post?", one(ColumnKind::Bool), ValueRef::Bool(true)),
        ("post.street", one(ColumnKind::String), ValueRef::String("B")),
        ("post.at?", one(ColumnKind::Bool), ValueRef::Bool(true)),
        ("post.at.lat", one(ColumnKind::Float64), ValueRef::Float64(1.5)),
        ("gone?", one(ColumnKind::Bool), ValueRef::Null),
        ("gone.street", one(ColumnKind::String), ValueRef::Null),
    ]);
    let expected = User {
        home: Address { street: "A".to_owned(), at: None },
        post: Some(Address { street: "B".to_owned(), at: Some(Geo { lat: 1.5 }) }),
        gone: None,
    };
    assert_eq!(result.typed_rows::<User>().unwrap(), [expected]);
}

#[test]
fn a_struct_may_hold_itself() {
    #[derive(Debug, PartialEq, FromRow)]
    struct Person {
        name: String,
        #[row(default)]
        reports: Vec<Person>,
        #[row(default)]
        boss: Option<Box<Person>>,
    }
    let person = |edges| node("Person", vec![column("name", ColumnKind::String)], edges);
    let edges = vec![edge("reports", 1, Cardinality::Many), edge("boss", 2, Cardinality::One)];
    let shape = Arc::new(ResultShape { nodes: vec![person(edges), person(vec![]), person(vec![])] });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for (at, name) in ["b", "c", "a"].into_iter().enumerate() {
        chunk.entity(at).unwrap().column(0).unwrap().push_str(name).unwrap();
    }
    chunk.edge(0, 0).unwrap().push_parent(&[0]).unwrap();
    chunk.edge(0, 1).unwrap().push_parent(&[0]).unwrap();
    chunk.put_roots(&[0]).unwrap();
    let result = GraphResult::new(shape, vec![chunk.finish().unwrap()], token(), 0);
    let alone = |name: &str| Person { name: name.to_owned(), reports: vec![], boss: None };
    let expected = Person { reports: vec![alone("c")], boss: Some(Box::new(alone("a"))), ..alone("b") };
    assert_eq!(result.typed_rows::<Person>().unwrap(), [expected]);
}

/// The code, entity, field and suggestion of an error.
fn told(error: Error) -> (ErrorCode, String, String, Option<String>) {
    let detail = error.detail;
    (error.code, detail.entity.unwrap(), detail.field.unwrap(), detail.suggestion)
}

#[test]
#[allow(dead_code, reason = "only the types of the structs matter")]
fn what_does_not_fit_says_where() {
    #[derive(Debug, FromRow)]
    struct Misspelt {
        nmae: String,
    }
    #[derive(Debug, FromRow)]
    struct Deep {
        albums: Vec<Wrong>,
    }
    #[derive(Debug, FromRow)]
    struct Wrong {
        year: String,
    }
    #[derive(Debug, FromRow)]
    struct Required {
        albums: Vec<Dated>,
    }
    #[derive(Debug, FromRow)]
    struct Dated {
        year: i16,
    }
    #[derive(Debug, FromRow)]
    struct One {
        albums: Album,
    }
    #[derive(Debug, FromRow)]
    struct Kind {
        role: OnlySolo,
    }
    #[derive(Clone, Debug, FromLabel)]
    enum OnlySolo {
        Solo,
    }
    let at = |code, entity: &str, field: &str| (code, entity.to_owned(), field.to_owned(), None);
    let misspelt = told(artists().typed_rows::<Misspelt>().unwrap_err());
    assert_eq!(misspelt, (ErrorCode::UnknownField, "Artist".into(), "nmae".into(), Some("name".into())));
    let wrong = artists().typed_rows::<Deep>().unwrap_err();
    assert!(wrong.message.starts_with("`Album.year`: the struct has text"), "{wrong}");
    assert_eq!(told(wrong), at(ErrorCode::TypeMismatch, "Album", "year"));
    let null = artists().typed_rows::<Required>().unwrap_err();
    assert_eq!(told(null), at(ErrorCode::TypeMismatch, "Album", "year"));
    let several = artists().typed_rows::<One>().unwrap_err();
    assert_eq!(told(several), at(ErrorCode::TypeMismatch, "Artist", "albums"));
    let label = artists().typed_rows::<Kind>().unwrap_err();
    assert!(label.message.contains("`big_band`"), "{label}");
}

/// Each level leads ten times to the one row of the next: a small result that is a graph of 10^12 rows.
#[test]
fn a_small_result_does_not_become_an_endless_answer() {
    #[derive(Debug, FromRow)]
    struct Level {
        #[row(default)]
        e: Vec<Level>,
    }
    let levels = 12u32;
    let edges = |at: u32| if at + 1 < levels { vec![edge("e", at + 1, Cardinality::Many)] } else { vec![] };
    let shape = Arc::new(ResultShape { nodes: (0..levels).map(|at| node("E", vec![], edges(at))).collect() });
    let mut chunk = ChunkBuilder::new(Arc::clone(&shape));
    for at in 0..levels as usize {
        chunk.entity(at).unwrap().set_rows(1);
        if at + 1 < levels as usize {
            chunk.edge(at, 0).unwrap().push_parent(&[0; 10]).unwrap();
        }
    }
    chunk.put_roots(&[0]).unwrap();
    let plan = RowPlan::<Level>::new(shape).unwrap();
    let mut rows = Vec::new();
    let error = plan.read_into(&chunk.finish().unwrap(), &Cell::new(1000), &mut rows).unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded);
    assert!(rows.iter().all(|level: &Level| level.e.is_empty()));
}
