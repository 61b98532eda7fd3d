use ormdb_proto::Value;
use ormdb_proto::ir::{Params, SelectItem, Statement};

use crate::{Database, Options, Session};

const SCHEMA: &str = "
enum Role { reader, author }
entity User {
  id     int64  @id
  email  string @unique
  age    int32
  role   Role
  since  date
  price  decimal(8,2)
  posts  Post[]
}
entity Post {
  id        int64 @id
  authorId  int64
  author    User  @relation(authorId -> User.id)
  score     int64
}";

fn database() -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: ordinum::Durability::Buffered, ..Options::default() };
    let database = Database::open_with(directory.path().join("db"), options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let session = database.session();
    for id in 1..=4 {
        let role = if id % 2 == 0 { "reader" } else { "author" };
        let text = format!(
            "create User {{ id: {id}, email: \"{id}@x\", age: {}, role: {role}, since: \"2024-01-0{id}\", price: {id}.50 }}",
            id * 10
        );
        session.query(&text, &Params::none()).unwrap();
        let text = format!("create Post {{ id: {id}, authorId: {id}, score: {id} }}");
        session.query(&text, &Params::none()).unwrap();
    }
    (directory, database)
}

fn ids(session: &Session, text: &str, params: &Params) -> String {
    let rows: Vec<(i64,)> = session.fetch(text, params).unwrap().rows().unwrap();
    rows.iter().map(|(id,)| id.to_string()).collect::<Vec<_>>().join(" ")
}

fn with(value: impl Into<Value>) -> Params {
    Params::none().with("p", value)
}

/// A predecessor's plan cache returned the first query's literals.
#[test]
fn a_plan_keeps_no_value_of_an_earlier_run() {
    let (_directory, database) = database();
    let session = database.session();
    for (condition, first, second) in [
        ("id = 1", "1", ("id = 2", "2")),
        ("id > 2", "3 4", ("id > 3", "4")),
        ("email = \"3@x\"", "3", ("email = \"1@x\"", "1")),
        ("role = author", "1 3", ("role = reader", "2 4")),
        ("role = \"author\"", "1 3", ("role = \"reader\"", "2 4")),
        ("since >= \"2024-01-03\"", "3 4", ("since >= \"2024-01-02\"", "2 3 4")),
        ("price = 1.50", "1", ("price = 2.50", "2")),
        ("price < 2.5", "1", ("price < 2.55", "1 2")),
        ("age in (10, 20)", "1 2", ("age in (10, 30)", "1 3")),
        ("age between 10 and 20", "1 2", ("age between 20 and 40", "2 3 4")),
        ("email startsWith \"1\"", "1", ("email startsWith \"2\"", "2")),
        ("posts some (score > 3)", "4", ("posts some (score > 2)", "3 4")),
        ("id = 1 + 1", "2", ("id = 1 + 2", "3")),
        ("id = 5000000000", "", ("id = 4", "4")),
    ] {
        for (condition, expected) in [(condition, first), second, (condition, first), second] {
            assert_eq!(ids(&session, &format!("User where {condition} {{ id }}"), &Params::none()), expected);
        }
    }
    assert_eq!(ids(&session, "User limit 1 { id }", &Params::none()), "1");
    assert_eq!(ids(&session, "User limit 2 { id }", &Params::none()), "1 2");
}

#[test]
fn parameters_of_any_type_run_with_one_text() {
    let (_directory, database) = database();
    let session = database.session();
    let equal = "User where id = $p { id }";
    assert_eq!(ids(&session, equal, &with(1i64)), "1");
    assert_eq!(ids(&session, equal, &with(Value::Int16(2))), "2");
    assert_eq!(ids(&session, equal, &with(Value::Null)), "");
    assert_eq!(ids(&session, equal, &with(Value::Decimal("3.0".parse().unwrap()))), "3");
    assert_eq!(ids(&session, equal, &with(Value::Decimal("3.5".parse().unwrap()))), "");
    assert_eq!(ids(&session, equal, &with(Value::Float64(4.0))), "4");
    assert_eq!(ids(&session, equal, &with(1i64)), "1");
    let list = "User where id in $p { id }";
    for wanted in [vec![1i64, 2], vec![3], vec![], vec![1, 2]] {
        let expected: Vec<String> = wanted.iter().map(i64::to_string).collect();
        let items = wanted.into_iter().map(Value::Int64).collect();
        assert_eq!(ids(&session, list, &with(Value::Array(items))), expected.join(" "));
    }
    for limit in [1i64, 3, 2, 1] {
        let expected: Vec<String> = (1..=limit).map(|id| id.to_string()).collect();
        assert_eq!(ids(&session, "User limit $p { id }", &with(limit)), expected.join(" "));
    }
    for (since, expected) in [("2024-01-03", "3 4"), ("2024-01-02", "2 3 4"), ("2024-01-03", "3 4")] {
        assert_eq!(ids(&session, "User where since >= $p { id }", &with(since)), expected);
    }
}

#[test]
fn errors_are_those_of_a_fetch_without_a_plan() {
    let (_directory, database) = database();
    let session = database.session();
    let text = "User where since >= $p { id }";
    let cold = session.fetch(text, &with("no date")).unwrap_err();
    assert_eq!(ids(&session, text, &with("2024-01-04")), "4");
    assert_eq!(session.fetch(text, &with("no date")).unwrap_err(), cold);
    let missing = session.fetch(text, &Params::none()).unwrap_err();
    assert_eq!(missing.code, ormdb_proto::ErrorCode::MissingParameter);
    assert!(missing.detail.span.is_some());
}

#[test]
fn fetches_of_one_shape_share_a_plan_until_the_schema_changes() {
    let (_directory, database) = database();
    let session = database.session();
    let before = database.plan_stats();
    for id in 1..=4 {
        ids(&session, &format!("User[{id}] {{ id }}"), &Params::none());
    }
    let prepared = session.prepare("User[$p] { id }").unwrap();
    for id in 1..=4i64 {
        session.run_prepared(&prepared, &with(id)).unwrap();
    }
    let after = database.plan_stats();
    assert_eq!((after.misses - before.misses, after.hits - before.hits), (2, 6));
    database.apply_schema(&SCHEMA.replace("  price ", "  city string?\n  price ")).unwrap();
    session.run_prepared(&prepared, &with(1i64)).unwrap();
    assert_eq!(database.plan_stats().misses, after.misses + 1);
    let all = session.query("User[$p] { * }", &with(1i64)).unwrap();
    let ormdb_proto::Outcome::Fetched(all) = all else { panic!("no fetch") };
    assert!(all.to_json().unwrap().to_string().contains("city"));
}

#[test]
fn what_is_kept_is_bounded() {
    let (_directory, database) = database();
    let session = database.session();
    for n in 0..(super::SHAPES_MAX + 10) {
        session.fetch(&format!("User where id = 1 {{ x{n}: age }}"), &Params::none()).unwrap();
    }
    let stats = database.plan_stats();
    assert!(stats.shapes <= super::SHAPES_MAX);
    assert!(stats.texts <= super::TEXTS_MAX);
    for limit in 0..20i64 {
        ids(&session, "User limit $p { id }", &with(limit));
    }
}

/// Values that are equal, and yet are not printed alike, are not each other.
#[test]
fn a_plan_that_has_a_value_serves_that_value_alone() {
    let (_directory, database) = database();
    let session = database.session();
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    for (first, second) in [
        (decimal("1.5"), decimal("1.50")),
        (Value::Float64(0.0), Value::Float64(-0.0)),
        (Value::Float32(-0.0), Value::Float32(0.0)),
        (Value::Array(vec![decimal("2.0")]), Value::Array(vec![decimal("2")])),
    ] {
        let read = |session: &Session, value: &Value| {
            let rows = session.fetch("User[1] { v: $p }", &with(value.clone())).unwrap();
            rows.to_json().unwrap()
        };
        let (_other, cold) = self::database();
        assert_ne!(read(&session, &first), read(&cold.session(), &second), "they are told apart");
        assert_eq!(read(&session, &second), read(&cold.session(), &second));
    }
    // One that equals nothing has one plan all the same.
    let before = database.plan_stats().misses;
    for _ in 0..3 {
        session.fetch("User[1] { v: $p }", &with(f64::NAN)).unwrap();
    }
    assert_eq!(database.plan_stats().misses, before + 1);
}

/// A limit is computed while the fetch is planned, whatever it is computed of.
#[test]
fn limits_may_compare_parameters() {
    let (_directory, database) = database();
    let session = database.session();
    let parsed = |text: &str| match crate::text::parse_statement(text).unwrap().statement {
        Statement::Fetch(fetch) => fetch,
        _ => panic!("no fetch"),
    };
    let SelectItem::Computed { expr, .. } = parsed("User { v: if($p = 1, 1, 2) }").selection.items.remove(0)
    else {
        panic!("no expression")
    };
    let mut fetch = parsed("User where age > 0 order by id { id }");
    fetch.selection.limit = Some(expr.clone());
    fetch.selection.offset = Some(expr);
    for (value, expected) in [(1i64, "2"), (2, "3 4"), (1, "2")] {
        let outcome = session.execute(&Statement::Fetch(fetch.clone()), &with(value)).unwrap();
        let ormdb_proto::Outcome::Fetched(graph) = outcome else { panic!("no fetch") };
        let rows: Vec<(i64,)> = graph.rows().unwrap();
        assert_eq!(rows.iter().map(|(id,)| id.to_string()).collect::<Vec<_>>().join(" "), expected);
    }
}

/// What is long is planned for itself: what is kept is bounded in bytes as well.
#[test]
fn long_shapes_and_values_are_not_kept() {
    let (_directory, database) = database();
    let session = database.session();
    let before = database.plan_stats();
    let columns: Vec<String> = (0..800).map(|n| format!("a_long_name_of_column_{n}: age")).collect();
    for id in 1..=2 {
        let text = format!("User[{id}] {{ {} }}", columns.join(", "));
        assert_eq!(session.fetch(&text, &Params::none()).unwrap().len(), 1);
        session.run_prepared(&session.prepare(&text).unwrap(), &Params::none()).unwrap();
    }
    assert_eq!(database.plan_stats().shapes, before.shapes);
    let before = database.plan_stats();
    for _ in 0..3 {
        session.fetch("User[1] { v: $p }", &with("x".repeat(5000))).unwrap();
    }
    assert_eq!(database.plan_stats().misses, before.misses + 3);
    for _ in 0..3 {
        session.fetch("User[1] { v: $p }", &with("x")).unwrap();
    }
    assert_eq!(database.plan_stats().misses, before.misses + 4);
}

/// A fetch of the past has a catalog of its own, which nobody else has: it neither is kept nor drives others out.
#[test]
fn plans_of_the_past_are_not_kept() {
    let (_directory, database) = database();
    let session = database.session();
    let ormdb_proto::Outcome::Written(written) =
        session.query("update User[1] set { age: 11 }", &Params::none()).unwrap()
    else {
        panic!("no write")
    };
    let mut old = session.transaction_with(crate::Isolation::Snapshot).unwrap();
    old.query("User[1] { age }", &Params::none()).unwrap();
    database.apply_schema(&SCHEMA.replace("  price ", "  city string?\n  price ")).unwrap();
    let now = "User[1] { age }";
    session.fetch(now, &Params::none()).unwrap();
    let past = format!("User[1] as of \"{}\" {{ age }}", written.token);
    let misses = database.plan_stats().misses;
    for _ in 0..2 {
        session.fetch(&past, &Params::none()).unwrap();
        old.query(now, &Params::none()).unwrap();
        let before = database.plan_stats().misses;
        session.fetch(now, &Params::none()).unwrap();
        assert_eq!(database.plan_stats().misses, before);
    }
    assert_eq!(database.plan_stats().misses, misses + 4);
}

/// Where threads wait for processors, a moment takes longer now and then. Each such fetch was once thrown away and done again
/// elsewhere, and the next ones were not tried: at eight connections on two processors nearly all ran twice.
#[test]
fn a_fetch_that_is_late_now_and_then_is_still_tried() {
    let (_directory, database) = database();
    let prepared = database.session().prepare("User { id }").unwrap();
    for _ in 0..10 {
        (0..3).for_each(|_| prepared.was_late());
        prepared.was_brief();
        assert!(prepared.may_be_brief());
    }
    (0..4).for_each(|_| prepared.was_late());
    let refused = (0..100).take_while(|_| !prepared.may_be_brief()).count();
    assert_eq!(refused, 32, "one that is late as a rule is tried again after a while");
    prepared.was_long();
    assert!(!prepared.may_be_brief());
}

#[test]
fn what_takes_too_long_to_be_brief_is_given_up() {
    let (_directory, database) = database();
    let session = database.session();
    let prepared = session.prepare("User { id }").unwrap();
    let run = |within| session.run_briefly(&prepared, &Params::none(), within).unwrap();
    assert!(run(std::time::Duration::from_secs(60)).is_some());
    assert!(run(std::time::Duration::ZERO).is_none());
    assert!(run(std::time::Duration::from_secs(60)).is_none(), "it has been long of late");
}

/// Where it is asked for, the thread has other work: it waits for nobody, and nothing of what it gave up is left.
#[test]
fn a_write_that_would_wait_or_is_long_is_given_up() {
    let (_directory, database) = database();
    let (session, moment) = (database.session(), std::time::Duration::from_secs(60));
    let create = session.prepare("create Post { id: $id, authorId: 1, score: 0 }").unwrap();
    let update = session.prepare("update User[1] set { age: $id }").unwrap();
    let write = |prepared, id: i64, within| {
        session.write_briefly(prepared, &Params::none().with("id", Value::Int64(id)), within).unwrap()
    };
    let posts = || session.fetch("Post { id }", &Params::none()).unwrap().len();
    assert_eq!(write(&create, 10, moment).unwrap().durable().unwrap().created, 1);
    assert_eq!(posts(), 5);
    assert!(write(&create, 11, std::time::Duration::ZERO).is_none());
    assert!(write(&create, 11, moment).is_none(), "it has been long of late");
    assert_eq!(posts(), 5);

    let mut holder = session.transaction().unwrap();
    holder.query("update User[1] set { age: 1 }", &Params::none()).unwrap();
    assert!(write(&update, 2, moment).is_none());
    holder.commit().unwrap();
    assert_eq!(write(&update, 3, moment).unwrap().durable().unwrap().updated, 1);
    let fetch = session.prepare("Post[$id] { id }").unwrap();
    assert!(write(&fetch, 1, moment).is_none(), "a fetch writes nothing");
}

/// What a write gives back is read by a plan of its own, whose rows are those of the run.
#[test]
fn what_a_write_gives_back_has_a_plan() {
    let (_directory, database) = database();
    let session = database.session();
    let hits = || database.plan_stats().hits;
    let given = |text: String, params: &Params| {
        session.query(&text, params).unwrap().into_graph().unwrap().to_json().unwrap()
    };
    // A fetch of the same shape has another plan.
    assert_eq!(ids(&session, "User { id }", &Params::none()), "1 2 3 4");
    for id in [2, 4, 1] {
        assert_eq!(
            given(format!("update User[{id}] set {{ age += 1 }} return {{ id }}"), &Params::none()),
            format!("[{{\"id\":{id}}}]"),
        );
    }
    assert_eq!(ids(&session, "User { id }", &Params::none()), "1 2 3 4");
    let before = hits();
    for (least, posts) in [(1, "[{\"score\":3}]"), (3, "[{\"score\":3}]"), (4, "[]")] {
        let text = format!(
            "update User[3] set {{ age += 1 }} return {{ posts where score >= {least} {{ score }} }}"
        );
        assert_eq!(given(text, &Params::none()), format!("[{{\"posts\":{posts}}}]"));
        let text = "update User[3] set { age += 1 } return { posts where score >= $p { score } }";
        assert_eq!(given(text.to_owned(), &with(least)), format!("[{{\"posts\":{posts}}}]"));
    }
    assert_eq!(hits() - before, 4);
    let wrong = "update User[3] set { age += 1 } return { posts where score >= $p { score } }";
    let error = session.query(wrong, &with("x")).unwrap_err();
    assert_eq!(error.code, ormdb_proto::ErrorCode::InvalidValue, "{error}");
    // The statement was taken back.
    let ages: Vec<(i32,)> = session.fetch("User[3] { age }", &Params::none()).unwrap().rows().unwrap();
    assert_eq!(ages, [(36,)]);
}
