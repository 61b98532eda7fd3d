//! Nested writes over forward, inverse and through relations.

use ormdb_proto::ErrorCode;

use super::bench::Bench;

const BLOG: &str = r#"
entity User {
  id       int64    @id @default(autoincrement())
  name     string   @unique
  posts    Post[]
  profile  Profile?
  liked    Post[]   @through(Like)
}
entity Profile {
  id      int64   @id @default(autoincrement())
  bio     string
  userId  int64?  @unique
  user    User?   @relation(userId -> User.id, onDelete: setNull)
}
entity Post {
  id        int64   @id @default(autoincrement())
  title     string  @unique
  authorId  int64?
  author    User?   @relation(authorId -> User.id, onDelete: cascade)
  tags      Tag[]
  likedBy   User[]  @through(Like)
}
entity Tag {
  id     int64   @id @default(autoincrement())
  name   string  @unique
  posts  Post[]
}
entity Like {
  userId  int64
  postId  int64
  weight  int32  @default(1)
  user    User   @relation(userId -> User.id, onDelete: cascade)
  post    Post   @relation(postId -> Post.id, onDelete: cascade)
  @@id(userId, postId)
}
"#;

fn blog() -> Bench {
    Bench::new(BLOG)
}

#[test]
fn a_graph_is_created_at_once() {
    let bench = blog();
    let written = bench.ok(r#"create User {
             name: "ann",
             profile: create { bio: "b" },
             posts: create [
               { title: "p", tags: (create [{ name: "x" }, { name: "y" }]) },
               { title: "q", tags: connectOrCreate [name: "x"] { } }
             ],
             liked: connect [title: "p"]
           }"#);
    assert_eq!(written.keys.len(), 1);
    assert_eq!(bench.rows("Post"), ["1 p 1", "2 q 1"]);
    assert_eq!(bench.rows("Tag"), ["1 x", "2 y"]);
    assert_eq!(bench.rows("Profile"), ["1 b 1"]);
    assert_eq!(bench.rows("Like"), ["1 1 1"]);
    bench.audit();
    bench.ok(r#"create Post { title: "r", author: connect [name: "ann"], likedBy: connect [1] }"#);
    bench.ok(r#"create Post { title: "s", author: create { name: "bob" } }"#);
    assert_eq!(bench.rows("Post"), ["1 p 1", "2 q 1", "3 r 1", "4 s 2"]);
    assert_eq!(bench.rows("Like"), ["1 1 1", "1 3 1"]);
    bench.audit();
}

#[test]
fn nested_creates_pass_over_rows_whose_key_is_taken() {
    let bench = blog();
    bench.ok(
        r#"create User { name: "ann", profile: create { id: 1, bio: "b" }, posts: create { title: "p" } }"#,
    );
    bench.ok(r#"create User { name: "bob" }"#);
    // What is taken stays where it is, with all that is nested in the row that would be created; the others are connected.
    let written = bench.ok(r#"update User[2] set { posts: create [
             { title: "q", tags: create { name: "x" } },
             { title: "p", tags: create { name: "y" } },
             { title: "q", tags: create { name: "z" } },
             { title: "r", tags: create [{ name: "x" }, { name: "w" }] skip duplicates }
           ] skip duplicates }"#);
    assert_eq!((written.created, written.keys.len()), (6, 1), "two posts, two tags, two edges");
    assert_eq!(bench.rows("Post"), ["1 p 1", "2 q 2", "5 r 2"]);
    let named = |row: String| row.split(' ').next_back().map(str::to_owned);
    let tags: Vec<_> = bench.rows("Tag").into_iter().filter_map(named).collect();
    assert_eq!(tags, ["x", "w"]);
    bench.audit();
    // Through an edge entity nothing is connected either, and a to-one relation keeps its row.
    bench.ok(r#"update User[2] set { liked: create [{ title: "p" }, { title: "s" }] skip duplicates }"#);
    assert_eq!(bench.rows("Like").len(), 1);
    bench.ok(r#"update User[2] set { profile: create { id: 2, bio: "of bob" } }"#);
    bench.ok(r#"update User[2] set { profile: create { id: 1, bio: "taken" } skip duplicates }"#);
    assert_eq!(bench.rows("Profile"), ["1 b 1", "2 of bob 2"]);
    bench.ok(r#"update User[2] set { profile: create { id: 3, bio: "new" } skip duplicates }"#);
    assert_eq!(bench.rows("Profile"), ["1 b 1", "2 of bob null", "3 new 2"]);
    bench.audit();
    let refused = bench.refusal(
        r#"update User[1] set { posts: create { title: "t", tags: create { name: "x" } } skip duplicates }"#,
    );
    assert_eq!(refused.0, ErrorCode::UniqueViolation, "a key of another entity is not passed over");
    let refused =
        bench.refusal(r#"create Post { title: "t", author: create { name: "ann" } skip duplicates }"#);
    assert_eq!(refused.0, ErrorCode::InvalidQuery);
    bench.audit();
}

#[test]
fn forward_relations_are_written() {
    let bench = blog();
    bench.ok(r#"create User [{ name: "a" }, { name: "b" }]"#);
    bench.ok(r#"create Post { title: "p", authorId: 1 }"#);
    bench.ok(r#"update Post[1] set { author: connect [name: "b"] }"#);
    assert_eq!(bench.rows("Post"), ["1 p 2"]);
    bench.ok(r#"update Post[1] set { author: update set { name: "bb" } }"#);
    assert_eq!(bench.rows("User"), ["1 a", "2 bb"]);
    bench.ok(r#"update Post[1] set { author: disconnect }"#);
    assert_eq!(bench.rows("Post"), ["1 p null"]);
    assert_eq!(
        bench.refusal(r#"update Post[1] set { author: update set { name: "x" } }"#),
        (ErrorCode::RecordNotFound, "Post.author leads to no User".to_owned())
    );
    bench.ok(r#"update Post[1] set { author: upsert create { name: "c" } update { name: "d" } }"#);
    assert_eq!(bench.rows("Post"), ["1 p 3"]);
    bench.ok(r#"update Post[1] set { author: upsert create { name: "e" } update { name: "d" } }"#);
    assert_eq!(bench.rows("User"), ["1 a", "2 bb", "3 d"]);
    bench.ok(r#"update Post[1] set { author: connectOrCreate [name: "f"] { } }"#);
    assert_eq!(bench.rows("Post"), ["1 p 4"]);
    // The post must outlive its author: its foreign key is emptied before the author goes.
    bench.ok(r#"update Post[1] set { author: delete }"#);
    assert_eq!(bench.rows("Post"), ["1 p null"]);
    assert_eq!(bench.rows("User"), ["1 a", "2 bb", "3 d"]);
    assert_eq!(
        bench.refusal(r#"create Post { title: "q", author: connect [99] }"#).0,
        ErrorCode::RecordNotFound
    );
    assert_eq!(
        bench.refusal(r#"create Post { title: "q", authorId: 1, author: connect [2] }"#).0,
        ErrorCode::InvalidQuery
    );
    bench.audit();
}

#[test]
fn inverse_relations_are_written() {
    let bench = blog();
    bench.ok(r#"create User [{ name: "a" }, { name: "b" }]"#);
    bench.ok(r#"create Post [{ title: "p" }, { title: "q", authorId: 2 }, { title: "r" }]"#);
    bench.ok(r#"update User[1] set { posts: (connect [1], [title: "q"], create { title: "s" }) }"#);
    assert_eq!(bench.rows("Post"), ["1 p 1", "2 q 1", "3 r null", "4 s 1"]);
    bench.ok(r#"update User[1] set { posts: disconnect [2] }"#);
    assert_eq!(bench.refusal(r#"update User[1] set { posts: disconnect [2] }"#).0, ErrorCode::RecordNotFound);
    bench.ok(r#"update User[1] set { posts: update where title < "r" set { title: title || "!" } }"#);
    assert_eq!(bench.rows("Post"), ["1 p! 1", "2 q null", "3 r null", "4 s 1"]);
    bench.ok(r#"update User[1] set { posts: set [3], [4] }"#);
    assert_eq!(bench.rows("Post"), ["1 p! null", "2 q null", "3 r 1", "4 s 1"]);
    bench.ok(r#"update User[1] set { posts: upsert [title: "t"] create { } update { title: "no" } }"#);
    bench.ok(r#"update User[1] set { posts: upsert [title: "t"] create { } update { title: "u" } }"#);
    assert_eq!(bench.rows("Post")[4], "5 u 1");
    bench.ok(r#"update User[1] set { posts: delete [3] }"#);
    bench.ok(r#"update User[1] set { posts: delete where title = "u" }"#);
    assert_eq!(bench.rows("Post"), ["1 p! null", "2 q null", "4 s 1"]);
    bench.ok(r#"update User[1] set { posts: set [] }"#);
    assert_eq!(bench.rows("Post"), ["1 p! null", "2 q null", "4 s null"]);
    bench.audit();
}

#[test]
fn a_one_to_one_relation_makes_room() {
    let bench = blog();
    bench.ok(r#"create User [{ name: "a", profile: create { bio: "x" } }, { name: "b" }]"#);
    bench.ok(r#"update User[1] set { profile: create { bio: "y" } }"#);
    assert_eq!(bench.rows("Profile"), ["1 x null", "2 y 1"]);
    bench.ok(r#"update User[2] set { profile: connect [2] }"#);
    assert_eq!(bench.rows("Profile"), ["1 x null", "2 y 2"]);
    bench.ok(r#"update User[2] set { profile: update set { bio: "z" } }"#);
    bench.ok(r#"update User[2] set { profile: upsert create { bio: "no" } update { bio: "w" } }"#);
    assert_eq!(bench.rows("Profile")[1], "2 w 2");
    bench.ok(r#"update User[2] set { profile: disconnect }"#);
    assert_eq!(
        bench.refusal(r#"update User[2] set { profile: delete }"#),
        (ErrorCode::RecordNotFound, "User.profile leads to no Profile".to_owned())
    );
    bench.ok(r#"update User[2] set { profile: connect [1] }"#);
    bench.ok(r#"update User[2] set { profile: delete }"#);
    assert_eq!(bench.rows("Profile"), ["2 w null"]);
    bench.audit();
}

#[test]
fn through_relations_are_written() {
    let bench = blog();
    bench.ok(r#"create Tag [{ name: "x" }, { name: "y" }, { name: "z" }]"#);
    bench.ok(r#"create Post { title: "p", tags: connect [1], [2] }"#);
    // Connecting twice is one edge.
    bench.ok(r#"update Post[1] set { tags: connect [2] }"#);
    let edges = |bench: &Bench| {
        let edge = bench.catalog.entities().iter().find(|e| e.implied).map(|e| e.name.clone()).unwrap();
        bench.rows(&edge)
    };
    assert_eq!(edges(&bench).len(), 2);
    bench.ok(r#"update Tag[name: "z"] set { posts: connect [1] }"#);
    assert_eq!(edges(&bench).len(), 3);
    bench.ok(r#"update Post[1] set { tags: (disconnect [1], create { name: "n" }) }"#);
    bench.ok(r#"update Post[1] set { tags: set [name: "x"], [name: "y"] }"#);
    assert_eq!(edges(&bench).len(), 2);
    assert_eq!(bench.refusal(r#"update Post[1] set { tags: disconnect [3] }"#).0, ErrorCode::RecordNotFound);
    bench.ok(r#"update Post[1] set { tags: update [1] set { name: "xx" } }"#);
    bench.ok(r#"update Post[1] set { tags: delete where name = "y" }"#);
    assert_eq!(bench.rows("Tag"), ["1 xx", "3 z", "4 n"]);
    assert_eq!(edges(&bench).len(), 1);
    bench.audit();
}

#[test]
fn an_edge_has_defaults_and_goes_with_its_ends() {
    let bench = blog();
    bench.ok(r#"create User { name: "a", liked: create [{ title: "p" }, { title: "q" }] }"#);
    assert_eq!(bench.rows("Like"), ["1 1 1", "1 2 1"]);
    bench.ok("delete Post[1]");
    assert_eq!(bench.rows("Like"), ["1 2 1"]);
    bench.ok("delete User[1]");
    assert!(bench.rows("Like").is_empty());
    bench.audit();
}

#[test]
fn a_failed_nested_write_takes_everything_back() {
    let bench = blog();
    bench.ok(r#"create Tag { name: "x" }"#);
    let text = r#"create User { name: "a", posts: create { title: "p", tags: create [{ name: "y" }, { name: "x" }] } }"#;
    let error = bench.fails(text);
    assert_eq!(error.code, ErrorCode::UniqueViolation);
    assert_eq!(error.detail.entity.as_deref(), Some("Tag"));
    assert!(bench.rows("User").is_empty());
    assert_eq!(bench.rows("Tag").len(), 1);
    bench.audit();
}

#[test]
fn nesting_has_a_limit() {
    let bench = Bench::new(
        r#"
        entity Node {
          id        int64   @id @default(autoincrement())
          parentId  int64?
          parent    Node?   @relation(parentId -> Node.id)
          children  Node[]  @relation(inverse: parent)
        }
        "#,
    );
    let nested = |depth: usize| {
        format!("create Node {}{}{}", "{ children: create ".repeat(depth), "{}", "}".repeat(depth))
    };
    bench.ok(&nested(20));
    assert_eq!(bench.refusal(&nested(40)).0, ErrorCode::LimitExceeded);
    bench.audit();
}

/// Children whose other references are looked up together.
#[test]
fn children_that_are_created_together_need_their_targets() {
    let bench = Bench::new(
        r#"
        entity Movie {
          id       int64     @id
          credits  Credit[]
        }
        entity Person {
          id       int64     @id
          credits  Credit[]
        }
        entity Credit {
          id        int64    @id
          movieId   int64
          personId  int64?
          afterId   int64?
          movie     Movie    @relation(movieId -> Movie.id)
          person    Person?  @relation(personId -> Person.id)
          after     Credit?  @relation(afterId -> Credit.id)
          before    Credit[]
        }
        "#,
    );
    bench.ok("create Person [{ id: 1 }, { id: 2 }, { id: 3 }]");
    let (code, message) = bench.refusal(
        "create Movie { id: 1, credits: create [
           { id: 1, personId: 3 }, { id: 2, personId: 7 }, { id: 3, personId: 1 }
         ] }",
    );
    assert_eq!(code, ErrorCode::ForeignKeyViolation);
    assert_eq!(message, "Credit.personId refers to a Person with id = 7, which does not exist");
    assert_eq!((bench.rows("Movie").len(), bench.rows("Credit").len()), (0, 0));
    // One that comes later, in the same list or behind it, is there when the statement ends.
    bench.ok("create Movie { id: 1, credits: (create [
           { id: 1, personId: 3, afterId: 2 }, { id: 2, personId: 3, afterId: 1 }, { id: 3 }, { id: 4, afterId: 5 }
         ], create [{ id: 5, personId: 1, afterId: 5 }, { id: 6, personId: 2, afterId: 3 }]) }");
    assert_eq!(
        bench.rows("Credit"),
        ["1 1 3 2", "2 1 3 1", "3 1 null null", "4 1 null 5", "5 1 1 5", "6 1 2 3"]
    );
    bench.ok("update Movie[1] set { credits: create [{ id: 7, personId: 1 }, { id: 8, afterId: 7 }] }");
    for refused in ["{ id: 9, personId: 8 }, { id: 10 }", "{ id: 9 }, { id: 10, afterId: 11 }"] {
        let (code, _) = bench.refusal(&format!("update Movie[1] set {{ credits: create [{refused}] }}"));
        assert_eq!(code, ErrorCode::ForeignKeyViolation, "{refused}");
    }
    assert_eq!(bench.rows("Credit").len(), 8);
    bench.audit();
}

/// What was gathered of a row that is passed over is not looked for.
#[test]
fn children_of_a_row_that_is_passed_over_leave_nothing() {
    let bench = Bench::new(
        r#"
        entity Node {
          id        int64   @id
          name      string  @unique
          parentId  int64?
          parent    Node?   @relation(parentId -> Node.id)
          children  Node[]
        }
        "#,
    );
    let written = bench.ok(r#"create Node [
             { id: 1, name: "a", children: create [{ id: 2, name: "x" }, { id: 3, name: "x" }] },
             { id: 4, name: "b", children: create [{ id: 5, name: "y" }, { id: 6, name: "z" }] }
           ] skip duplicates"#);
    assert_eq!(written.created, 3);
    assert_eq!(bench.rows("Node"), ["4 b null", "5 y 4", "6 z 4"]);
    bench.audit();
}
