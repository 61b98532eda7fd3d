//! Drives both text languages by text files: input, `----`, output. `REWRITE=1 cargo test -p ormdb --test text`
//! rewrites the outputs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use ormdb::text;

/// Runs one directive over its input.
fn check(directive: &str, input: &str) -> String {
    let source = input.trim_end_matches('\n');
    let rendered = |error: &ormdb_proto::Error| error.render(Some(source));
    match directive {
        // The canonical text, which must be a fixed point and mean the same.
        "format" => match text::format_schema(source) {
            Ok(formatted) => {
                assert_eq!(
                    text::format_schema(&formatted).unwrap(),
                    formatted,
                    "formatting is not idempotent"
                );
                formatted
            }
            Err(errors) => errors.iter().map(rendered).collect::<Vec<_>>().join("\n\n") + "\n",
        },
        // The canonical statements, each of which must read back as itself.
        "query" => match text::parse_statements(source) {
            Ok(statements) => statements
                .iter()
                .map(|parsed| {
                    let printed = text::print_statement(&parsed.statement);
                    let again =
                        text::parse_statement(&printed).map_err(|e| e.render(Some(&printed))).unwrap();
                    assert_eq!(text::print_statement(&again.statement), printed);
                    match parsed.explain {
                        Some(explain) => format!("{explain:?} of {printed}\n"),
                        None => printed + "\n",
                    }
                })
                .collect(),
            Err(error) => rendered(&error) + "\n",
        },
        // The tree of an expression, fully in parentheses where the text has none.
        "expr" => match text::parse_expr(source) {
            Ok(expr) => {
                let printed = text::print_expr(&expr);
                assert_eq!(text::print_expr(&text::parse_expr(&printed).unwrap()), printed);
                let json = serde_json::to_value(&expr).unwrap();
                format!("{printed}\n{}\n", shape(&json))
            }
            Err(error) => rendered(&error) + "\n",
        },
        other => panic!("unknown directive {other}"),
    }
}

/// An expression's tree in prefix form, without spans.
fn shape(json: &serde_json::Value) -> String {
    use serde_json::Value;
    match json {
        Value::Object(members) => {
            let shown = members.iter().filter(|(key, value)| *key != "span" && !value.is_null());
            let parts: Vec<String> = shown.map(|(key, value)| format!("{key} {}", shape(value))).collect();
            format!("({})", parts.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[test]
fn text_files() {
    datadriven::walk("tests/text", |file| {
        file.run(|case| check(&case.directive, &case.input));
    });
}

#[test]
fn examples_are_in_canonical_form() {
    for name in ["blog", "chinook"] {
        let path = format!("../../examples/{name}/schema.ormdb");
        let source = std::fs::read_to_string(&path).unwrap();
        match text::format_schema(&source) {
            Ok(formatted) if std::env::var_os("REWRITE").is_some() => {
                std::fs::write(&path, formatted).unwrap()
            }
            Ok(formatted) => assert_eq!(formatted, source, "{path}"),
            Err(errors) => panic!("{path}: {}", errors[0].render(Some(&source))),
        }
    }
}

/// Every prefix and every text with one character replaced: errors, but no panic.
#[test]
fn broken_texts_give_errors() {
    let schema = std::fs::read_to_string("../../examples/blog/schema.ormdb").unwrap();
    let query = r#"explain analyze Artist[name: "B\u{e9}"] where not (a.b in [1, 2.5, 1e3] and c some (d between $p and 7 or e is not null))
        order by count(albums where year > 2000) desc nulls last limit 10 offset $o { * except (x), secs: -ms / 1000, t: r where a like "%" { b } };
        create A { x: (create [{ y: 1 }, { y: x"00" }], connect [1], [2], create { y: 2 } skip duplicates, set []), z: null } skip duplicates return { id };
        update A where x = date"2024-01-31" limit 5 set { n += 1, r: update [1] set { p: 2 }, s: disconnect } return { * }"#;
    assert!(text::parse_statements(query).is_ok());
    for at in (0..schema.len()).filter(|at| schema.is_char_boundary(*at)) {
        let _parsed = text::parse_schema(&schema[..at]);
    }
    for at in (0..query.len()).filter(|at| query.is_char_boundary(*at)) {
        let _parsed = text::parse_statements(&query[..at]);
        for replacement in ["(", "}", "\"", "é", "", " 9", "\n", "@", "where"] {
            let mut broken = query.to_owned();
            if query.is_char_boundary(at + 1) {
                broken.replace_range(at..=at, replacement);
                let _parsed = text::parse_statements(&broken);
                let _complete = text::is_complete(&broken);
            }
        }
    }
}

/// Nesting beyond the bound is an error of its own, however it is reached, and never a stack overflow.
#[test]
fn depth_is_bounded() {
    let deep = 100_000;
    let texts = [
        format!("A where {}1{} = 1", "(".repeat(deep), ")".repeat(deep)),
        format!("A where {} a", "not ".repeat(deep)),
        format!("A where {}a = 1", "- ".repeat(deep)),
        format!("A where a = 1{}", " + 1".repeat(deep)),
        format!("A where a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("A where {}x{}", "f(".repeat(deep), ")".repeat(deep)),
        format!("A where {}x{}", "r some (".repeat(deep), ")".repeat(deep)),
        format!("A where {}r{}", "count(r where 1 = ".repeat(deep), ")".repeat(deep)),
        format!("A {}b{}", "{ a ".repeat(deep), "}".repeat(deep)),
        format!("create A {}", "{ a: create ".repeat(deep)),
        format!("create A {{ a: {}", "(create [{ a: ".repeat(deep)),
    ];
    for text in texts {
        let error = text::parse_statement(&text).unwrap_err();
        assert_eq!(error.code, ormdb_proto::ErrorCode::LimitExceeded, "{}: {error}", &text[..30]);
        assert!(error.detail.limit.is_some());
    }
    // Wide is not deep.
    let wide = format!("A where {}", vec!["a = 1"; deep].join(" and "));
    assert!(text::parse_statement(&wide).is_ok());
}

#[test]
fn comments_become_documentation() {
    let source = "// Far above.\n\n// People,\n// who write.\nentity User { // open\n  id int64 @id // The key.\n\n  // Not about the name.\n\n  name string\n}\n";
    let ast = text::parse_schema(source).unwrap();
    let user = ast.entities().next().unwrap();
    assert_eq!(user.notes.doc().as_deref(), Some("People,\nwho write."));
    let docs: Vec<Option<String>> = user.fields().map(|field| field.notes.doc()).collect();
    assert_eq!(docs[1], None);
    assert_eq!(ast.to_string(), text::format_schema(&ast.to_string()).unwrap());
}

/// The examples of the documentation are read by the parsers that it documents.
#[test]
fn documented_examples_parse() {
    let page = std::fs::read_to_string("../../docs/QUERY.md").unwrap();
    let mut examples = 0;
    for (kind, rest) in page.split("```").filter_map(|part| part.split_once('\n')) {
        let result = match kind {
            "schema" => text::parse_schema(rest).map(drop).map_err(|errors| errors[0].clone()),
            "query" => text::parse_statements(rest).map(drop),
            _ => continue,
        };
        examples += 1;
        result.map_err(|error| error.render(Some(rest))).unwrap();
    }
    assert!(examples >= 4, "only {examples} examples were found");
}

/// What is printed reads back as the same tree, for random expressions and schemas.
mod random {
    use ormdb::text;
    use ormdb_proto::Value;
    use ormdb_proto::ir::{
        AggregateFunction, BinaryOp, Expr, Quantifier, RelationAggregate, TextMatch, UnaryOp,
    };
    use ormdb_proto::value::Decimal;

    struct Maker(fastrand::Rng);

    impl Maker {
        fn name(&mut self) -> String {
            let names =
                ["a", "name", "order", "not", "é", "with space", "limit", "true", "where", "_x9", "some"];
            names[self.0.usize(..names.len())].to_owned()
        }

        fn path(&mut self) -> Vec<String> {
            (0..self.0.usize(1..4)).map(|_| self.name()).collect()
        }

        fn value(&mut self) -> Value {
            match self.0.u8(..14) {
                0 => Value::Null,
                1 => Value::Bool(self.0.bool()),
                2..=4 => Value::Int64(self.0.i64(..)),
                5 => Value::Float64(f64::from_bits(self.0.u64(..))).finite(),
                6 => Decimal::new(i128::from(self.0.i64(..)), self.0.u8(1..38))
                    .map_or(Value::Null, Value::Decimal),
                7 => Value::String((0..self.0.usize(..9)).map(|_| self.0.char('\0'..='\u{2ff}')).collect()),
                8 => Value::Bytes((0..self.0.usize(..5)).map(|_| self.0.u8(..)).collect()),
                9 => Value::Uuid(self.0.u128(..).to_be_bytes()),
                10 => Value::DateTime(self.0.i64(-1_000_000_000_000_000..10_000_000_000_000_000)),
                11 => Value::LocalDateTime(self.0.i64(-1_000_000_000_000_000..10_000_000_000_000_000)),
                12 => Value::Date(self.0.i32(-100_000..100_000)),
                _ => Value::Time(self.0.i64(0..86_400_000_000)),
            }
        }

        fn list(&mut self, depth: u32, least: usize) -> Vec<Expr> {
            (0..self.0.usize(least..least + 3)).map(|_| self.expr(depth)).collect()
        }

        fn expr(&mut self, depth: u32) -> Expr {
            if depth == 0 {
                return match self.0.u8(..3) {
                    0 => Expr::Param { name: "p".to_owned(), span: None },
                    1 => Expr::Path { path: self.path(), span: None },
                    _ => Expr::literal(self.value()),
                };
            }
            let below = depth - 1;
            let mut boxed = || Box::new(self.expr(below));
            let (first, second, third) = (boxed(), boxed(), boxed());
            let flag = self.0.bool();
            match self.0.u8(..13) {
                0 => Expr::Unary { op: UnaryOp::Not, operand: first },
                1 => Expr::Unary { op: UnaryOp::Negate, operand: first },
                2 | 3 => {
                    let ops = [
                        BinaryOp::Equal,
                        BinaryOp::NotEqual,
                        BinaryOp::Less,
                        BinaryOp::LessOrEqual,
                        BinaryOp::Greater,
                        BinaryOp::GreaterOrEqual,
                        BinaryOp::Add,
                        BinaryOp::Subtract,
                        BinaryOp::Multiply,
                        BinaryOp::Divide,
                        BinaryOp::Remainder,
                        BinaryOp::Concat,
                    ];
                    Expr::Binary { op: ops[self.0.usize(..ops.len())], left: first, right: second }
                }
                4 => {
                    let ops = [
                        TextMatch::Contains,
                        TextMatch::StartsWith,
                        TextMatch::EndsWith,
                        TextMatch::Like,
                        TextMatch::Regex,
                    ];
                    let op = ops[self.0.usize(..ops.len())];
                    Expr::Match { op, insensitive: flag, text: first, pattern: second }
                }
                5 => {
                    let list = match self.0.u8(..3) {
                        0 => Expr::Param { name: "p".to_owned(), span: None },
                        1 => Expr::Path { path: self.path(), span: None },
                        _ => Expr::List(self.list(below, 0)),
                    };
                    Expr::In { operand: first, list: Box::new(list), negated: flag }
                }
                6 => Expr::List(self.list(below, 0)),
                7 => Expr::Between { operand: first, low: second, high: third, negated: flag },
                8 => Expr::IsNull { operand: first, negated: flag },
                9 => Expr::And(self.list(below, 2)),
                10 => Expr::Or(self.list(below, 2)),
                11 => Expr::Call { function: "coalesce".to_owned(), args: self.list(below, 0), span: None },
                _ if flag => {
                    let all = [
                        Quantifier::Some,
                        Quantifier::Every,
                        Quantifier::None,
                        Quantifier::Is,
                        Quantifier::IsNot,
                    ];
                    let quantifier = all[self.0.usize(..all.len())];
                    Expr::Related { path: self.path(), quantifier, filter: first, span: None }
                }
                _ => {
                    let function =
                        if self.0.bool() { AggregateFunction::Count } else { AggregateFunction::Max };
                    let filter = self.0.bool().then_some(*second);
                    let relation = self.path();
                    let distinct = self.0.bool();
                    Expr::Aggregate(Box::new(RelationAggregate {
                        function,
                        distinct,
                        relation,
                        value: Some(*first),
                        filter,
                        span: None,
                    }))
                }
            }
        }
    }

    trait Finite {
        fn finite(self) -> Value;
    }

    impl Finite for Value {
        fn finite(self) -> Value {
            match self {
                Value::Float64(v) if !v.is_finite() => Value::Float64(0.5),
                other => other,
            }
        }
    }

    /// The tree without its places.
    fn bare(expr: &Expr) -> serde_json::Value {
        fn strip(json: &mut serde_json::Value) {
            match json {
                serde_json::Value::Object(members) => {
                    members.remove("span");
                    members.values_mut().for_each(strip);
                }
                serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
                _ => {}
            }
        }
        let mut json = serde_json::to_value(expr).unwrap();
        strip(&mut json);
        json
    }

    #[test]
    fn expressions_read_back_as_they_are_printed() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut maker = Maker(fastrand::Rng::with_seed(seed));
        for round in 0..20_000 {
            let expr = maker.expr(round % 5);
            let printed = text::print_expr(&expr);
            let read = text::parse_expr(&printed)
                .unwrap_or_else(|error| panic!("{}\n{expr:?}", error.render(Some(&printed))));
            assert_eq!(bare(&read), bare(&expr), "{printed}");
        }
    }
}
