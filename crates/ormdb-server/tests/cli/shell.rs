//! `ormdb shell`, fed from a pipe.

use super::bench::Bench;

#[test]
fn statements_go_on_until_their_brackets_are_closed() {
    let bench = Bench::shop();
    let input = "create Maker {\n  id: 1,\n  name: \"}\"\n}\nMaker { name }\n\\json\nMaker { id,\n name }\n\\schema Colour\n\\schema Maker\n\\help\n\\timing\nMaker\n\\explain Maker[1]\n\\quit\nnever read";
    let ran = bench.run_with(&["shell", "shop.ormdb"], input);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    for part in [
        "1 row created\n┌──────┐\n│ name │",
        "\"id\": 1,",
        "enum Colour { red, green, blue }",
        "entity Maker {\n  id     int64   @id\n",
        "\\explain QUERY",
        "timing is on",
        "time: ",
        "fetch Maker",
    ] {
        assert!(ran.out.contains(part), "{part} is not in {}", ran.out);
    }
}

#[test]
fn an_error_ends_what_comes_from_a_pipe() {
    let bench = Bench::shop();
    let ran = bench.run_with(&["shell", "shop.ormdb"], "Maker\nMaker { nme }\nMaker\n");
    assert_eq!(ran.status, 1);
    assert_eq!(ran.out, "no rows\n");
    assert!(ran.err.contains("did you mean `name`?"), "{}", ran.err);
    for (input, told) in [
        ("\\schma", "did you mean `\\schema`?"),
        ("Maker {", "syntax_error"),
        ("\\schema Nobody", "no entity is named"),
    ] {
        let ran = bench.run_with(&["shell", "shop.ormdb"], input);
        assert!(ran.status == 1 && ran.err.contains(told), "{input}: {ran:?}");
    }
}

#[test]
fn statements_between_begin_and_commit_are_one_transaction() {
    let bench = Bench::shop();
    let input = "begin isolation read_committed\ncreate Maker { id: 1, name: \"a\" }\nsavepoint s\ndelete Maker\nMaker\nrollback to s\nrelease s\nMaker\ncommit\nbegin\ndelete Maker\nrollback\nbegin read only\nMaker { name }\n";
    let ran = bench.run_with(&["shell", "shop.ormdb"], input);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.contains("committed as "), "{}", ran.out);
    assert_eq!(bench.json("Maker { name }"), serde_json::json!([{ "name": "a" }]));
    // What is not committed is gone.
    bench.ok(&["query", "shop.ormdb", "begin; delete Maker"]);
    let failed = bench.fails(1, &["query", "shop.ormdb", "begin; delete Maker; Maker { nme }; commit"]);
    assert!(failed.contains("did you mean `name`?"), "{failed}");
    assert!(bench.fails(1, &["query", "shop.ormdb", "commit"]).contains("`begin` opens one"));
    assert!(
        bench.fails(1, &["query", "shop.ormdb", "begin read only; delete Maker"]).contains("[read_only]")
    );
    assert_eq!(bench.json("Maker { name }"), serde_json::json!([{ "name": "a" }]));
}
