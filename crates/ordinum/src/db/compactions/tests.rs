use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::fs::MemoryFs;
use crate::options::Background;
use crate::{Db, Options};

/// What changes a family behind the levels that a choice is made from has it looked at again.
#[test]
fn a_change_while_a_compaction_is_picked_is_not_missed() {
    let fs = Arc::new(MemoryFs::new());
    let db = Db::open("/db", Options { fs, background: Background::Manual, ..Options::default() }).unwrap();
    let family = db.default_column_family();
    let changed = &family.family.changed;
    changed.store(true, Ordering::Release);
    let compactions = Compactions::new();
    let turn = compactions.turn(vec![family.clone()], |family, _, _| {
        assert!(!family.family.changed.load(Ordering::Acquire), "taken note of before the levels were");
        family.family.changed.store(true, Ordering::Release);
        None
    });
    assert!(turn.is_none());
    assert!(changed.load(Ordering::Acquire));
}
