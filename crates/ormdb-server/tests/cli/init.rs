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
