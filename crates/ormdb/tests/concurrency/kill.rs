//! The same in a process of its own, which is killed again and again: what it was told to be committed is there, what is there
//! is whole, and every invariant holds when the database is opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use ordinum::clock::{Clock, OsClock};
use ormdb::{Database, ErrorCode, Isolation, Outcome, Params, Retry, Session};

use super::workload::{SCHEMA, accounts, json, money_of, open_accounts, transfer};
use super::{THREADS, minutes, seed};

const DIRECTORY: &str = "ORMDB_ISOLATION_DIRECTORY";
const GENERATION: &str = "ORMDB_ISOLATION_GENERATION";
const LISTS: i64 = 6;
/// How often it is killed where nothing is said.
const KILLS: u64 = 4;
/// The transactions of one thread in one process are fewer than this.
const VALUES_PER_THREAD: i64 = 1 << 24;

/// Not a test by itself: what the process does that is killed. Alone it does nothing.
#[test]
fn the_process_that_is_killed() {
    let (Ok(directory), Ok(generation)) = (env::var(DIRECTORY), env::var(GENERATION)) else { return };
    let generation: i64 = generation.parse().unwrap();
    let database = Database::open(directory).unwrap();
    thread::scope(|scope| {
        for at in 0..THREADS as i64 {
            let database = &database;
            scope.spawn(move || work(database, (generation * THREADS as i64 + at) * VALUES_PER_THREAD, at));
        }
    });
}

/// Moves money, appends to lists and claims names, and tells what was committed, until it is killed.
fn work(database: &Database, first: i64, at: i64) {
    let session = database.session().with_retry(Retry { retries_max: 200, ..Retry::default() });
    let level = Isolation::ALL[at as usize % Isolation::ALL.len()];
    let mut random = fastrand::Rng::with_seed(first as u64);
    for value in first..first + VALUES_PER_THREAD {
        let (from, to) = (random.i64(0..accounts()), random.i64(0..accounts()));
        let (list, amount) = (random.i64(0..LISTS), random.i64(1..30));
        let written = session.transact_with(level, |transaction| {
            let append = format!("update List[{list}] set {{ items: items || [{value}] }}");
            transaction.query(&append, &Params::none())?;
            let claim = format!("create Claim {{ email: \"{value}\", owner: {list} }}");
            transaction.query(&claim, &Params::none())?;
            transaction.savepoint("money")?;
            match if from == to { Ok(()) } else { transfer(transaction, from, to, amount) } {
                // There is not enough of it.
                Err(error) if error.code == ErrorCode::CheckViolation => transaction.rollback_to("money"),
                done => done,
            }
        });
        match written {
            // One write, so that a line is whole or not there.
            Ok(()) => std::io::stdout().write_all(format!("\ndone {list} {value}\n").as_bytes()).unwrap(),
            Err(error) if matches!(error.code, ErrorCode::SerializationConflict | ErrorCode::Deadlock) => {}
            Err(error) => {
                std::io::stdout().write_all(format!("\nviolation {error:?}\n").as_bytes()).unwrap();
                return;
            }
        }
    }
}

#[test]
fn a_process_that_is_killed_breaks_nothing() {
    let (seed, clock) = (seed(), OsClock::default());
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = minutes().unwrap_or(Duration::ZERO);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let money = {
        let database = Database::open(&path).unwrap();
        database.apply_schema(SCHEMA).unwrap();
        let session = database.session();
        for id in 0..LISTS {
            session.query(&format!("create List {{ id: {id}, items: [] }}"), &Params::none()).unwrap();
        }
        open_accounts(&session)
    };
    let mut told: BTreeMap<i64, i64> = BTreeMap::new();
    let mut generation = 0;
    while generation < KILLS || clock.monotonic() < whole {
        run_and_kill(&path, generation, random.usize(20..600), &mut told);
        let database = Database::open(&path).unwrap();
        verify(&database.session(), &told, money, generation as i64);
        let report = database.check(10).unwrap();
        assert_eq!(report.findings_total, 0, "kill {generation}: {:?}", report.findings);
        generation += 1;
    }
    println!("{generation} kills, {} transactions were told of, no violation", told.len());
    assert!(told.len() > THREADS);
}

/// Starts the process, and kills it when it told of so many transactions.
fn run_and_kill(path: &Path, generation: u64, enough: usize, told: &mut BTreeMap<i64, i64>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::the_process_that_is_killed", "--nocapture", "--test-threads", "1"])
        .env(DIRECTORY, path)
        .env(GENERATION, generation.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut seen) = (Vec::new(), 0);
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        let text = String::from_utf8_lossy(&line).into_owned();
        line.clear();
        assert!(!text.starts_with("violation"), "{text}");
        // The last line may be cut.
        let Some(done) = text.strip_prefix("done ").and_then(|rest| rest.strip_suffix('\n')) else {
            continue;
        };
        let (list, value) = done.split_once(' ').unwrap();
        told.insert(value.parse().unwrap(), list.parse().unwrap());
        seen += 1;
        if seen == enough {
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(seen >= enough, "the process ended by itself, {status}, after {seen} transactions");
}

fn verify(session: &Session, told: &BTreeMap<i64, i64>, money: i64, generation: i64) {
    let all = |text: &str| match session.query(text, &Params::none()).unwrap() {
        Outcome::Fetched(graph) => json(&graph),
        other => panic!("{text} gave {other:?}"),
    };
    assert_eq!(money_of(&all("Account { balance }")), money, "kill {generation}: money came or went");
    let claims: BTreeMap<i64, i64> = all("Claim { email, owner }")
        .iter()
        .map(|row| (row["email"].as_str().unwrap().parse().unwrap(), row["owner"].as_i64().unwrap()))
        .collect();
    let mut listed: BTreeMap<i64, i64> = BTreeMap::new();
    for row in all("List { id, items }") {
        for item in row["items"].as_array().unwrap() {
            let before = listed.insert(item.as_i64().unwrap(), row["id"].as_i64().unwrap());
            assert_eq!(before, None, "kill {generation}: {item} stands twice");
        }
    }
    assert_eq!(claims, listed, "kill {generation}: a transaction is there by halves");
    for (value, list) in told {
        assert_eq!(listed.get(value), Some(list), "kill {generation}: {value} was committed and is gone");
    }
    // Of each thread of each process, at most one was committed and not told of.
    let untold = listed.keys().filter(|value| !told.contains_key(value));
    let threads: Vec<i64> = untold.map(|value| value / VALUES_PER_THREAD).collect();
    let different: BTreeSet<i64> = threads.iter().copied().collect();
    assert_eq!(different.len(), threads.len(), "kill {generation}: more is there than was done");
    assert!(different.iter().all(|thread| thread / THREADS as i64 <= generation));
}
