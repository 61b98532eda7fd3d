//! `ormdb init`.

use super::bench::Bench;

#[test]
fn a_project_starts_from_the_example() {
    let bench = Bench::new();
    let out = bench.ok(&["init", "blog"]);
    assert!(out.contains("ormdb schema apply blog/data.ormdb blog/schema.ormdb"), "{out}");
    bench.ok(&["schema", "apply", "blog/data.ormdb", "blog/schema.ormdb"]);
    let query = "create User { email: \"a@b.c\", name: \"Ann\", posts: create { title: \"Hello\", body: \"\" } } return { posts { title } }";
    assert!(bench.ok(&["query", "blog/data.ormdb", query]).contains("title: Hello"));
    assert!(bench.fails(1, &["init", "blog"]).contains("is there already"));
}

#[test]
fn a_project_is_inferred_from_files_and_they_can_be_imported() {
    let bench = Bench::new();
    bench.write("Maker.csv", "id,name\n1,Ada\n2,Bo\n");
    bench.write("Good.csv", "id,name,price,maker_id\n1,nut,0.50,1\n2,bolt,12,\n");
    let out = bench.ok(&["init", "shop", "--from", "Maker.csv", "Good.csv"]);
    assert!(out.contains("Good.csv: 2 rows, 4 columns as entity Good"), "{out}");
    bench.ok(&["schema", "apply", "shop/data.ormdb", "shop/schema.ormdb"]);
    bench.ok(&["import", "shop/data.ormdb", "Maker.csv", "Good.csv"]);
    let out = bench.ok(&["query", "shop/data.ormdb", "Maker order by id { name, goods { name, price } }"]);
    assert_eq!(out, "name: Ada\n└─ goods  name: nut, price: 0.50\nname: Bo\n2 rows\n");

    bench.write("bad.csv", "a b,c\n1,2\n");
    assert!(bench.fails(1, &["init", "other", "--from", "bad.csv"]).contains("no name of a field"));
    bench.fails(5, &["init", "other", "--from", "missing.csv"]);
    assert!(!bench.path("other").exists());
}

#[test]
fn files_are_imported_under_the_names_that_were_inferred() {
    let bench = Bench::new();
    bench.write("Book-s.csv", "id,name\n1,\n2,\"\"\n3,x\n");
    let out = bench.ok(&["init", "shop", "--from", "Book-s.csv"]);
    assert!(out.contains("as entity Book_s"), "{out}");
    bench.ok(&["schema", "apply", "shop/data.ormdb", "shop/schema.ormdb"]);
    let out = bench.ok(&["import", "shop/data.ormdb", "Book-s.csv"]);
    assert!(out.contains("3 rows imported into Book_s"), "{out}");
    let err = bench.fails(1, &["import", "shop/data.ormdb", "Book-t.csv"]);
    assert!(err.contains("no entity is named `Book-t`"), "{err}");
}

#[test]
fn files_that_say_no_schema_are_told() {
    let bench = Bench::new();
    for (text, told) in [
        ("", "bad.csv: the file is empty"),
        ("\n\n", "bad.csv: the file is empty"),
        ("id,name,id\n1,a,2\n", "bad.csv: line 1, column 3: another column is called `id` too"),
        ("id,name\n1,a,2\n", "bad.csv: line 2: the row has 3 values, the first line 2"),
        ("id,name\n1,\"a\n", "bad.csv: line 2: a quote that opens is not closed"),
    ] {
        bench.write("bad.csv", text);
        let err = bench.fails(1, &["init", "shop", "--from", "bad.csv"]);
        assert!(err.contains(told), "{text:?}: {err}");
    }
    assert!(!bench.path("shop").exists());
}
