use std::sync::Arc;

use ordinum::fs::MemoryFs;
use ordinum::{FamilyOptions, Options};

use super::*;

const ENTITY: EntityId = EntityId(1);
const FIELD: FieldId = FieldId(1);

fn open(fs: &Arc<MemoryFs>) -> Sequences {
    let options = Options { fs: fs.clone(), ..Options::default() };
    let db = Db::open("/db", options).unwrap();
    let family = match db.column_family("system") {
        Some(family) => family,
        None => db.create_column_family("system", FamilyOptions::default()).unwrap(),
    };
    Sequences::new(db, family)
}

#[test]
fn numbers_are_given_once() {
    let fs = Arc::new(MemoryFs::default());
    let sequences = open(&fs);
    assert_eq!(sequences.next(ENTITY, FIELD).unwrap(), 1);
    assert_eq!(sequences.next(ENTITY, FIELD).unwrap(), 2);
    assert_eq!(sequences.next(EntityId(2), FIELD).unwrap(), 1);
    sequences.pass(ENTITY, FIELD, 500).unwrap();
    sequences.pass(ENTITY, FIELD, 7).unwrap();
    assert_eq!(sequences.next(ENTITY, FIELD).unwrap(), 501);
    drop(sequences);
    // Without settling, as after a crash, the reserved block is skipped.
    let after = open(&fs).next(ENTITY, FIELD).unwrap();
    assert!(after > 501, "{after}");
}

#[test]
fn settled_sequences_go_on_without_a_gap() {
    let fs = Arc::new(MemoryFs::default());
    let sequences = open(&fs);
    for want in 1..=100 {
        assert_eq!(sequences.next(ENTITY, FIELD).unwrap(), want);
    }
    sequences.settle().unwrap();
    assert_eq!(sequences.next(ENTITY, FIELD).unwrap(), 101);
    sequences.settle().unwrap();
    drop(sequences);
    assert_eq!(open(&fs).next(ENTITY, FIELD).unwrap(), 102);
}

#[test]
fn threads_share_no_number() {
    let sequences = Arc::new(open(&Arc::new(MemoryFs::default())));
    let take = |sequences: Arc<Sequences>| -> Vec<i64> {
        (0..500).map(|_| sequences.next(ENTITY, FIELD).unwrap()).collect()
    };
    let mut all: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| sequences.clone()).map(|s| scope.spawn(move || take(s))).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    all.sort_unstable();
    assert_eq!(all, (1..=2000).collect::<Vec<i64>>());
}

#[test]
fn a_sequence_ends_with_an_error() {
    let sequences = open(&Arc::new(MemoryFs::default()));
    sequences.pass(ENTITY, FIELD, i64::MAX - 1).unwrap();
    assert_eq!(sequences.next(ENTITY, FIELD).unwrap_err().code, ErrorCode::NumericOverflow);
}
