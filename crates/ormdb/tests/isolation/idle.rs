//! Transactions that wait while others write more than the engine remembers of commits.

use super::*;

/// The engine remembers 64 MiB of keys that were written: about so many of these.
const ROWS: usize = 2_200;
const KEY_BYTES: usize = 16 << 10;

/// Others write more than is remembered.
fn write_much(database: &Database, round: u8) {
    let session = database.session();
    for first in (0..ROWS).step_by(100) {
        let rows: Vec<String> = (first..first + 100)
            .map(|row| {
                let name = format!("{round}-{row}-{}", "x".repeat(KEY_BYTES));
                format!("{{ id: {}, name: \"{name}\" }}", usize::from(round) * ROWS + row + 1000)
            })
            .collect();
        session.query(&format!("create Parent [{}]", rows.join(", ")), &Params::none()).unwrap();
    }
    session.query("delete Parent where id >= 1000", &Params::none()).unwrap();
}

/// An idle transaction failed with `serialization_conflict` once others had written 64 MiB of keys, at read committed too,
/// where nothing may conflict.
#[test]
fn who_waited_while_others_wrote_much_goes_on() {
    let database = database();
    let mut waiting = Isolation::ALL.map(|level| begin(&database, level));
    for (at, transaction) in waiting.iter_mut().enumerate() {
        assert_eq!(read(transaction, "id = 2"), [20]);
        run(transaction, &format!("create Test {{ id: {}, value: 1 }}", 10 + at)).unwrap();
    }
    write_much(&database, 0);
    for (at, transaction) in waiting.iter_mut().enumerate() {
        run(transaction, &format!("update Test[{}] set {{ value += 1 }}", 10 + at)).unwrap();
        run(
            transaction,
            &format!("create Parent {{ id: {at}, name: \"{at}\", children: create {{ id: {at} }} }}"),
        )
        .unwrap();
    }
    write_much(&database, 1);
    for transaction in waiting {
        commit(transaction).unwrap();
    }
    assert_eq!(committed(&database), [10, 20, 2, 2, 2]);
}

/// What changed is a conflict as before.
#[test]
fn who_waited_is_told_what_changed() {
    for (level, expected) in [
        (Isolation::ReadCommitted, Ok(())),
        (Isolation::Snapshot, Err(ErrorCode::SerializationConflict)),
        (Isolation::Serializable, Err(ErrorCode::SerializationConflict)),
    ] {
        let database = database();
        let mut waiting = begin(&database, level);
        assert_eq!(read(&mut waiting, "id = 1"), [10]);
        let mut other = begin(&database, Isolation::ReadCommitted);
        set(&mut other, 1, 11).unwrap();
        commit(other).unwrap();
        write_much(&database, 0);
        assert_eq!(run(&mut waiting, "update Test[1] set { value += 100 }").map(drop), expected, "{level}");
        if expected.is_ok() {
            commit(waiting).unwrap();
            assert_eq!(committed(&database), [111, 20]);
        }
    }
}
