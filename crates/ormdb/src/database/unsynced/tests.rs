use std::time::Duration;

use ormdb_proto::ir::Params;

use crate::{Database, Options};

/// A change of the schema lets nobody commit, and reads go on: whoever asks for a brief write has reads to serve on the same thread, and was
/// once held up until the change was done.
#[test]
fn a_brief_write_does_not_wait_for_who_commits_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open_with(directory.path().join("db"), Options::default()).unwrap();
    database.apply_schema("entity Note { id int64 @id }").unwrap();
    let session = database.session();
    let create = session.prepare("create Note { id: 1 }").unwrap();
    let brief = || session.write_briefly(&create, &Params::none(), Duration::from_secs(60)).unwrap();
    let alone = database.inner.commits.write();
    assert!(brief().is_none());
    drop(alone);
    assert_eq!(brief().unwrap().durable().unwrap().created, 1);
}
