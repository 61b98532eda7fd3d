//! Users: their logins, and what a user who only reads may not do.

#![allow(clippy::unwrap_used, reason = "tests")]

use ormdb::{Access, Database, ErrorCode, Params, Result, Session, User};
use ormdb_proto::scram::{ChannelBinding, ClientLogin, Verifier};

fn user(name: &str, access: Access) -> User {
    User { name: name.to_owned(), access }
}

fn login(database: &Database, name: &str, password: &str) -> Result<Session> {
    let client = ClientLogin::new(name, password, [5; 18], ChannelBinding::None)?;
    let login = database.login(&client.first(), ChannelBinding::None)?;
    let (answer, proof) = client.answer(login.challenge())?;
    let (session, last) = login.finish(&answer)?;
    proof.check(&last)?;
    Ok(session)
}

#[test]
fn users_log_in_and_stay_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |database: &Database, name: &str, password: &str| {
        assert_eq!(login(database, name, password).unwrap_err().code, ErrorCode::AuthenticationFailed);
    };
    let salt_of_nobody = |database: &Database| {
        let login = database.login("n,,n=nobody,r=x", ChannelBinding::None).unwrap();
        login.challenge().split(',').nth(1).unwrap().to_owned()
    };
    let database = Database::open(dir.path()).unwrap();
    assert!(!database.has_users().unwrap());
    refused(&database, "ann", "one");
    let verifier = |password: &str| database.verifier(password).unwrap();
    database.add_user(&user("ann", Access::ReadWrite), &verifier("one")).unwrap();
    database.add_user(&user("bob@home", Access::ReadOnly), &verifier("two")).unwrap();
    assert_eq!(login(&database, "ann", "one").unwrap().access(), Access::ReadWrite);
    refused(&database, "ann", "two");
    refused(&database, "nobody", "one");
    let twice = database.add_user(&user("ann", Access::ReadOnly), &verifier("x")).unwrap_err();
    assert_eq!(twice.code, ErrorCode::DuplicateName);
    for name in ["", "a b", "a\0", &"a".repeat(65)] {
        let error = database.add_user(&user(name, Access::ReadOnly), &verifier("x")).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidValue);
    }
    let weak = Verifier { iterations: 1, ..verifier("x") };
    let error = database.add_user(&user("weak", Access::ReadOnly), &weak).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidValue);
    let salt = salt_of_nobody(&database);

    drop(database);
    let database = Database::open(dir.path()).unwrap();
    assert_eq!(salt_of_nobody(&database), salt, "a name that is not there looks the same over a restart");
    let names: Vec<String> = database.users().unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["ann", "bob@home"]);
    database.set_password("ann", &database.verifier("three").unwrap()).unwrap();
    refused(&database, "ann", "one");
    login(&database, "ann", "three").unwrap();
    database.drop_user("ann").unwrap();
    refused(&database, "ann", "three");
    for error in [
        database.drop_user("ann").unwrap_err(),
        database.set_password("ann", &database.verifier("x").unwrap()).unwrap_err(),
    ] {
        assert_eq!(error.code, ErrorCode::RecordNotFound);
    }
    assert_eq!(database.check(10).unwrap().findings.len(), 0);
}

#[test]
fn who_only_reads_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    database.apply_schema("entity A {\n  id  int64  @id\n  n   int64?\n}\n").unwrap();
    let none = Params::none();
    database.session().query("create A { id: 1 }", &none).unwrap();
    database.add_user(&user("eve", Access::ReadOnly), &database.verifier("x").unwrap()).unwrap();
    let session = login(&database, "eve", "x").unwrap();
    assert_eq!(session.fetch("A", &none).unwrap().len(), 1);

    let writes = [
        "create A { id: 2 }",
        "update A[1] set { n: 1 }",
        "upsert A[1] create { id: 1 } update { n: 1 }",
        "delete A",
        "A for update",
    ];
    for text in writes {
        let prepared = session.prepare(text).unwrap();
        let outcomes = [
            session.query(text, &none).map(drop),
            session.run_prepared(&prepared, &none).map(drop),
            session.stream(&prepared, &none, &mut |_| Ok(())).map(drop),
            session.transaction().unwrap().query(text, &none).map(drop),
            session.beside().query(text, &none).map(drop),
        ];
        for outcome in outcomes {
            assert_eq!(outcome.unwrap_err().code, ErrorCode::PermissionDenied, "{text}");
        }
    }
    let mut transaction = session.transaction().unwrap();
    transaction.query("A", &none).unwrap();
    transaction.commit().unwrap();
    assert_eq!(session.apply_schema("").unwrap_err()[0].code, ErrorCode::PermissionDenied);
    let verifier = database.verifier("y").unwrap();
    let outcomes = [
        session.add_user(&user("mallory", Access::ReadWrite), &verifier),
        session.set_password("eve", &verifier),
        session.drop_user("eve"),
        session.users().map(drop),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().code, ErrorCode::PermissionDenied);
    }
    assert_eq!(database.session().fetch("A where n is null", &none).unwrap().len(), 1);
}
