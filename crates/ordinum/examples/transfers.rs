//! Money moves between accounts on four threads, in serializable transactions. The sum stays what it was.

#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::sync::atomic::{AtomicU64, Ordering};

use ordinum::{Batch, ColumnFamily, Db, Durability, ErrorKind, KeyRange, Options, Reader, Result};

const ACCOUNTS: u64 = 10;
const THREADS: u64 = 4;
const TRANSFERS_PER_THREAD: u64 = 500;
const OPENING_BALANCE: u64 = 1_000;

fn account(number: u64) -> [u8; 8] {
    // Bytes sort as the numbers do.
    number.to_be_bytes()
}

fn balance(reader: &impl Reader, accounts: &ColumnFamily, number: u64) -> Result<u64> {
    let value = reader.get(accounts, &account(number))?;
    Ok(value.and_then(|bytes| bytes[..].try_into().ok()).map_or(0, u64::from_le_bytes))
}

/// Moves an amount, if there is so much; the transaction may have to be run again.
fn transfer(db: &Db, accounts: &ColumnFamily, from: u64, to: u64, amount: u64) -> Result<()> {
    let mut txn = db.transaction();
    let (left, right) = (balance(&txn, accounts, from)?, balance(&txn, accounts, to)?);
    if from == to || left < amount {
        return Ok(());
    }
    txn.put(accounts, &account(from), &(left - amount).to_le_bytes())?;
    txn.put(accounts, &account(to), &(right + amount).to_le_bytes())?;
    txn.commit(Durability::Buffered)?;
    Ok(())
}

/// The transfers of one thread; returns how often one had to be run again.
fn teller(db: &Db, accounts: &ColumnFamily, thread: u64) -> Result<u64> {
    let mut retries = 0;
    for number in 0..TRANSFERS_PER_THREAD {
        let (from, to) = ((thread + number) % ACCOUNTS, (thread * 3 + number * 7) % ACCOUNTS);
        while let Err(error) = transfer(db, accounts, from, to, 1 + number % 50) {
            if error.kind() != ErrorKind::Retry {
                return Err(error);
            }
            retries += 1;
        }
    }
    Ok(retries)
}

fn sum(db: &Db, accounts: &ColumnFamily) -> Result<u64> {
    let mut cursor = db.cursor(accounts, KeyRange::all())?;
    let (mut total, mut more) = (0, cursor.first()?);
    while more {
        total += cursor.value()?.try_into().map_or(0, u64::from_le_bytes);
        more = cursor.next()?;
    }
    Ok(total)
}

pub(crate) fn main() -> Result<()> {
    let path = std::env::temp_dir().join(format!("ordinum-transfers-{}", std::process::id()));
    let db = Db::open(&path, Options::default())?;
    let accounts = db.default_column_family();
    let mut batch = Batch::new();
    for number in 0..ACCOUNTS {
        batch.put(&accounts, &account(number), &OPENING_BALANCE.to_le_bytes())?;
    }
    db.write(batch, Durability::Synced)?;

    let retries = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let tellers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (db, accounts, retries) = (&db, &accounts, &retries);
                scope.spawn(move || {
                    retries.fetch_add(teller(db, accounts, thread)?, Ordering::Relaxed);
                    Result::Ok(())
                })
            })
            .collect();
        tellers.into_iter().try_for_each(|teller| teller.join().expect("no teller panics"))
    })?;

    let total = sum(&db, &accounts)?;
    println!(
        "{} transfers, {} of them run again; {ACCOUNTS} accounts hold {total}",
        THREADS * TRANSFERS_PER_THREAD,
        retries.into_inner()
    );
    assert_eq!(total, ACCOUNTS * OPENING_BALANCE);
    db.close()?;
    std::fs::remove_dir_all(&path).ok();
    Ok(())
}
