//! Foreign keys and every referential action.

use ormdb_proto::ErrorCode;

use super::bench::Bench;

fn pair(actions: &str, optional: bool) -> Bench {
    let (mark, default) = if optional { ("?", "") } else { ("", "@default(0)") };
    Bench::new(&format!(
        r#"
        entity P {{
          id  int64 @id
          cs  C[]
        }}
        entity C {{
          id   int64      @id
          pId  int64{mark} {default}
          p    P{mark}    @relation(pId -> P.id, {actions})
        }}
        "#
    ))
}

#[test]
fn a_reference_needs_its_target() {
    let bench = pair("onDelete: restrict", true);
    let (code, message) = bench.refusal("create C { id: 1, pId: 5 }");
    assert_eq!(code, ErrorCode::ForeignKeyViolation);
    assert_eq!(message, "C.pId refers to a P with id = 5, which does not exist");
    bench.ok("create C { id: 1 }");
    bench.ok("create P { id: 5 }");
    bench.ok("update C[1] set { pId: 5 }");
    assert_eq!(bench.refusal("update C[1] set { pId: 6 }").0, ErrorCode::ForeignKeyViolation);
    let error = bench.fails("delete P[5]");
    assert_eq!(
        error.message,
        "the P with id = 5 cannot go or change its key: C (id = 1) refers to it by pId"
    );
    assert!(error.detail.constraint.is_some());
    bench.ok("delete C[1]");
    bench.ok("delete P[5]");
    bench.audit();
}

#[test]
fn every_action_on_delete() {
    for (action, optional, want) in [
        ("cascade", true, Ok(vec![])),
        ("setNull", true, Ok(vec!["1 null", "2 null"])),
        ("setDefault", false, Ok(vec!["1 0", "2 0"])),
        ("restrict", true, Err(ErrorCode::ForeignKeyViolation)),
        ("noAction", true, Err(ErrorCode::ForeignKeyViolation)),
        ("setNull", false, Err(ErrorCode::NotNullViolation)),
    ] {
        if action == "setNull" && !optional {
            continue;
        }
        let bench = pair(&format!("onDelete: {action}"), optional);
        bench.ok("create P [{ id: 0 }, { id: 1 }]");
        bench.ok("create C [{ id: 1, pId: 1 }, { id: 2, pId: 1 }]");
        let done = bench.run("delete P[1]");
        match want {
            Ok(rows) => {
                done.unwrap();
                assert_eq!(bench.rows("C"), rows, "{action}");
                assert_eq!(bench.rows("P"), ["0"], "{action}");
            }
            Err(code) => {
                assert_eq!(done.unwrap_err().code, code, "{action}");
                assert_eq!(bench.rows("P").len(), 2, "{action}");
            }
        }
        bench.audit();
    }
}

#[test]
fn every_action_on_update() {
    for (action, optional, want) in [
        ("cascade", true, Ok(vec!["1 9", "2 9"])),
        ("setNull", true, Ok(vec!["1 null", "2 null"])),
        ("setDefault", false, Ok(vec!["1 0", "2 0"])),
        ("restrict", true, Err(ErrorCode::ForeignKeyViolation)),
        ("noAction", true, Err(ErrorCode::ForeignKeyViolation)),
    ] {
        let bench = pair(&format!("onUpdate: {action}"), optional);
        bench.ok("create P [{ id: 0 }, { id: 1 }]");
        bench.ok("create C [{ id: 1, pId: 1 }, { id: 2, pId: 1 }]");
        let done = bench.run("update P[1] set { id: 9 }");
        match want {
            Ok(rows) => {
                done.unwrap();
                assert_eq!(bench.rows("C"), rows, "{action}");
                assert_eq!(bench.rows("P"), ["0", "9"], "{action}");
            }
            Err(code) => assert_eq!(done.unwrap_err().code, code, "{action}"),
        }
        bench.audit();
    }
}

const TREE: &str = r#"
entity Node {
  id        int64   @id
  parentId  int64?
  parent    Node?   @relation(parentId -> Node.id, onDelete: cascade, onUpdate: cascade)
  children  Node[]  @relation(inverse: parent)
}
"#;

#[test]
fn a_chain_of_thousands_cascades() {
    let bench = Bench::new(TREE);
    const LENGTH: usize = 5_000;
    let rows: Vec<String> = (0..LENGTH)
        .map(|n| if n == 0 { "{ id: 0 }".to_owned() } else { format!("{{ id: {n}, parentId: {} }}", n - 1) })
        .collect();
    bench.ok(&format!("create Node [{}]", rows.join(", ")));
    let written = bench.ok("delete Node[0]");
    assert_eq!(written.deleted, u64::try_from(LENGTH).unwrap());
    assert_eq!(bench.rows("Node").len(), 0);
    bench.audit();
}

#[test]
fn cycles_and_self_references_end() {
    let bench = Bench::new(TREE);
    bench.ok("create Node [{ id: 1, parentId: 1 }, { id: 2, parentId: 3 }, { id: 3, parentId: 2 }]");
    bench.ok("update Node[1] set { id: 11 }");
    bench.ok("update Node[2] set { id: 12 }");
    assert_eq!(bench.rows("Node"), ["3 12", "11 11", "12 3"]);
    bench.ok("delete Node[12]");
    bench.ok("delete Node[11]");
    assert_eq!(bench.rows("Node").len(), 0);
    bench.audit();
}

#[test]
fn rows_of_one_statement_do_not_stand_in_each_others_way() {
    for action in ["restrict", "noAction"] {
        let bench =
            Bench::new(&TREE.replace("onDelete: cascade, onUpdate: cascade", &format!("onDelete: {action}")));
        bench.ok("create Node [{ id: 2, parentId: 1 }, { id: 1 }, { id: 3, parentId: 2 }]");
        assert_eq!(bench.refusal("delete Node where id < 3").0, ErrorCode::ForeignKeyViolation);
        bench.ok("delete Node");
        assert_eq!(bench.refusal("create Node [{ id: 2, parentId: 1 }]").0, ErrorCode::ForeignKeyViolation);
        bench.audit();
    }
}

/// A statement remembers the targets that it found; those that it took back since are not there any more.
#[test]
fn what_was_taken_back_is_not_referred_to() {
    let bench = Bench::new(
        r#"
        entity Node {
          id    int64  @id
          code  int32  @unique
          upId  int64?
          up    Node?  @relation("tree", upId -> Node.id)
          downs Node[] @relation("tree")
        }
        "#,
    );
    let taken = "{ id: 7, code: 7, downs: create [{ id: 8, code: 8 }, { id: 9, code: 8 }] }";
    let refusal =
        bench.refusal(&format!("create Node [{taken}, {{ id: 10, code: 10, upId: 7 }}] skip duplicates"));
    assert_eq!(refusal.0, ErrorCode::ForeignKeyViolation);
    bench.ok(&format!(
        "create Node [{taken}, {{ id: 10, code: 10 }}, {{ id: 11, code: 11, upId: 10 }}] skip duplicates"
    ));
    assert_eq!(bench.rows("Node").len(), 2);
    bench.audit();
}

#[test]
fn no_action_waits_for_the_end_of_the_statement() {
    // Both paths lead from A to C: the cascade over B removes what `no action` would stumble over.
    let schema = |action: &str| {
        format!(
            r#"
            entity A {{
              id int64 @id
              bs B[]
              cs C[]
            }}
            entity C {{
              id  int64 @id
              aId int64
              a   A @relation(aId -> A.id, onDelete: {action})
              bId int64
              b   B @relation(bId -> B.id, onDelete: cascade)
            }}
            entity B {{
              id  int64 @id
              aId int64
              a   A @relation(aId -> A.id, onDelete: cascade)
              cs  C[]
            }}
            "#
        )
    };
    let fill = |bench: &Bench| {
        bench.ok("create A { id: 1 }");
        bench.ok("create B { id: 1, aId: 1 }");
        bench.ok("create C { id: 1, aId: 1, bId: 1 }");
    };
    let patient = Bench::new(&schema("noAction"));
    fill(&patient);
    patient.ok("delete A[1]");
    assert!(patient.rows("C").is_empty());
    patient.audit();
    let strict = Bench::new(&schema("restrict"));
    fill(&strict);
    assert_eq!(strict.refusal("delete A[1]").0, ErrorCode::ForeignKeyViolation);
    strict.audit();
}

#[test]
fn composite_keys_and_other_unique_keys_are_referred_to() {
    let bench = Bench::new(
        r#"
        entity Region {
          country  string
          code     int32
          name     string?  @unique
          cities   City[]
          mottos   Motto[]
          @@id(country, code)
        }
        entity City {
          id       int64   @id
          code     int64?
          country  string?
          region   Region? @relation((code, country) -> Region.(code, country), onDelete: setNull, onUpdate: cascade)
        }
        entity Motto {
          id      int64  @id
          name    string
          region  Region @relation(name -> Region.name, onDelete: cascade, onUpdate: cascade)
        }
        "#,
    );
    bench.ok(r#"create Region { country: "at", code: 1, name: "w" }"#);
    bench.ok(r#"create City [{ id: 1, country: "at", code: 1 }, { id: 2, country: "at" }]"#);
    bench.ok(r#"create Motto { id: 1, name: "w" }"#);
    assert_eq!(
        bench.refusal(r#"create City { id: 3, country: "at", code: 2 }"#).0,
        ErrorCode::ForeignKeyViolation
    );
    bench.ok(r#"update Region[country: "at", code: 1] set { country: "ch", name: "v" }"#);
    assert_eq!(bench.rows("City"), ["1 1 ch", "2 null at"]);
    assert_eq!(bench.rows("Motto"), ["1 v"]);
    bench.audit();
    bench.ok("delete Region");
    assert_eq!(bench.rows("City"), ["1 null null", "2 null at"]);
    assert!(bench.rows("Motto").is_empty());
    bench.audit();
}

/// Targets of many rows are looked up together: those that were there, those that the statement creates before and behind, and
/// more than are gathered at once.
#[test]
fn rows_created_together_find_their_targets() {
    let bench = pair("onDelete: restrict", true);
    bench.ok("create P [{ id: 1 }, { id: 2 }]");
    bench.ok("create C [{ id: 1, pId: 2 }, { id: 2 }, { id: 3, pId: 1 }, { id: 4, pId: 2 }]");
    let (code, message) = bench.refusal("create C [{ id: 5, pId: 1 }, { id: 6, pId: 9 }, { id: 7, pId: 2 }]");
    assert_eq!(code, ErrorCode::ForeignKeyViolation);
    assert_eq!(message, "C.pId refers to a P with id = 9, which does not exist");
    assert_eq!(bench.rows("C"), ["1 2", "2 null", "3 1", "4 2"]);
    bench.audit();

    let bench = Bench::new(TREE);
    const LENGTH: usize = 5_000;
    let forwards = |last: usize| {
        let row = |n| format!("{{ id: {n}, parentId: {} }}", if n + 1 == LENGTH { last } else { n + 1 });
        format!("create Node [{}]", (0..LENGTH).map(row).collect::<Vec<_>>().join(", "))
    };
    assert_eq!(bench.refusal(&forwards(LENGTH)).0, ErrorCode::ForeignKeyViolation);
    bench.ok(&forwards(LENGTH - 1));
    assert_eq!(bench.rows("Node").len(), LENGTH);
}
