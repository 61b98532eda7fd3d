//! Values of one entity: defaults, types, required, checks, unique keys, key changes.

use ormdb_proto::ErrorCode;
use ormdb_proto::ir::Params;

use super::bench::Bench;

const SHOP: &str = r#"
enum State { draft, live, gone }
entity Item {
  id       int64         @id @default(autoincrement())
  code     string(8)     @unique
  state    State         @default(draft)
  price    decimal(8,2)  @default(1.5) @check(price >= 0)
  stock    int32         @default(0)
  doubled  int64         @default(stock * 2)
  note     string?
  madeAt   datetime      @default(now())
  touched  datetime?     @updatedAt
  tags     string[]?
  @@index(state, price desc) covering (code)
  @@unique(note, stock)
}
"#;

#[test]
fn a_row_gets_its_defaults() {
    let bench = Bench::new(SHOP);
    let written =
        bench.ok(r#"create Item [{ code: "a", stock: 3 }, { code: "b", id: 10, tags: ["x", null] }]"#);
    assert_eq!((written.created, written.keys.len()), (2, 2));
    bench.ok(r#"create Item { code: "c" }"#);
    assert_eq!(
        bench.rows("Item"),
        [
            "1 a draft 1.50 3 6 null 2024-01-01T00:00:00Z 2024-01-01T00:00:00Z null",
            "10 b draft 1.50 0 0 null 2024-01-01T00:00:00Z 2024-01-01T00:00:00Z [\"x\",null]",
            "11 c draft 1.50 0 0 null 2024-01-01T00:00:00Z 2024-01-01T00:00:00Z null",
        ]
    );
    bench.audit();
}

#[test]
fn refusals_name_field_and_value() {
    let bench = Bench::new(SHOP);
    bench.ok(r#"create Item { id: 1, code: "a" }"#);
    let cases = [
        (r#"create Item {}"#, ErrorCode::NotNullViolation, "Item.code is required"),
        (
            r#"create Item { code: "a" }"#,
            ErrorCode::UniqueViolation,
            "an Item with code = \"a\" exists already",
        ),
        (
            r#"create Item { id: 1, code: "b" }"#,
            ErrorCode::UniqueViolation,
            "an Item with id = 1 exists already",
        ),
        (
            r#"create Item { code: "c", price: -1 }"#,
            ErrorCode::CheckViolation,
            "Item (price = -1.00) fails the check `Item_price_check`",
        ),
        (
            r#"create Item { code: "123456789" }"#,
            ErrorCode::StringTooLong,
            "Item.code: \"123456789\" has 9 characters; the field holds 8",
        ),
        (
            r#"create Item { code: "d", stock: 3000000000 }"#,
            ErrorCode::NumericOverflow,
            "Item.stock: 3000000000 is out of range for int32",
        ),
        (r#"update Item[7] set { stock: 1 }"#, ErrorCode::RecordNotFound, "no Item has id = 7"),
    ];
    for (text, code, message) in cases {
        let (found, said) = bench.refusal(text);
        assert_eq!((found, said.as_str()), (code, message), "{text}");
    }
    let error = bench.fails(r#"create Item { code: "a" }"#);
    assert_eq!(error.detail.entity.as_deref(), Some("Item"));
    assert_eq!(error.detail.field.as_deref(), Some("code"));
    assert_eq!(error.detail.key.as_deref(), Some("code = \"a\""));
    assert!(bench.fails(r#"create Item { cod: "a" }"#).detail.span.is_some());
    assert_eq!(
        bench.fails(r#"create Item { code: "e", state: lvie }"#).detail.suggestion.as_deref(),
        Some("live")
    );
    bench.audit();
}

/// A misspelt field was told of only if there was a row to update: an update of no row, and the half of an upsert that
/// did not run, passed over what they did not know.
#[test]
fn names_are_looked_at_whether_there_are_rows_or_not() {
    let bench = Bench::new(SHOP);
    for text in [
        r#"update Item[7] set { stok: 1 }"#,
        r#"update Item where stock < 0 set { stok: 1 }"#,
        r#"upsert Item[code: "a"] create { stock: 1 } update { stok: 2 }"#,
    ] {
        let error = bench.fails(text);
        assert_eq!(error.code, ErrorCode::UnknownField, "{text}");
        assert_eq!(error.detail.suggestion.as_deref(), Some("stock"), "{text}");
        assert!(error.detail.span.is_some(), "{text}");
    }
    bench.audit();
}

#[test]
fn updates_see_the_row_as_it_was() {
    let bench = Bench::new(SHOP);
    bench.ok(r#"create Item [{ code: "a", stock: 3 }, { code: "b", stock: 5, note: "n" }]"#);
    let written = bench
        .ok(r#"update Item where stock > 1 set { stock += 10, doubled: stock, price *= 2, state: live }"#);
    assert_eq!(written.updated, 2);
    assert_eq!(
        bench.rows("Item"),
        [
            "1 a live 3.00 13 3 null 2024-01-01T00:00:00Z 2024-01-01T00:00:00Z null",
            "2 b live 3.00 15 5 n 2024-01-01T00:00:00Z 2024-01-01T00:00:00Z null",
        ]
    );
    assert_eq!(bench.refusal("update Item set { stock += 2147483647 }").0, ErrorCode::NumericOverflow);
    assert_eq!(bench.ok("update Item limit 1 set { stock: 0 }").updated, 1);
    bench.audit();
}

#[test]
fn a_new_primary_key_moves_the_row_and_its_entries() {
    let bench = Bench::new(SHOP);
    bench.ok(r#"create Item [{ code: "a" }, { code: "b" }]"#);
    bench.ok(r#"update Item[code: "a"] set { id: 77 }"#);
    assert_eq!(bench.refusal("update Item[77] set { id: 2 }").0, ErrorCode::UniqueViolation);
    assert_eq!(bench.refusal("update Item[77] set { id: null }").0, ErrorCode::NotNullViolation);
    assert_eq!(bench.rows("Item").len(), 2);
    assert!(bench.rows("Item")[1].starts_with("77 a"));
    bench.ok(r#"delete Item[code: "a"]"#);
    bench.audit();
}

#[test]
fn duplicates_are_passed_over() {
    let bench = Bench::new(SHOP);
    bench.ok(r#"create Item { code: "a" }"#);
    let written = bench
        .ok(r#"create Item [{ code: "a" }, { code: "b" }, { code: "b" }, { code: "c" }] skip duplicates"#);
    assert_eq!((written.created, written.keys.len()), (2, 2));
    let error = bench.fails(r#"create Item [{ code: "x" }, { code: "a" }]"#);
    assert_eq!(error.code, ErrorCode::UniqueViolation);
    assert_eq!(bench.rows("Item").len(), 3);
    bench.audit();
}

#[test]
fn upserts_update_or_create() {
    let bench = Bench::new(SHOP);
    let text = r#"upsert Item[code: $c] create { stock: 1 } update { stock += 1 }"#;
    for _ in 0..3 {
        bench.run_with(text, &Params::none().with("c", "k")).unwrap();
    }
    assert!(bench.rows("Item")[0].starts_with("1 k draft 1.50 3 "), "{:?}", bench.rows("Item"));
    assert_eq!(bench.run(text).unwrap_err().code, ErrorCode::MissingParameter);
    bench.audit();
}

#[test]
fn unique_keys_may_be_partial_and_nulls_distinct_or_not() {
    let bench = Bench::new(
        r#"
        entity A {
          id    int64  @id
          x     int32?
          y     int32?
          live  bool   @default(true)
          @@unique(x, y)
          @@unique(y, nulls not distinct) where live
        }
        "#,
    );
    bench.ok("create A [{ id: 1, x: 1 }, { id: 2, x: 1, live: false }]");
    assert_eq!(bench.refusal("create A { id: 3, x: 1 }").0, ErrorCode::UniqueViolation);
    assert_eq!(bench.refusal("update A[2] set { live: true }").0, ErrorCode::UniqueViolation);
    bench.ok("update A[1] set { live: false }");
    bench.ok("update A[2] set { live: true }");
    bench.ok("create A { id: 4, x: 5, y: 6 }");
    assert_eq!(bench.refusal("create A { id: 5, x: 5, y: 6, live: false }").0, ErrorCode::UniqueViolation);
    bench.audit();
}

#[test]
fn keys_of_every_type_hold_rows() {
    let types = [
        ("bool", "true", "false"),
        ("int16", "-5", "5"),
        ("float64", "1.5", "-2.25"),
        ("decimal(10,2)", "1.50", "1.51"),
        ("string", "\"a\"", "\"b\""),
        ("bytes", "\"\\\\x00\"", "\"\\\\x0001\""),
        ("uuid", "\"0190163d-8694-739b-aea5-966c26f8ad90\"", "\"0190163d-8694-739b-aea5-966c26f8ad91\""),
        ("datetime", "\"2024-01-01T00:00:00Z\"", "\"2024-01-02T00:00:00Z\""),
        ("date", "\"2024-01-01\"", "\"2024-01-02\""),
        ("time", "\"10:00\"", "\"11:00\""),
        ("interval", "\"P1D\"", "\"P2D\""),
    ];
    for (ty, one, other) in types {
        let bench = Bench::new(&format!("entity K {{\n  a {ty}\n  b int32\n  @@id(a, b)\n}}"));
        bench.ok(&format!("create K [{{ a: {one}, b: 1 }}, {{ a: {other}, b: 1 }}, {{ a: {one}, b: 2 }}]"));
        assert_eq!(
            bench.refusal(&format!("create K {{ a: {one}, b: 2 }}")).0,
            ErrorCode::UniqueViolation,
            "{ty}"
        );
        bench.ok(&format!("update K[a: {one}, b: 2] set {{ b: 3 }}"));
        bench.ok(&format!("delete K[a: {other}, b: 1]"));
        assert_eq!(bench.rows("K").len(), 2, "{ty}");
        bench.audit();
    }
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    let bench = Bench::new("entity T {\n  name string @id\n}");
    let error = bench.fails(&format!("create T {{ name: \"{}\" }}", "x".repeat(70_000)));
    assert_eq!(error.code, ErrorCode::LimitExceeded);
    assert!(error.detail.limit.is_some());
}

#[test]
fn the_key_of_an_upsert_and_the_row_it_creates_agree() {
    let bench = Bench::new(SHOP);
    let refused = |text: &str, field: &str| {
        let error = bench.fails(text);
        assert_eq!(error.code, ErrorCode::InvalidQuery, "{text}: {error}");
        assert_eq!(error.detail.field.as_deref(), Some(field), "{text}: {error}");
        assert!(error.detail.span.is_some(), "{text}: {error}");
    };
    let apart = r#"upsert Item[79] create { id: 78, code: "a" } update { stock: 1 }"#;
    refused(apart, "id");
    refused(r#"upsert Item[code: "a"] create { code: null } update { stock: 1 }"#, "code");
    assert!(bench.rows("Item").is_empty());
    bench.ok(r#"upsert Item[79] create { id: 79, code: "a" } update { stock: 1 }"#);
    // Whether the row is there changes nothing of it.
    refused(apart, "id");
    bench.ok(r#"upsert Item[code: "b"] create { id: 7 } update { stock: 1 }"#);
    assert_eq!(bench.rows("Item").len(), 2);
    bench.audit();
}

#[test]
fn a_sequence_passes_the_number_of_an_update() {
    let bench = Bench::new(SHOP);
    bench.ok(r#"create Item { code: "a" }"#);
    bench.ok(r"update Item[1] set { id = 20 }");
    bench.ok(r#"upsert Item[code: "a"] create { stock: 0 } update { id += 10 }"#);
    bench.ok(r#"create Item { code: "b" }"#);
    assert!(bench.rows("Item").iter().any(|row| row.starts_with("31 b")), "{:?}", bench.rows("Item"));
}

#[test]
fn a_change_of_any_field_reaches_the_indexes_that_read_it() {
    let bench = Bench::new(
        r#"
        entity A {
          id     int64  @id
          x      int64
          y      int64
          z      int64
          live   bool
          gone   datetime?
          @@index(x)
          @@index(y) covering (z)
          @@unique(x, y)
          @@index(z) where live
          @@softDelete(gone)
        }
        "#,
    );
    bench.ok("create A [{ id: 1, x: 1, y: 1, z: 1, live: true }, { id: 2, x: 2, y: 2, z: 2, live: false }]");
    let changes =
        ["x: 3", "y: 3", "z: 3", "live: true", "live: false", "id: 3", "x: 4, y: 4, z: 4", "x: x + 1"];
    for change in changes {
        bench.ok(&format!("update A[2] set {{ {change} }}"));
        bench.audit();
        if change == "id: 3" {
            bench.ok("update A[3] set { id: 2 }");
        }
    }
    bench.ok("update A[2] set { z += 5, x -= 1 }");
    bench.audit();
    bench.ok("delete A[2]");
    bench.audit();
    // Its unique key is free for another.
    bench.ok("create A { id: 4, x: 4, y: 4, z: 4, live: true }");
    bench.ok("update A[2] with deleted set { x: 9, gone: null }");
    bench.audit();
    assert_eq!(bench.rows("A").len(), 3);
}
