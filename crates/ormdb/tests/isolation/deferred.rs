//! Foreign keys that are looked at at the commit.

use super::*;

const DEFERRABLE: &str = r#"
entity Node {
  id      int64   @id
  nextId  int64?
  next    Node?   @relation(nextId -> Node.id, deferrable: initiallyDeferred)
  prev    Node[]  @relation(inverse: next)
}
entity Owner {
  id      int64   @id
  things  Thing[]
}
entity Thing {
  id       int64   @id
  ownerId  int64
  owner    Owner   @relation(ownerId -> Owner.id, deferrable: initiallyImmediate)
}
entity Fixed {
  id      int64   @id
  nodeId  int64
  node    Node    @relation(nodeId -> Node.id)
}
"#;

fn deferrable() -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("deferred.ormdb", options).unwrap();
    // `Fixed` needs its other side.
    let schema =
        DEFERRABLE.replace("@relation(inverse: next)\n", "@relation(inverse: next)\n  fixed   Fixed[]\n");
    database.apply_schema(&schema).unwrap();
    database
}

fn runs(transaction: &mut Transaction, texts: &[&str]) {
    for text in texts {
        transaction.query(text, &Params::none()).map_err(|error| format!("{text}: {error}")).unwrap();
    }
}

fn count(database: &Database, entity: &str) -> usize {
    database.session().fetch(&format!("{entity} {{ id }}"), &Params::none()).unwrap().len()
}

#[test]
fn rows_may_refer_to_what_comes_before_the_commit() {
    for level in Isolation::ALL {
        let database = deferrable();
        let mut transaction = begin(&database, level);
        // A circle, in separate statements.
        runs(&mut transaction, &["create Node { id: 1, nextId: 2 }", "create Node { id: 2, nextId: 1 }"]);
        commit(transaction).unwrap();
        // A target that goes, and one that comes in its place.
        let mut transaction = begin(&database, level);
        runs(&mut transaction, &["delete Node[2]", "create Node { id: 2, nextId: 1 }"]);
        commit(transaction).unwrap();
        // Each statement of its own ends with its commit.
        let error =
            database.session().query("create Node { id: 3, nextId: 9 }", &Params::none()).unwrap_err();
        assert_eq!(error.code, ErrorCode::ForeignKeyViolation);
        assert_eq!(count(&database, "Node"), 2);
        assert_eq!(database.check(10).unwrap().findings_total, 0);
    }
}

#[test]
fn a_commit_that_leaves_something_out_is_refused() {
    for level in Isolation::ALL {
        let database = deferrable();
        database.session().query("create Node [{ id: 1 }, { id: 2, nextId: 1 }]", &Params::none()).unwrap();
        for (texts, told) in [
            (vec!["create Node { id: 5, nextId: 9 }"], "Node (id = 5): "),
            // The row has another key by then.
            (vec!["create Node { id: 5, nextId: 9 }", "update Node[5] set { id: 6 }"], "Node (id = 6): "),
            (vec!["delete Node[1]"], "Node (id = 2) refers to it by nextId"),
            (vec!["update Node[1] set { id: 7 }"], "Node (id = 2) refers to it by nextId"),
        ] {
            let mut transaction = begin(&database, level);
            runs(&mut transaction, &texts);
            let error = transaction.commit().unwrap_err();
            assert_eq!((error.code, error.code.sqlstate()), (ErrorCode::ForeignKeyViolation, "23503"));
            assert!(error.message.contains(told), "{error}");
            assert_eq!(error.detail.constraint.as_deref(), Some("Node_next_fkey"));
            assert!(!transaction.is_open());
        }
        // What holds by then is not asked where it came from.
        let mut transaction = begin(&database, level);
        runs(
            &mut transaction,
            &[
                "create Node { id: 5, nextId: 9 }",
                "delete Node[1]",
                "delete Node[5]",
                "update Node[2] set { nextId: null }",
            ],
        );
        commit(transaction).unwrap();
        assert_eq!(count(&database, "Node"), 1);
        assert_eq!(database.check(10).unwrap().findings_total, 0);
    }
}

#[test]
fn a_transaction_says_when() {
    let database = deferrable();
    let mut transaction = begin(&database, Isolation::ReadCommitted);
    let dangling = "create Thing { id: 1, ownerId: 1 }";
    assert_eq!(run(&mut transaction, dangling).map(drop), Err(ErrorCode::ForeignKeyViolation));
    runs(&mut transaction, &["set constraints Thing_owner_fkey deferred", dangling]);
    // What is to hold at once from now on has to hold now.
    for text in
        ["set constraints all immediate", "set constraints Node_next_fkey, Thing_owner_fkey immediate"]
    {
        let error = transaction.query(text, &Params::none()).unwrap_err();
        assert_eq!(error.code, ErrorCode::ForeignKeyViolation);
        assert!(error.message.starts_with("Thing (id = 1): "), "{error}");
    }
    // The one that failed set nothing.
    runs(
        &mut transaction,
        &["create Thing { id: 2, ownerId: 1 }", "set constraints Node_next_fkey immediate"],
    );
    assert_eq!(
        run(&mut transaction, "create Node { id: 1, nextId: 5 }").map(drop),
        Err(ErrorCode::ForeignKeyViolation)
    );
    runs(
        &mut transaction,
        &["create Owner { id: 1 }", "set constraints all immediate", "set constraints all deferred"],
    );
    runs(&mut transaction, &["create Node { id: 1, nextId: 1 }", "create Thing { id: 3, ownerId: 1 }"]);
    commit(transaction).unwrap();
    let mut transaction = begin(&database, Isolation::Snapshot);
    for (text, code) in [
        ("set constraints Fixed_node_fkey deferred", ErrorCode::InvalidQuery),
        ("set constraints Thing_owner_key deferred", ErrorCode::UnknownName),
    ] {
        assert_eq!(run(&mut transaction, text).map(drop), Err(code), "{text}");
    }
    // One that is not deferrable is not deferred by `all`.
    runs(&mut transaction, &["set constraints all deferred"]);
    assert_eq!(
        run(&mut transaction, "create Fixed { id: 1, nodeId: 7 }").map(drop),
        Err(ErrorCode::ForeignKeyViolation)
    );
}

/// A rollback to a savepoint takes back what waited behind it, and what made it hold.
#[test]
fn savepoints_divide_what_waits() {
    let database = deferrable();
    let mut transaction = begin(&database, Isolation::ReadCommitted);
    runs(&mut transaction, &["savepoint a", "create Node { id: 1, nextId: 2 }", "rollback to a"]);
    runs(&mut transaction, &["create Node { id: 1, nextId: 3 }", "savepoint b", "create Node { id: 3 }"]);
    runs(&mut transaction, &["set constraints all immediate", "rollback to b"]);
    // The time that was set is taken back as well, and the row is looked at again.
    runs(&mut transaction, &["create Node { id: 4, nextId: 8 }"]);
    assert_eq!(transaction.commit().unwrap_err().code, ErrorCode::ForeignKeyViolation);
    assert_eq!(count(&database, "Node"), 0);
}

/// The target that is waited for may come from another transaction, and may not go before the commit.
#[test]
fn who_commits_looks_at_the_newest() {
    for level in Isolation::ALL {
        let database = deferrable();
        database.session().query("create Node { id: 1 }", &Params::none()).unwrap();
        let mut first = begin(&database, level);
        runs(&mut first, &["create Node { id: 2, nextId: 9 }"]);
        database.session().query("create Node { id: 9 }", &Params::none()).unwrap();
        let expected =
            if level == Isolation::ReadCommitted { Ok(()) } else { Err(ErrorCode::ForeignKeyViolation) };
        assert_eq!(commit(first), expected, "{level}");
        let mut first = begin(&database, level);
        runs(&mut first, &["create Node { id: 3, nextId: 1 }"]);
        let mut second = begin_impatient(&database, level);
        assert_eq!(run(&mut second, "delete Node[1]").map(drop), Err(ErrorCode::LockNotAvailable), "{level}");
        commit(first).unwrap();
        assert_eq!(database.check(10).unwrap().findings_total, 0);
    }
}

/// The catalog keeps it, and a changed text changes it at once.
#[test]
fn the_schema_says_when() {
    let dir = tempfile::tempdir().unwrap();
    let text = "entity Node {\n  id      int64   @id\n  nextId  int64?\n  next    Node?   @relation(nextId -> Node.id, deferrable: initiallyDeferred)\n  prev    Node[]  @relation(inverse: next)\n}\n";
    let dangling = "create Node { id: 1, nextId: 2 }";
    {
        let database = Database::open(dir.path().join("db")).unwrap();
        database.apply_schema(text).unwrap();
    }
    let database = Database::open(dir.path().join("db")).unwrap();
    runs(&mut begin(&database, Isolation::Snapshot), &[dangling]);
    let applied = database.apply_schema(&text.replace(", deferrable: initiallyDeferred", "")).unwrap();
    let changes: Vec<String> = applied.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].contains("change when foreign key `Node_next_fkey` is looked at"), "{changes:?}");
    let refused = run(&mut begin(&database, Isolation::Snapshot), dangling).map(drop);
    assert_eq!(refused, Err(ErrorCode::ForeignKeyViolation));
    assert_eq!(ormdb::text::format_schema(text).unwrap(), text);
    for wrong in ["deferrable: yes", "deferrable: initiallyDeferred, deferrable: initiallyDeferred"] {
        database.apply_schema(&text.replace("deferrable: initiallyDeferred", wrong)).unwrap_err();
    }
}

/// Edges of a relation, whose far side is looked at at the commit and whose near side is followed.
const EDGES: &str = r#"
entity User {
  id     int64   @id
  likes  Like[]
  liked  Post[]  @through(Like)
}
entity Post {
  id       int64   @id
  likes    Like[]
  likedBy  User[]  @through(Like)
}
entity Like {
  userId  int64
  postId  int64
  user    User   @relation(userId -> User.id, onUpdate: cascade)
  post    Post   @relation(postId -> Post.id, deferrable: initiallyDeferred)
  @@id(userId, postId)
}
"#;

fn edges() -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("edges.ormdb", options).unwrap();
    database.apply_schema(EDGES).unwrap();
    database
}

/// Edges whose row is still to come lead nowhere, and do not count.
#[test]
fn edges_to_rows_that_are_not_there_yet_do_not_count() {
    let database = edges();
    let mut transaction = begin(&database, Isolation::Snapshot);
    runs(&mut transaction, &["create User { id: 1 }", "create Like { userId: 1, postId: 9 }"]);
    let mut rows = |text: &str| match transaction.query(text, &Params::none()).unwrap() {
        Outcome::Fetched(graph) => graph.to_json().unwrap(),
        other => panic!("{text} gave {other:?}"),
    };
    assert_eq!(rows("User { n: count(liked), liked { id } }"), r#"[{"n":0,"liked":[]}]"#);
    for (condition, holds) in [("liked some", false), ("liked none", true), ("count(liked) = 0", true)] {
        let expected = if holds { r#"[{"id":1}]"# } else { "[]" };
        assert_eq!(rows(&format!("User where {condition} {{ id }}")), expected, "{condition}");
        assert_eq!(rows(&format!("User where id = 1 and {condition} {{ id }}")), expected, "{condition}");
    }
}

/// A check that waits follows its row to another key, in whichever statement the row moves.
#[test]
fn what_waits_follows_its_row() {
    for moves in [
        &["update User[1] set { id: 2 }"][..],
        &["update User[1] set { id: 2 }", "update User[2] set { id: 3 }"],
        &[
            "update Like[userId: 1, postId: 9] set { userId: 5 }",
            "savepoint s",
            "update User[5] set { id: 6 }",
        ],
        &["savepoint s", "update User[1] set { id: 2 }", "rollback to s"],
    ] {
        let database = edges();
        let mut transaction = begin(&database, Isolation::ReadCommitted);
        let dangling = ["create User [{ id: 1 }, { id: 5 }]", "create Like { userId: 1, postId: 9 }"];
        runs(&mut transaction, &dangling);
        runs(&mut transaction, moves);
        assert_eq!(transaction.commit().unwrap_err().code, ErrorCode::ForeignKeyViolation, "{moves:?}");
        let mut transaction = begin(&database, Isolation::ReadCommitted);
        runs(&mut transaction, &dangling);
        runs(&mut transaction, moves);
        runs(&mut transaction, &["create Post { id: 9 }"]);
        commit(transaction).unwrap();
        assert_eq!(database.check(10).unwrap().findings_total, 0);
    }
}
