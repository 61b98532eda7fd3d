//! The same commands through a server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use super::bench::{Bench, SHOP};

/// A running `ormdb serve` over `shop.ormdb`.
struct Served {
    child: Child,
    urls: Vec<String>,
}

impl Served {
    fn start(bench: &Bench) -> Served {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ormdb"))
            .args(["serve", "shop.ormdb", "--listen", "127.0.0.1:0", "--unix", "socket"])
            .current_dir(bench.path("."))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let urls = line.trim_end().strip_prefix("listening on ").unwrap().split(" and ");
        Served { child, urls: urls.map(str::to_owned).collect() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn every_command_works_through_a_server() {
    let bench = Bench::new();
    let served = Served::start(&bench);
    let url = served.urls[0].as_str();
    bench.write("schema.ormdb", SHOP);
    let applied = bench.ok(&["schema", "apply", url]);
    assert!(applied.contains("version 1"), "{applied}");
    assert_eq!(bench.ok(&["schema", "show", url]), SHOP);
    assert_eq!(bench.ok(&["schema", "check", "--against", url]), "nothing would change\n");
    bench.write("bad.ormdb", "entity A {\n  x  strin\n}\n");
    assert!(bench.fails(1, &["schema", "apply", url, "bad.ormdb"]).contains("did you mean `string`?"));

    let rows: String = (0..1500).map(|n| format!("{n},maker {n}\n")).collect();
    bench.write("Maker.csv", &format!("id,name\n{rows}"));
    bench.ok(&["import", url, "Maker.csv"]);
    assert_eq!(bench.ok(&["export", url, "Maker", "--format", "csv"]), bench.read("Maker.csv"));
    bench.write("Maker.csv", "id,name\n2000,maker 1\n");
    let err = bench.fails(1, &["import", url, "Maker.csv"]);
    assert!(err.contains("line 2") && err.contains("[unique_violation]"), "{err}");

    // One transaction of several statements.
    let text = "begin isolation snapshot; delete Maker where id = 3; savepoint s; delete Maker; rollback to s; commit; \
                Maker where id < 5 order by id for update skip locked { id }";
    assert!(bench.ok(&["query", url, text]).contains("committed as "));
    let out =
        bench.ok(&["query", url, "begin; delete Maker; rollback; Maker where id < 5 order by id { id }"]);
    assert!(out.ends_with("4 rows\n"), "{out}");
    assert!(bench.fails(1, &["query", url, "rollback"]).contains("`begin` opens one"));

    // The Unix socket by its URL, and by its path alone.
    for target in [served.urls[1].as_str(), "socket"] {
        let out = bench.ok(&["query", target, "Maker where id < 2 order by id { name }"]);
        assert!(out.contains("│ maker 0 │") && out.ends_with("2 rows\n"), "{out}");
    }
    let plan = bench.ok(&["query", url, "explain analyze Maker[7] { name }"]);
    assert!(plan.contains("fetch Maker") && plan.contains("actual rows: 1"), "{plan}");
    let err = bench.fails(1, &["query", url, "Maker[7];\nMaker { nme }"]);
    assert!(err.contains("line 2, column 9") && err.contains("did you mean `name`?"), "{err}");

    let ran = bench
        .run_with(&["shell", url], "create Good { name: \"nut\", price: 1 }\n\\schema Good\nGood { name }\n");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.out.contains("1 row created") && ran.out.contains("entity Good {"), "{}", ran.out);

    // One process has a database open; the others are told what to do.
    let err = bench.fails(5, &["query", "shop.ormdb", "Maker"]);
    assert!(err.contains("error[database_locked]") && err.contains("ormdb serve"), "{err}");
}

#[test]
fn an_export_is_of_one_moment() {
    let bench = Bench::shop();
    let served = Served::start(&bench);
    let url = served.urls[0].as_str();
    let rows: String = (0..10_000).map(|n| format!("{n},the name of maker {n}\n")).collect();
    bench.write("Maker.csv", &format!("id,name\n{rows}"));
    bench.ok(&["import", url, "Maker.csv"]);
    let mut export = Command::new(env!("CARGO_BIN_EXE_ormdb"))
        .args(["export", url, "Maker", "--format", "csv"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe holds less than the rows: while nobody reads on, the export waits in the midst of them.
    let mut out = BufReader::new(export.stdout.take().unwrap());
    let mut exported = String::new();
    out.read_line(&mut exported).unwrap();
    bench.ok(&["query", url, "delete Maker[9999]; create Maker { id: 20000, name: \"late\" }"]);
    out.read_to_string(&mut exported).unwrap();
    assert!(export.wait().unwrap().success());
    assert!(exported == bench.read("Maker.csv"), "{}", exported.lines().last().unwrap_or_default());
}

/// People who are kept when they are deleted, with a name that is computed and stored.
const PEOPLE: &str = "\
entity Person {
  id         int64      @id
  email      string     @unique
  name       string
  key        string     = lower(name) @stored
  deletedAt  datetime?

  @@softDelete(deletedAt, retention: \"30 days\")
  @@index(key)
}
";

#[test]
fn deleted_rows_are_kept_and_computed_fields_stored_through_a_server() {
    let bench = Bench::new();
    let served = Served::start(&bench);
    let url = served.urls[0].as_str();
    bench.write("schema.ormdb", PEOPLE);
    bench.ok(&["schema", "apply", url]);
    assert_eq!(bench.ok(&["schema", "show", url]), PEOPLE);
    let json = |text: &str| {
        let out = bench.ok(&["query", url, "--format", "json", text]);
        out.split_whitespace().collect::<String>()
    };
    json("create Person [{ id: 1, email: \"a\", name: \"Ann\" }, { id: 2, email: \"b\", name: \"Bob\" }]");
    json("delete Person[1]");
    assert_eq!(json("Person { id, key }"), r#"[{"id":2,"key":"bob"}]"#);
    let all = json("Person with deleted where key in (\"ann\", \"bob\") order by key { key }");
    assert_eq!(all, r#"[{"key":"ann"},{"key":"bob"}]"#);
    let err = bench.fails(1, &["query", url, "Person[1] { nme }"]);
    assert!(err.contains("did you mean `name`?"), "{err}");
    let err = bench.fails(1, &["query", url, "update Person[1] set { name: \"x\" }"]);
    assert!(err.contains("`with deleted` shows it"), "{err}");

    // What is written is read back, deleted rows too, and what is computed is computed again.
    assert_eq!(bench.ok(&["export", url, "Person"]).lines().count(), 1);
    let rows = bench.ok(&["export", url, "Person", "--format", "csv", "--with-deleted"]);
    assert_eq!(rows.lines().count(), 3, "{rows}");
    bench.write("Person.csv", &format!("{rows}3,c,Cid,ignored,2020-01-01T00:00:00Z\n"));
    bench.ok(&["schema", "apply", "copy.ormdb"]);
    bench.ok(&["import", "copy.ormdb", "Person.csv"]);
    // The one whose time was over is gone behind the commits, or now.
    bench.ok(&["purge", "copy.ormdb"]);
    let copy = bench.ok(&["export", "copy.ormdb", "Person", "--format", "csv", "--with-deleted"]);
    assert_eq!(copy, rows);
    assert!(bench.ok(&["check", "copy.ormdb"]).contains("no damage"));

    json("update Person[1] with deleted set { deletedAt: null, name: \"Anna\" }");
    assert_eq!(json("Person where key = \"anna\" { id }"), r#"[{"id":1}]"#);
    json("delete permanently Person[2]");
    assert_eq!(json("Person with deleted { id }"), r#"[{"id":1}]"#);
}
