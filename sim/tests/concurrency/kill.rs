//! The same in a process of its own, which is killed again and again: what it was told to be committed is there, what is there
//! is whole, and every invariant holds when the database is opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use ordinum::clock::{Clock, OsClock};
use ormdb::{Database, Error, ErrorCode, Isolation, Outcome, Params, Retry, Session};

use super::workload::{FAMILY_REFUSALS, SCHEMA, accounts, family, json, money_of, open_accounts, transfer};
use super::{THREADS, minutes, seed};

const DIRECTORY: &str = "ORMDB_ISOLATION_DIRECTORY";
const GENERATION: &str = "ORMDB_ISOLATION_GENERATION";
const LISTS: i64 = 6;
const COUNTERS: i64 = 3;
/// How often it is killed where nothing is said.
const KILLS: u64 = 4;
/// Then a new database begins, so that lists stay short.
const KILLS_PER_DATABASE: u64 = 24;
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
            let first = (generation * THREADS as i64 + at) * VALUES_PER_THREAD;
            scope.spawn(move || work(database, level_of(generation), first));
        }
    });
}

/// The level at which a process works.
fn level_of(generation: i64) -> Isolation {
    Isolation::ALL[generation as usize % Isolation::ALL.len()]
}

/// Moves money, appends to lists, counts and claims names, and tells what was committed, until it is killed; between, parents come
/// and go.
fn work(database: &Database, level: Isolation, first: i64) {
    let session = database.session().with_retry(Retry { retries_max: 200, ..Retry::default() });
    let mut random = fastrand::Rng::with_seed(first as u64);
    for value in first..first + VALUES_PER_THREAD {
        let texts = family(&mut random);
        let related = session.transact_with(level, |transaction| {
            texts.iter().try_for_each(|text| transaction.query(text, &Params::none()).map(drop))
        });
        if let Err(error) = related
            && !is_conflict(&error)
            && !FAMILY_REFUSALS.contains(&error.code)
        {
            return tell(&format!("violation {error:?}"));
        }
        let (from, to) = (random.i64(0..accounts()), random.i64(0..accounts()));
        let (list, amount) = (random.i64(0..LISTS), random.i64(1..30));
        let written = session.transact_with(level, |transaction| {
            let append = format!("update List[{list}] set {{ items: items || [{value}] }}");
            transaction.query(&append, &Params::none())?;
            let claim = format!("create Claim {{ email: \"{value}\", owner: {list} }}");
            transaction.query(&claim, &Params::none())?;
            let count = format!("update Counter[{}] set {{ n += 1 }}", list % COUNTERS);
            transaction.query(&count, &Params::none())?;
            transaction.savepoint("money")?;
            match if from == to { Ok(()) } else { transfer(transaction, from, to, amount) } {
                // There is not enough of it.
                Err(error) if error.code == ErrorCode::CheckViolation => transaction.rollback_to("money"),
                done => done,
            }
        });
        match written {
            Ok(()) => tell(&format!("done {list} {value}")),
            Err(error) if is_conflict(&error) => {}
            Err(error) => return tell(&format!("violation {error:?}")),
        }
    }
}

fn is_conflict(error: &Error) -> bool {
    matches!(error.code, ErrorCode::SerializationConflict | ErrorCode::Deadlock)
}

/// One write, so that a line is whole or not there.
fn tell(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

#[test]
fn a_process_that_is_killed_breaks_nothing() {
    let (seed, clock) = (seed(), OsClock::default());
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = minutes().unwrap_or(Duration::ZERO);
    let mut by_level = Isolation::ALL.map(|level| (level, 0));
    let (mut generation, mut all_told) = (0, 0);
    while generation < KILLS || clock.monotonic() < whole {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let money = set_up(&path);
        let mut told: BTreeMap<i64, i64> = BTreeMap::new();
        for _ in 0..KILLS_PER_DATABASE {
            if generation >= KILLS && clock.monotonic() >= whole {
                break;
            }
            let before = told.len();
            run_and_kill(&path, generation, random.usize(20..600), &mut told);
            let database = Database::open(&path).unwrap();
            verify(&database.session(), &told, money, generation as i64);
            let report = database.check(10).unwrap();
            assert_eq!(report.findings_total, 0, "kill {generation}: {:?}", report.findings);
            by_level[generation as usize % Isolation::ALL.len()].1 += told.len() - before;
            generation += 1;
        }
        all_told += told.len();
    }
    println!("{generation} kills, {all_told} transactions were told of, no violation");
    by_level.iter().for_each(|(level, told)| println!("{level}: {told} transactions"));
    assert!(all_told > THREADS);
}

/// Makes the database; returns the money that is in it.
fn set_up(path: &Path) -> i64 {
    let database = Database::open(path).unwrap();
    database.apply_schema(SCHEMA).unwrap();
    let session = database.session();
    for id in 0..LISTS {
        session.query(&format!("create List {{ id: {id}, items: [] }}"), &Params::none()).unwrap();
    }
    for id in 0..COUNTERS {
        session.query(&format!("create Counter {{ id: {id}, n: 0 }}"), &Params::none()).unwrap();
    }
    open_accounts(&session)
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
    for row in all("Counter { id, n }") {
        let id = row["id"].as_i64().unwrap();
        let counted = listed.values().filter(|list| *list % COUNTERS == id).count();
        assert_eq!(row["n"].as_i64(), Some(counted as i64), "kill {generation}: counter {id}");
    }
    for entity in ["Child", "Pet"] {
        let orphan = all(&format!("{entity} {{ id, parent {{ id }} }}"));
        let orphan = orphan.iter().find(|row| row["parent"].is_null());
        assert!(orphan.is_none(), "kill {generation}: {entity} {orphan:?} has no parent");
    }
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
