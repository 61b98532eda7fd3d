//! Embedded structs and namespaces, from a schema text to the structs of a program. The files of `tests/structs` are a
//! database each; `REWRITE=1 cargo test -p ormdb --test structs` rewrites their outputs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::sync::Arc;

use ordinum::fs::MemoryFs;
use ormdb::{Database, Error, ErrorCode, Options, Outcome, Params, Value};
use serde_json::json;

mod driven;

const SCHEMA: &str = r#"
struct Geo {
  lat  float64  @check(lat >= -90)
  lon  float64
}
struct Address {
  street  string
  city    string?
  zip     string   @default("0000")
  geo     Geo?
}
namespace billing {
  entity Invoice { id int64 @id }
}
namespace sales {
  entity Invoice { id int64 @id }
}
entity User {
  id       int64     @id
  home     Address
  billing  Address?
  @@index(home.city)
}
"#;

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Address {
    street: String,
    city: Option<String>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct User {
    home: Address,
    billing: Option<Address>,
}

fn database() -> Database {
    let mut options = Options::default();
    options.engine.fs = Arc::new(MemoryFs::default());
    let database = Database::open_with("structs.ormdb", options).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    database
}

fn run(database: &Database, text: &str) -> Result<Outcome, Error> {
    database.session().query(text, &Params::none())
}

fn refused(database: &Database, text: &str) -> Error {
    run(database, text).err().unwrap_or_else(|| panic!("{text} was not refused"))
}

#[test]
fn files() {
    driven::walk("tests/structs");
}

#[test]
fn structs_go_in_and_come_out_whole() {
    let database = database();
    run(
        &database,
        r#"create User { id: 1, home: { street: "A", city: "Rome", geo: { lat: 4.5, lon: 2.5 } } }"#,
    )
    .unwrap();
    let Outcome::Fetched(all) =
        run(&database, r#"User where home.city = "Rome" and billing is null"#).unwrap()
    else {
        panic!("a fetch fetches")
    };
    let home = json!({"street": "A", "city": "Rome", "zip": "0000", "geo": {"lat": 4.5, "lon": 2.5}});
    assert_eq!(all.to_json_value().unwrap(), json!([{"id": 1, "home": home, "billing": null}]));
    run(&database, r#"update User[1] set { home.city = "Oslo", billing: { street: "B" } }"#).unwrap();
    let Outcome::Fetched(all) =
        run(&database, "User { home { street, city }, billing { street, city } }").unwrap()
    else {
        panic!("a fetch fetches")
    };
    let address = |street: &str, city: Option<&str>| Address {
        street: street.to_owned(),
        city: city.map(str::to_owned),
    };
    let user = User { home: address("A", Some("Oslo")), billing: Some(address("B", None)) };
    assert_eq!(all.rows::<User>().unwrap(), [user]);
}

#[test]
fn what_a_struct_lacks_is_told_by_its_dotted_name() {
    let database = database();
    let error = refused(&database, r#"create User { id: 1, home: { city: "Rome" } }"#);
    assert_eq!(error.code, ErrorCode::NotNullViolation);
    assert_eq!(error.detail.field.as_deref(), Some("home.street"));
    let error = refused(&database, "User where home = 1");
    assert_eq!(error.code, ErrorCode::TypeMismatch);
    let error = refused(&database, "Invoice");
    assert_eq!(error.code, ErrorCode::UnknownEntity);
    assert!(error.message.contains("`billing.Invoice` or `sales.Invoice`"));
}

#[test]
fn parameters_are_objects() {
    let database = database();
    let session = database.session();
    let given = |json: serde_json::Value| Params::none().with("p", Value::from_json(&json));
    let home = json!({"street": "A", "geo": {"lat": 1, "lon": 2}});
    session.query("create User { id: 1, home: $p }", &given(home)).unwrap();
    session.query("update User[1] set { billing: $p }", &given(json!({"street": "B", "geo": null}))).unwrap();
    let all = session.fetch("User[1]", &Params::none()).unwrap().to_json_value().unwrap();
    let geo = json!({"lat": 1, "lon": 2});
    assert_eq!(
        all,
        json!([{
            "id": 1,
            "home": {"street": "A", "city": null, "zip": "0000", "geo": geo},
            "billing": {"street": "B", "city": null, "zip": "0000", "geo": null},
        }])
    );
    session.query("update User[1] set { billing: $p }", &given(json!(null))).unwrap();
    session.query("update User[1] set { home.geo: $p }", &given(json!({"lat": 5.5, "lon": 1}))).unwrap();
    let all = session.fetch("User { home { geo }, billing }", &Params::none()).unwrap();
    let geo = json!({"lat": 5.5, "lon": 1});
    assert_eq!(all.to_json_value().unwrap(), json!([{"home": {"geo": geo}, "billing": null}]));
    for (wrong, code) in [
        (json!({"stret": "B"}), ErrorCode::UnknownField),
        (json!({"city": "B"}), ErrorCode::NotNullViolation),
        (json!({"street": 4}), ErrorCode::TypeMismatch),
        (json!({"street": {"a": 1}}), ErrorCode::TypeMismatch),
        (json!({"street": "A", "geo": [1]}), ErrorCode::TypeMismatch),
        (json!([1]), ErrorCode::TypeMismatch),
        (json!("text"), ErrorCode::TypeMismatch),
    ] {
        let error = session.query("update User[1] set { home: $p }", &given(wrong.clone())).unwrap_err();
        assert_eq!(error.code, code, "{wrong}: {error}");
    }
    let error = session.query("User where home.geo = $p", &given(json!({"lat": 1}))).unwrap_err();
    assert_eq!(error.code, ErrorCode::TypeMismatch);
}
