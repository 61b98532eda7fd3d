//! `ormdb query`.

use serde_json::json;

use super::bench::Bench;

#[test]
fn statements_run_in_order_and_results_are_tables_trees_or_json() {
    let bench = Bench::shop();
    let out = bench.ok(&[
        "query",
        "shop.ormdb",
        r#"create Maker { id: 1, name: "Ada", goods: create [{ name: "nut", price: 0.5, colour: red }, { name: "bolt", price: 2 }] };
           Maker { name, goods order by name { name, price } };
           Good order by id { id, name, colour };
           update Good where name = "nut" set { price += 1 } return { price };
           delete Good where price > 100"#,
    ]);
    assert_eq!(
        out,
        "3 rows created
name: Ada
├─ goods  name: bolt, price: 2.00
└─ goods  name: nut, price: 0.50
1 row
┌────┬──────┬────────┐
│ id ┆ name ┆ colour │
╞════╪══════╪════════╡
│  1 ┆ nut  ┆ red    │
│  2 ┆ bolt ┆ null   │
└────┴──────┴────────┘
2 rows
1 row updated
┌───────┐
│ price │
╞═══════╡
│  1.50 │
└───────┘
1 row
nothing changed
"
    );
    assert_eq!(
        bench.json("Maker { *, goods order by id { name } }"),
        json!([{ "id": 1, "name": "Ada", "goods": [{ "name": "nut" }, { "name": "bolt" }] }])
    );
    let written =
        bench.json("upsert Maker[id: 1] create { name: \"x\" } update { name: \"Eda\" } return { name }");
    assert_eq!(written["updated"], 1);
    assert_eq!(written["returned"], json!([{ "name": "Eda" }]));
    let plan = bench.ok(&["query", "shop.ormdb", "explain Maker[1] { name }"]);
    assert!(plan.contains("fetch Maker"), "{plan}");
}

#[test]
fn parameters_are_json_or_text() {
    let bench = Bench::shop();
    let create = "create Good { name: $n, price: $p, tags: $t, made: $d }";
    let params = ["-p", "n=a b", "-p", "p=1.25", "-p", r#"t=["x","y"]"#, "--param", "d=2024-02-29"];
    bench.ok(&[&["query", "shop.ormdb", create], params.as_slice()].concat());
    assert_eq!(
        bench.json("Good { name, price, tags, made }").to_string(),
        r#"[{"name":"a b","price":1.25,"tags":["x","y"],"made":"2024-02-29"}]"#
    );
    let one = ["query", "shop.ormdb", "Good where name in $names { id }", "-p"];
    assert!(bench.ok(&[&one, [r#"names=["a b"]"#].as_slice()].concat()).contains("1 row"));
    assert!(bench.fails(1, &[&one, ["names"].as_slice()].concat()).contains("NAME=VALUE"));
    assert!(bench.fails(1, &[&one, ["other=1"].as_slice()].concat()).contains("missing_parameter"));
}

#[test]
fn text_comes_from_standard_input_too() {
    let bench = Bench::shop();
    let ran = bench.run_with(&["query", "shop.ormdb"], "// nothing\nMaker;\nGood { name }\n");
    assert_eq!((ran.status, ran.out.as_str()), (0, "no rows\nno rows\n"));
    assert_eq!(bench.run_with(&["query", "shop.ormdb", "-"], "").status, 1);
}

#[test]
fn errors_show_their_place_and_set_the_exit_status() {
    let bench = Bench::shop();
    let ran = bench.run(&["query", "shop.ormdb", "Maker;\nGood where nam = 1 { name }"]);
    assert_eq!(ran.status, 1);
    assert_eq!(ran.out, "no rows\n");
    assert_eq!(
        ran.err,
        "error[unknown_field]: Good has no field `nam`
  --> line 2, column 12
  |
2 | Good where nam = 1 { name }
  |            ^^^
  did you mean `name`?
"
    );
    // A syntax error anywhere keeps everything from running.
    let ran = bench.run(&["query", "shop.ormdb", "create Maker { id: 1, name: \"x\" }; Maker {"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("syntax_error"), "{}", ran.err);
    assert_eq!(bench.json("Maker"), json!([]));

    for (query, code) in [
        ("create Good { name: \"x\", price: -1 }", "check_violation"),
        ("create Good { name: \"x\", price: 1, makerId: 9 }", "foreign_key_violation"),
        ("create Good { name: \"x\" }", "not_null_violation"),
        ("create Good { name: \"a name that is far too long\", price: 1 }", "string_too_long"),
        ("update Maker[7] set { name: \"x\" }", "record_not_found"),
        ("watch Maker", "unsupported_feature"),
    ] {
        let err = bench.fails(1, &["query", "shop.ormdb", query]);
        assert!(err.starts_with(&format!("error[{code}]")), "{query}: {err}");
    }
    assert!(bench.fails(1, &["query", "nowhere.ormdb", "A"]).contains("no database at nowhere.ormdb"));
    assert!(!bench.path("nowhere.ormdb").exists());
    std::fs::create_dir(bench.path("photos")).unwrap();
    for command in [&["query", "photos", "A"][..], &["schema", "show", "photos"], &["check", "photos"]] {
        assert!(bench.fails(1, command).contains("no database at photos"), "{command:?}");
    }
    assert_eq!(bench.path("photos").read_dir().unwrap().count(), 0);
    bench.fails(5, &["query", "ormdb://127.0.0.1:1", "A"]);
    bench.fails(1, &["query", "http://127.0.0.1:1", "A"]);
    bench.fails(2, &["query"]);
    bench.fails(2, &["qery"]);
}
