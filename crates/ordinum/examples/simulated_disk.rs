//! The power fails in the middle of a write, on a disk that is simulated. What was synced is there afterwards.

#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::sync::Arc;

use ordinum::fs::{Fault, FaultFs, MemoryFs, PowerLoss};
use ordinum::{Background, Batch, Db, Durability, Options, Reader, Result};

fn open(fs: &FaultFs) -> Result<Db> {
    let options = Options { fs: Arc::new(fs.clone()), background: Background::Manual, ..Options::default() };
    Db::open("/simulated", options)
}

fn write(db: &Db, key: &[u8]) -> Result<()> {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), key, b"written")?;
    db.write(batch, Durability::Synced)?;
    Ok(())
}

pub(crate) fn main() -> Result<()> {
    let disk = MemoryFs::new();
    let fs = FaultFs::new(Arc::new(disk.clone()));
    let db = open(&fs)?;
    write(&db, b"first")?;

    fs.fail_after(1, Fault::PowerCut);
    let refused = write(&db, b"second").expect_err("the power is cut in the middle of it");
    println!("the second write: {refused}");
    drop(db);

    // What was not synced is gone, or torn.
    disk.lose_power(PowerLoss::LoseUnsynced);
    fs.clear();
    let db = open(&fs)?;
    let family = db.default_column_family();
    let (first, second) = (db.get(&family, b"first")?, db.get(&family, b"second")?);
    println!("after the power is back: first {first:?}, second {second:?}");
    assert_eq!(first.as_deref(), Some(&b"written"[..]));
    // It was never acknowledged.
    assert!(second.is_none());
    write(&db, b"third")?;
    db.close()
}
