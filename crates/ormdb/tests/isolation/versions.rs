//! Reads as of a version token.

use std::time::Duration;

use super::*;

fn retaining(retention: Duration) -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    options.engine.retention = Some(RetentionWindow::of_age(retention));
    options.engine.write_buffer_budget_bytes = 1 << 18;
    let database = Database::open_with("versions.ormdb", options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    database
}

fn write(database: &Database, text: &str) -> ormdb::Token {
    match database.session().query(text, &Params::none()).unwrap() {
        Outcome::Written(written) => written.token,
        other => panic!("{text} gave {other:?}"),
    }
}

fn read_as_of(database: &Database, text: &str, token: &str) -> Result<String, Error> {
    let params = Params::none().with("t", token);
    database.session().fetch(text, &params).map(|graph| graph.to_json().unwrap())
}

#[test]
fn a_version_is_read_as_it_was() {
    let database = retaining(Duration::from_secs(3600));
    let tokens = [
        "create Test [{ id: 1, value: 10 }, { id: 2, value: 20 }]",
        "update Test[1] set { value: 11 }",
        "delete Test[2]",
        "create Test { id: 3, value: 30 }",
    ]
    .map(|text| write(&database, text).to_string());
    let texts = [
        (
            "Test as of $t order by id { value }",
            [
                r#"[{"value":10},{"value":20}]"#,
                r#"[{"value":11},{"value":20}]"#,
                r#"[{"value":11}]"#,
                r#"[{"value":11},{"value":30}]"#,
            ],
        ),
        (
            "group Test as of $t { n: count(), s: sum(value) }",
            [
                r#"[{"n":2,"s":"30"}]"#,
                r#"[{"n":2,"s":"31"}]"#,
                r#"[{"n":1,"s":"11"}]"#,
                r#"[{"n":2,"s":"41"}]"#,
            ],
        ),
    ];
    for (text, expected) in texts {
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(
                read_as_of(&database, text, token).unwrap().replace("\"s\":", "s").replace('"', ""),
                expected.replace("\"s\":", "s").replace('"', ""),
                "{text}"
            );
        }
    }
    // The token of the answer is the one that was asked for.
    let params = Params::none().with("t", tokens[1].as_str());
    let answer = database.session().fetch("Test as of $t", &params).unwrap();
    assert_eq!(answer.trailer().token.to_string(), tokens[1]);
    // The text of a token may stand in the statement, and a plan may be asked for.
    assert_eq!(
        read_as_of(&database, &format!("Test[2] as of \"{}\" {{ value }}", tokens[1]), "").unwrap(),
        r#"[{"value":20}]"#
    );
    database.session().query(&format!("explain Test as of \"{}\"", tokens[1]), &Params::none()).unwrap();
}

/// With the schema of its time.
#[test]
fn an_older_version_has_its_schema() {
    let database = retaining(Duration::from_secs(3600));
    let before = write(&database, "create Test { id: 1, value: 10 }").to_string();
    let changed = SCHEMA.replace(
        "  value  int64\n",
        "  amount  int64  @was(\"value\")\n  note    string?\n  @@index(amount)\n",
    );
    database.apply_schema(&changed).unwrap();
    let behind = write(&database, "update Test[1] set { amount: 12, note: \"x\" }").to_string();
    for _ in 0..2 {
        assert_eq!(
            read_as_of(&database, "Test as of $t where value = 10", &before).unwrap(),
            r#"[{"id":1,"value":10}]"#
        );
        let now = read_as_of(&database, "Test as of $t where amount = 12", &behind).unwrap();
        assert_eq!(now, r#"[{"id":1,"amount":12,"note":"x"}]"#);
        assert_eq!(read_as_of(&database, "Test where amount = 12 { id }", "").unwrap(), r#"[{"id":1}]"#);
        let unknown = read_as_of(&database, "Test as of $t { amount }", &before).unwrap_err();
        assert_eq!(unknown.code, ErrorCode::UnknownField);
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let database = retaining(Duration::ZERO);
    let first = write(&database, "create Test { id: 1, value: 10 }").to_string();
    let text = "Test as of $t { value }";
    // Versions go when memtables do.
    let (mut last, mut too_old) = (String::new(), None);
    for value in 0..200_000 {
        last = write(&database, &format!("update Test[1] set {{ value: {value} }}")).to_string();
        too_old = read_as_of(&database, text, &first).err();
        if too_old.is_some() {
            write(&database, "update Test[1] set { value: 4 }");
            last = write(&database, "create Test { id: 2, value: 5 }").to_string();
            break;
        }
    }
    let mut error = too_old.unwrap();
    assert_eq!(error.code, ErrorCode::TokenTooOld);
    // The oldest that it names can be read, as can the newest; unless a memtable goes meanwhile, and it names another.
    loop {
        let oldest = error.detail.key.clone().unwrap();
        assert!(error.message.contains(&oldest), "{error}");
        match read_as_of(&database, text, &oldest) {
            Ok(_) => break,
            Err(newer) => {
                assert_eq!(newer.code, ErrorCode::TokenTooOld);
                assert_ne!(newer.detail.key, Some(oldest));
                error = newer;
            }
        }
    }
    assert_eq!(read_as_of(&database, text, &last).unwrap(), r#"[{"value":4},{"value":5}]"#);

    let (history, _) = last.split_once('-').unwrap();
    for (token, code) in [
        ("x", ErrorCode::InvalidValue),
        ("0000000000000007-1", ErrorCode::HistoryDiverged),
        (&format!("{history}-ffffff"), ErrorCode::InvalidValue),
    ] {
        assert_eq!(read_as_of(&database, text, token).unwrap_err().code, code, "{token}");
    }
    let missing = database.session().query(text, &Params::none()).unwrap_err();
    assert_eq!(missing.code, ErrorCode::MissingParameter);
    let number = database.session().query(text, &Params::none().with("t", 7i64)).unwrap_err();
    assert_eq!(number.code, ErrorCode::TypeMismatch);
    let mut transaction = begin(&database, Isolation::Snapshot);
    let inside = transaction.query(text, &Params::none().with("t", last.as_str())).unwrap_err();
    assert_eq!(inside.code, ErrorCode::UnsupportedFeature);
    let locked = "Test as of $t for share";
    assert_eq!(read_as_of(&database, locked, &last).unwrap_err().code, ErrorCode::UnsupportedFeature);
}
