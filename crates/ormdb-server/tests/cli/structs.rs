//! Structs and namespaces at the command line: schemas, tables, imports and exports, completion.

use super::bench::Bench;

const SCHEMA: &str = r#"struct Point {
  lat  float64?
  lon  float64?
}

struct Address {
  street  string
  tags    string[]?
  more    json?
  at      Point?
}

namespace geo {
  // Where people live.
  enum Kind { town, land }

  entity Place {
    id    int64     @id
    kind  Kind      @default(town)
    home  Address
    post  Address?
  }
}
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("schema.ormdb", SCHEMA);
    bench.ok(&["schema", "apply", "places.ormdb"]);
    bench
}

#[test]
fn a_schema_is_shown_formatted_and_checked() {
    let bench = bench();
    assert_eq!(bench.ok(&["schema", "show", "places.ormdb"]), SCHEMA);
    bench.ok(&["schema", "format"]);
    assert_eq!(bench.read("schema.ormdb"), SCHEMA);
    bench.ok(&["schema", "check"]);
    bench.write("schema.ormdb", &SCHEMA.replace("post  Address?", "post  Adress?"));
    let err = bench.fails(1, &["schema", "check"]);
    assert!(err.contains("did you mean `Address`?"), "{err}");
}

#[test]
fn what_is_exported_comes_back_the_same() {
    let bench = bench();
    let rows = [
        r#"{"id":1,"kind":"land","home":{"street":"A","tags":["x","y"],"more":{"k":[1,null]},"at":{"lat":1.5,"lon":-2}},"post":null}"#,
        r#"{"id":2,"kind":"town","home":{"street":"B, \"b\"","tags":[],"more":null,"at":null},"post":{"street":"C","tags":null,"more":"text","at":{"lat":0,"lon":null}}}"#,
        r#"{"id":3,"kind":"town","home":{"street":"","tags":null,"more":null,"at":null},"post":null}"#,
    ];
    bench.write("geo.Place.jsonl", &(rows.join("\n") + "\n"));
    let out = bench.ok(&["import", "places.ormdb", "geo.Place.jsonl"]);
    assert!(out.contains("3 rows imported into geo.Place"), "{out}");
    for format in ["jsonl", "csv"] {
        let dir = format!("out-{format}");
        bench.ok(&["export", "places.ormdb", "--to", &dir, "--format", format]);
        let copy = format!("copy-{format}");
        bench.ok(&["schema", "apply", &copy]);
        bench.ok(&["import", &copy, &format!("{dir}/geo.Place.{format}")]);
        assert_eq!(bench.ok(&["export", &copy, "geo.Place"]), rows.join("\n") + "\n", "{format}");
        assert!(bench.ok(&["check", &copy]).contains("no damage"));
    }
    assert_eq!(bench.ok(&["export", "places.ormdb", "Place"]), rows.join("\n") + "\n");
    let csv = bench.read("out-csv/geo.Place.csv");
    let head = "id,kind,home.street,home.tags,home.more,home.at.lat,home.at.lon,post.street,post.tags,post.more,post.at.lat,post.at.lon\n";
    assert!(csv.starts_with(head), "{csv}");
}

#[test]
fn an_optional_struct_of_nothing_but_nulls_is_kept_by_jsonl() {
    let bench = bench();
    let row = r#"{"id":1,"kind":"town","home":{"street":"A","tags":null,"more":null,"at":{"lat":null,"lon":null}},"post":null}"#;
    bench.write("geo.Place.jsonl", &format!("{row}\n"));
    bench.ok(&["import", "places.ormdb", "geo.Place.jsonl"]);
    assert_eq!(bench.ok(&["export", "places.ormdb", "geo.Place"]), format!("{row}\n"));
    let csv = bench.ok(&["export", "places.ormdb", "geo.Place", "--format", "csv"]);
    bench.write("geo.Place.csv", &csv);
    bench.ok(&["schema", "apply", "copy.ormdb"]);
    bench.ok(&["import", "copy.ormdb", "geo.Place.csv"]);
    let copy = bench.ok(&["export", "copy.ormdb", "geo.Place"]);
    assert_eq!(copy, format!("{row}\n").replace(r#"{"lat":null,"lon":null}"#, "null"));
}

#[test]
fn wrong_lines_are_told_by_their_member() {
    let bench = bench();
    for (line, message) in [
        (r#"{"id":1,"home":{"stret":"A"}}"#, "stret"),
        (r#"{"id":1,"home":{"street":"A"},"hom":1}"#, "hom"),
        (r#"{"id":1,"home":"A"}"#, "home"),
        (r#"{"id":1,"home":null}"#, "home"),
        (r#"{"id":1,"home":{"street":{"a":1}}}"#, "home.street"),
        (r#"{"id":1}"#, "home.street"),
    ] {
        bench.write("Place.jsonl", line);
        let err = bench.fails(1, &["import", "places.ormdb", "Place.jsonl"]);
        assert!(err.contains(message) && err.contains("line 1"), "{line}: {err}");
    }
    bench.write("Place.csv", "id,home.stret\n1,A\n");
    let err = bench.fails(1, &["import", "places.ormdb", "Place.csv"]);
    assert!(err.contains("home.stret"), "{err}");
}

#[test]
fn tables_and_lines_show_structs() {
    let bench = bench();
    bench.ok(&[
        "query",
        "places.ormdb",
        "create geo.Place { id: 1, home: { street: \"A\", at: { lat: 1 } } }",
    ]);
    let table =
        bench.ok(&["query", "places.ormdb", "Place { id, home { street, at }, post }", "--format", "table"]);
    assert!(table.contains("home") && table.contains("street"), "{table}");
    let json = bench.ok(&["query", "places.ormdb", "Place { id, home.street, post }", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::json!([{ "id": 1, "home": { "street": "A" }, "post": null }]));
}
