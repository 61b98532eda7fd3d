use std::fmt::Write;

use ormdb_proto::ErrorCode;

use crate::{Database, Session};

const SCHEMA: &str = r#"
enum Kind { solo, band }

struct Address {
  city  string
  zip   string(10)?
}

entity Artist {
  id      int64          @id @default(autoincrement())
  name    string(80)     @unique
  kind    Kind           @default(solo)
  born    date?
  tags    string[]
  home    Address?
  albums  Album[]
}

entity Album {
  id        int64           @id @default(autoincrement())
  title     string
  price     decimal(10,2)?
  artistId  int64
  partOfId  int64?
  artist    Artist          @relation(artistId -> Artist.id)
  partOf    Album?          @relation(partOfId -> Album.id)
  parts     Album[]         @relation(inverse: partOf)
}
"#;

fn session() -> (tempfile::TempDir, Session) {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    (dir, database.session())
}

/// What a statement takes and gives, on a line.
fn described(session: &Session, text: &str) -> String {
    let described = match session.prepare(text).and_then(|prepared| session.describe(&prepared)) {
        Ok(described) => described,
        Err(error) => return format!("{}: {}", error.code.name(), error.message),
    };
    let mut out = String::new();
    for param in &described.params {
        write!(out, "${} {}, ", param.name, param.ty.as_deref().unwrap_or("?")).unwrap();
    }
    out.truncate(out.trim_end_matches(", ").len());
    match described.shape {
        None => out.push_str(" -> nothing known"),
        Some(shape) => {
            out.push_str(" ->");
            for node in &shape.nodes {
                let columns: Vec<String> =
                    node.columns.iter().map(|c| format!("{} {:?}", c.name, c.ty)).collect();
                write!(out, " {}({})", node.entity, columns.join(", ")).unwrap();
            }
        }
    }
    out
}

fn check(session: &Session, cases: &[(&str, &str)]) {
    let others: Vec<String> = cases
        .iter()
        .map(|(text, expected)| (text, described(session, text), expected))
        .filter(|(_, found, expected)| found != *expected)
        .map(|(text, found, expected)| format!("{text}\n  found    {found}\n  expected {expected}"))
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[test]
fn a_fetch_is_described() {
    let (_dir, session) = session();
    let cases = [
        ("Artist[$id] { name }", "$id int64 -> Artist(name Scalar(String))"),
        ("Artist[name: $n] { id, born }", "$n string(80) -> Artist(id Scalar(Int64), born Scalar(Date))"),
        (
            "Artist where kind = $k and born > $since and name startsWith $p limit $most { id }",
            "$k Kind, $since date, $p string, $most int64 -> Artist(id Scalar(Int64))",
        ),
        (
            "Artist where id in $ids and has(tags, $tag) and kind in [$a, $b] { kind }",
            "$ids int64[], $tag string, $a Kind, $b Kind -> Artist(kind Scalar(Enum))",
        ),
        (
            "Album where price * $f > 10 { more: price + $f, d: title || $t }",
            "$f decimal(10,2), $t string -> Album(more Scalar(Decimal), d Scalar(String))",
        ),
        (
            "Artist where albums some (title = $t) order by name after [$id] limit 2 { id, albums limit $n { title } }",
            "$id int64, $t string, $n int64 -> Artist(id Scalar(Int64)) Album(title Scalar(String))",
        ),
        ("Artist as of $v { id }", "$v string -> Artist(id Scalar(Int64))"),
        (
            "Album { id, parts recursive 2 { id } }",
            " -> Album(id Scalar(Int64)) Album(id Scalar(Int64)) Album(id Scalar(Int64))",
        ),
        ("Album { id, parts recursive $n { id } }", "$n int64 -> nothing known"),
        (
            "group Artist by kind having count() > $n { kind, n: count() }",
            "$n int64 -> Artist(kind Scalar(Enum), n Scalar(Int64))",
        ),
        ("explain Artist[$id]", "$id int64 -> nothing known"),
        (
            "Artist { x: lower($a), y: coalesce($b, born), z: substring(name, $c) }",
            "$a string, $b date, $c int64 -> Artist(x Scalar(String), y Scalar(Date), z Scalar(String))",
        ),
        ("Artist { nme }", "unknown_field: `Artist` has no field or relation `nme`"),
        ("Artst { name }", "unknown_entity: no entity is named `Artst`"),
    ];
    check(&session, &cases);
}

#[test]
fn a_write_is_described() {
    let (_dir, session) = session();
    let cases = [
        (
            "create Artist { name: $n, kind: $k, home: { city: $c }, albums: create { title: $t, price: $p } } return { id, albums { id } }",
            "$n string(80), $k Kind, $c string, $t string, $p decimal(10,2) -> Artist(id Scalar(Int64)) Album(id Scalar(Int64))",
        ),
        ("create Artist { name: $n }", "$n string(80) -> nothing known"),
        (
            "update Album where artist.name = $n set { price += $more, title: $a || title, partOf: connect [$id] } return { price }",
            "$n string(80), $more decimal(10,2), $a string, $id int64 -> Album(price Scalar(Decimal))",
        ),
        (
            "upsert Artist[name: $n] create { born: $b } update { born: $b } return { id }",
            "$n string(80), $b date -> Artist(id Scalar(Int64))",
        ),
        ("delete Artist where born < $b limit $n", "$b date, $n int64 -> nothing known"),
        ("update Artist[$id] set { nme: $n }", "unknown_field: `Artist` has no field or relation `nme`"),
        ("commit", " -> nothing known"),
    ];
    check(&session, &cases);
}

/// A write without `return` was executed before it failed.
#[test]
fn what_gives_no_rows_is_not_executed_for_rows() {
    let (_dir, session) = session();
    let none = crate::Params::none();
    for text in ["create Artist { name: \"a\" }", "explain Artist", "commit"] {
        assert_eq!(session.fetch(text, &none).unwrap_err().code, ErrorCode::InvalidQuery, "{text}");
    }
    assert_eq!(session.fetch("Artist", &none).unwrap().len(), 0);
    assert_eq!(
        session.fetch("create Artist { name: \"a\", tags: [] } return { id }", &none).unwrap().len(),
        1
    );
}
