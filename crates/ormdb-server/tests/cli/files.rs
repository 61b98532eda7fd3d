//! `ormdb import` and `ormdb export`.

use super::bench::{Bench, SHOP};

#[test]
fn what_is_exported_comes_back_the_same() {
    let bench = Bench::shop();
    bench.write("Maker.csv", "id,name\n1,\"Ada, & \"\"Co\"\"\"\n2,Bo\n");
    bench.write(
        "Good.jsonl",
        concat!(
            r#"{"name":"nut","price":"0.50","colour":"red","made":"2024-02-29","tags":["a","b"],"extra":{"k":[1,null]},"makerId":1}"#,
            "\n\n",
            r#"{"name":"bolt","price":12345678.9,"colour":null}"#,
            "\n",
            r#"{"name":"quote \" and\nline","price":3,"tags":[],"extra":"text"}"#,
        ),
    );
    let out = bench.ok(&["import", "shop.ormdb", "Good.jsonl", "Maker.csv"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("Maker.csv: 2 rows imported into Maker in "), "{out}");
    assert!(lines[1].starts_with("Good.jsonl: 3 rows imported into Good in "), "{out}");
    assert_eq!(lines[2], "5 rows imported from 2 files");
    let goods = bench.json("Good order by id");
    assert_eq!(goods[0]["extra"].to_string(), r#"{"k":[1,null]}"#);
    assert_eq!(goods[1]["price"].to_string(), "12345678.90");

    for format in ["csv", "jsonl"] {
        let dir = format!("out-{format}");
        let out = bench.ok(&["export", "shop.ormdb", "--to", &dir, "--format", format]);
        assert!(out.contains("3 rows"), "{out}");
        let copy = format!("copy-{format}");
        bench.ok(&["schema", "apply", &copy]);
        let file = |entity: &str| format!("{dir}/{entity}.{format}");
        bench.ok(&["import", &copy, &file("Good"), &file("Maker")]);
        let query = |target: &str, text: &str| bench.ok(&["query", target, text, "--format", "json"]);
        for text in ["Good order by id", "Maker order by id"] {
            assert_eq!(query(&copy, text), query("shop.ormdb", text), "{format}");
        }
        assert!(bench.ok(&["check", &copy]).contains("no damage"));
    }
    assert_eq!(bench.ok(&["export", "shop.ormdb", "Maker", "--format", "csv"]), bench.read("Maker.csv"));
    assert!(bench.fails(1, &["export", "shop.ormdb"]).contains("--to"));
    assert!(bench.fails(1, &["export", "shop.ormdb", "Makr"]).contains("did you mean `Maker`?"));
}

#[test]
fn the_name_of_an_entity_leads_out_of_no_directory() {
    let bench = Bench::new();
    bench.write("schema.ormdb", "entity `out/side` {\n  id int64 @id\n}\n");
    bench.ok(&["schema", "apply", "shop.ormdb"]);
    let err = bench.fails(1, &["export", "shop.ormdb", "--to", "files"]);
    assert!(err.contains("`out/side` cannot name a file"), "{err}");
    assert!(!bench.path("files/out/side.jsonl").exists());
    assert_eq!(bench.ok(&["export", "shop.ormdb", "out/side"]), "");
}

#[test]
fn an_empty_cell_is_null_and_not_the_default() {
    let bench = Bench::new();
    bench.write(
        "schema.ormdb",
        "entity Maker {\n  id int64 @id\n  rank int32? @default(7)\n  size int32 @default(1)\n}\n",
    );
    bench.ok(&["schema", "apply", "shop.ormdb"]);
    bench.write("Maker.csv", "id,rank,size\n1,,\n");
    bench.ok(&["import", "shop.ormdb", "Maker.csv"]);
    assert_eq!(bench.json("Maker").to_string(), r#"[{"id":1,"rank":null,"size":1}]"#);
}

#[test]
fn many_rows_go_through_many_batches_and_pages() {
    let bench = Bench::shop();
    let rows: String = (0..2500).map(|n| format!("{{\"id\":{n},\"name\":\"maker {n}\"}}\n")).collect();
    bench.write("Maker.jsonl", &rows);
    bench.ok(&["import", "shop.ormdb", "Maker.jsonl", "--batch-rows", "700"]);
    assert_eq!(bench.ok(&["export", "shop.ormdb", "Maker"]), rows);
    let out = bench.ok(&["import", "shop.ormdb", "Maker.jsonl", "--skip-duplicates"]);
    assert!(out.contains("0 rows imported into Maker, 2,500 duplicates passed over"), "{out}");
}

#[test]
fn a_bad_row_is_told_by_file_line_column_and_reason() {
    let bench = Bench::shop();
    bench.write("Good.csv", "name,price\nnut,1\nbolt,dear\nscrew,2\n");
    let err = bench.fails(1, &["import", "shop.ormdb", "Good.csv"]);
    assert!(err.contains("Good.csv: line 3, column 2 `price`: `dear` is no decimal"), "{err}");
    assert!(err.contains("--reject"), "{err}");
    // What stands above it is imported, what stands below it is not.
    assert_eq!(bench.json("Good { name }").to_string(), r#"[{"name":"nut"}]"#);

    for (name, text, told) in [
        (
            "Good.csv",
            "name,prize\n",
            "line 1, column 2: entity `Good` stores no field `prize`; did you mean `price`?",
        ),
        ("Good.csv", "name,name\n", "line 1, column 2: field `name` stands there twice"),
        ("Good.csv", "name,price\na,1,2\n", "line 2: the row has 3 values, the first line 2"),
        ("Good.csv", "name,price\na,\n", "line 2, column `price`"),
        ("Good.jsonl", "{\"name\": \"a\", price: 1}\n", "line 1, column 15: key must be a string"),
        ("Good.jsonl", "[1]\n", "line 1, column 1: the line is no JSON object"),
        (
            "Good.jsonl",
            "{\"name\":{}}\n",
            "line 1, member `name`: an object fits no field but one of type json",
        ),
        (
            "Good.jsonl",
            "\n{\"nam\":1}\n",
            "line 2, member `nam`: entity `Good` stores no field `nam`; did you mean `name`?",
        ),
        ("Good.jsonl", "{\"name\":\"a\",\"price\":1,\"makerId\":7}", "[foreign_key_violation]"),
    ] {
        bench.write(name, text);
        let err = bench.fails(1, &["import", "shop.ormdb", name]);
        assert!(err.contains(told), "{text}: {err}");
        assert!(err.contains(name), "{err}");
    }
    bench.fails(1, &["import", "shop.ormdb", "Nobody.csv"]);
    bench.write("Good.txt", "");
    assert!(bench.fails(1, &["import", "shop.ormdb", "Good.txt"]).contains("--format"));
    bench.fails(5, &["import", "shop.ormdb", "Maker.csv"]);
}

#[test]
fn rejected_rows_are_kept_and_good_ones_around_them_are_written() {
    let bench = Bench::shop();
    let mut rows = String::from("id,name\n");
    for n in 0..300 {
        rows.push_str(&match n {
            17 => "x17,maker\n".to_owned(),
            100 => "99,\"twice, here\"\n".to_owned(),
            200 => "200,maker 5\n".to_owned(),
            _ => format!("{n},maker {n}\n"),
        });
    }
    bench.write("Maker.csv", &rows);
    let ran = bench.run(&["import", "shop.ormdb", "Maker.csv", "--reject", "bad.csv"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.out.contains("297 rows imported into Maker, 3 rows rejected"), "{}", ran.out);
    assert!(ran.err.contains("Maker.csv: line 19, column 1 `id`: `x17` is no whole number"), "{}", ran.err);
    assert!(ran.err.contains("Maker.csv: line 102") && ran.err.contains("[unique_violation]"), "{}", ran.err);
    assert!(ran.err.contains("3 bad rows kept in bad.csv"), "{}", ran.err);
    assert_eq!(bench.read("bad.csv"), "id,name\nx17,maker\n99,\"twice, here\"\n200,maker 5\n");
    // The kept rows, once they are mended, are imported as they are.
    bench.write("bad.csv", "id,name\n17,maker 17\n100,maker 100\n200,maker 200\n");
    bench.ok(&["import", "shop.ormdb", "bad.csv", "--entity", "Maker"]);
    assert_eq!(bench.json("Maker { id }").as_array().unwrap().len(), 300);
    let clean = bench.run(&[
        "import",
        "shop.ormdb",
        "bad.csv",
        "--entity",
        "Maker",
        "--skip-duplicates",
        "--reject",
        "b",
    ]);
    assert_eq!((clean.status, clean.err.as_str()), (0, ""));
}

#[test]
fn hidden_and_composite_keys_are_exported_in_pages() {
    let bench = Bench::new();
    bench.write(
        "schema.ormdb",
        &format!("{SHOP}\nentity Edge {{ a int64 b string @@id(a, b) }}\nentity Note {{ text string }}\n")
            .replace(" b string @@id", "\n b string\n @@id"),
    );
    bench.ok(&["schema", "apply", "shop.ormdb"]);
    let edges: String = (0..1100).map(|n| format!("{{\"a\":{},\"b\":\"{:04}\"}}\n", n / 500, n)).collect();
    let notes: String = (0..1100).map(|n| format!("{{\"text\":\"{n:04}\"}}\n")).collect();
    bench.write("Edge.jsonl", &edges);
    bench.write("Note.jsonl", &notes);
    bench.ok(&["import", "shop.ormdb", "Edge.jsonl", "Note.jsonl"]);
    assert_eq!(bench.ok(&["export", "shop.ormdb", "Edge"]), edges);
    let mut exported: Vec<String> =
        bench.ok(&["export", "shop.ormdb", "Note"]).lines().map(|line| format!("{line}\n")).collect();
    exported.sort_unstable();
    assert_eq!(exported.concat(), notes);
}

#[test]
fn the_edges_of_implied_edge_entities_are_exported_and_come_back() {
    let bench = Bench::new();
    let schema = "entity Post {\n  id    int64  @id\n  tags  Tag[]\n}\n\nentity Tag {\n  id     int64  @id\n  posts  Post[]\n}\n";
    bench.write("schema.ormdb", schema);
    bench.ok(&["schema", "apply", "shop.ormdb"]);
    bench.ok(&[
        "query",
        "shop.ormdb",
        "create Post [{ id: 1, tags: create [{ id: 10 }, { id: 11 }] }, { id: 2 }]",
    ]);
    let out = bench.ok(&["export", "shop.ormdb", "--to", "out"]);
    assert!(out.contains("out/_PostToTag.jsonl: 2 rows"), "{out}");
    bench.ok(&["schema", "apply", "copy.ormdb"]);
    bench.ok(&["import", "copy.ormdb", "out/_PostToTag.jsonl", "out/Post.jsonl", "out/Tag.jsonl"]);
    let out = bench.ok(&["query", "copy.ormdb", "Post order by id { id, tags order by id { id } }"]);
    assert_eq!(out, "id: 1\n├─ tags  id: 10\n└─ tags  id: 11\nid: 2\n2 rows\n");
}

#[test]
fn edges_to_deleted_rows_are_left_out_with_them() {
    let bench = Bench::new();
    let schema = "\
entity Post {
  id         int64      @id
  deletedAt  datetime?
  tags       Tag[]

  @@softDelete(deletedAt)
}

entity Tag {
  id     int64   @id
  posts  Post[]
}
";
    bench.write("schema.ormdb", schema);
    bench.ok(&["schema", "apply", "kept.ormdb"]);
    bench.ok(&[
        "query",
        "kept.ormdb",
        "create Tag { id: 1, posts: create [{ id: 1 }, { id: 2 }] }; delete Post[1]",
    ]);
    bench.ok(&["export", "kept.ormdb", "--to", "out", "--format", "csv"]);
    assert_eq!(bench.read("out/_PostToTag.csv"), "postId,tagId\n2,1\n");
    bench.ok(&["schema", "apply", "copy.ormdb"]);
    bench.ok(&["import", "copy.ormdb", "out/Post.csv", "out/Tag.csv", "out/_PostToTag.csv"]);
    let all = ["export", "kept.ormdb", "_PostToTag", "--format", "csv", "--with-deleted"];
    assert_eq!(bench.ok(&all), "postId,tagId\n1,1\n2,1\n");
}

#[test]
fn a_quote_that_is_not_closed_is_a_bad_row() {
    let bench = Bench::shop();
    bench.write("Maker.csv", "id,name\n0,zero\n1,\"unclosed\n2,x\n");
    let err = bench.fails(1, &["import", "shop.ormdb", "Maker.csv"]);
    assert!(err.contains("Maker.csv: line 3: a quote that opens is not closed"), "{err}");
    assert_eq!(bench.json("Maker").to_string(), r#"[{"id":0,"name":"zero"}]"#);
    let args = ["import", "shop.ormdb", "Maker.csv", "--skip-duplicates", "--reject", "bad.csv"];
    assert!(bench.fails(1, &args).contains("1 bad row kept"));
    assert_eq!(bench.read("bad.csv"), "id,name\n1,\"unclosed\n2,x\n\n");
    bench.write("Maker.csv", "id,\"name\n");
    assert!(bench.fails(1, &["import", "shop.ormdb", "Maker.csv"]).contains("line 1: a quote that opens"));
}

#[test]
fn the_empty_text_is_told_from_null() {
    let bench = Bench::new();
    bench.write(
        "schema.ormdb",
        "entity Note {\n  id int64 @id\n  text string?\n  size int32?\n}\n\nentity Line {\n  text string?\n}\n",
    );
    bench.ok(&["schema", "apply", "shop.ormdb"]);
    let notes = "id,text,size\n1,,\n2,\"\",5\n3,\"a,b\",\n";
    let lines = "text\n\n\"\"\na\n";
    bench.write("Note.csv", notes);
    bench.write("Line.csv", lines);
    bench.ok(&["import", "shop.ormdb", "Note.csv", "Line.csv"]);
    assert_eq!(bench.json("Note { text }").to_string(), r#"[{"text":null},{"text":""},{"text":"a,b"}]"#);
    assert_eq!(bench.ok(&["export", "shop.ormdb", "Note", "--format", "csv"]), notes);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&bench.ok(&["export", "shop.ormdb", "Line", "--format", "csv"])), sorted(lines));
    // Programs that quote everything quote what is missing too.
    bench.write("Note.csv", "\"id\",\"text\",\"size\"\n\"4\",\"x\",\"\"\n");
    bench.ok(&["import", "shop.ormdb", "Note.csv"]);
    assert_eq!(bench.json("Note[4]").to_string(), r#"[{"id":4,"text":"x","size":null}]"#);
}
