//! `cargo xtask kills`: clients of every language write to one server, which is killed and started again under them, round after
//! round; what is there is compared with their journals. conformance/kills/README.md tells what the clients do.
//!
//! Invariants: (1) a client is never started anew: its pool recovers, or the run fails; (2) what a client was told is in its journal
//! before it goes on, so that nothing acknowledged is missing from what is compared; (3) every wait has a bound.

mod clients;
mod found;
mod journal;
mod server;

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use self::clients::Clients;
use self::server::Server;
use crate::stages::node::Node;
use crate::stages::{Outcome, cargo, now, passes, python, target_directory};

const USAGE: &str = "usage: cargo xtask kills [--rounds N] [--seed S]";
/// The rounds where none are given.
const ROUNDS_DEFAULT: u64 = 100;
/// The rounds of the stage.
const ROUNDS_OF_STAGE: u64 = 5;
/// The seed where none is given.
const SEED_DEFAULT: u64 = 1;
/// So many rounds after each other, the database is looked at.
const ROUNDS_BETWEEN_LOOKS: u64 = 10;
/// The most writes that are acknowledged between a start and a kill, beyond one of each client.
const WRITES_MAX: u64 = 60;
/// By when each client has to have a write through behind a start of the server.
const RECOVERED_BY: Duration = Duration::from_secs(60);

/// What the run needs.
struct Programs {
    server: PathBuf,
    rust: PathBuf,
    python: PathBuf,
    node: PathBuf,
}

/// Runs it with the arguments of the command line.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    let (mut rounds, mut seed) = (ROUNDS_DEFAULT, SEED_DEFAULT);
    let (pairs, rest) = args.as_chunks::<2>();
    for [option, value] in pairs {
        match (option.as_str(), value.parse()) {
            ("--rounds", Ok(number)) => rounds = number,
            ("--seed", Ok(number)) => seed = number,
            _ => return misused(),
        }
    }
    if !rest.is_empty() {
        return misused();
    }
    if of_rounds(root, rounds, seed).passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Some rounds, as a stage of `cargo xtask test`.
pub(crate) fn stage(root: &Path) -> Outcome {
    of_rounds(root, ROUNDS_OF_STAGE, SEED_DEFAULT)
}

fn of_rounds(root: &Path, rounds: u64, seed: u64) -> Outcome {
    let done = prepared(root).and_then(|programs| drill(root, &programs, rounds, seed));
    let (passed, line) = match done {
        Ok(summary) => (true, summary),
        Err(why) => (false, format!("kills of seed {seed}: {why}")),
    };
    println!("{line}");
    Outcome { passed, closing_lines: vec![line] }
}

/// Builds the server, and a client of each language.
fn prepared(root: &Path) -> Result<Programs, String> {
    let target = PathBuf::from(target_directory(root));
    let built = target.join("debug");
    let mut build = cargo(root);
    // The same packages as in the stages before, so that what they have built is not built once more.
    build.args([
        "build",
        "--profile",
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--example",
        "kills",
    ]);
    let python = python::installed(root)?;
    if !passes(&mut build) {
        return Err("the server and the clients could not be built".to_owned());
    }
    let node = Node::found(&target).ok_or("Node is missing")?;
    if !passes(&mut node.install(&root.join("bindings/node"), &built)) {
        return Err(format!("{DLL_PREFIX}ormdb_node{DLL_SUFFIX} could not be installed"));
    }
    Ok(Programs {
        server: built.join(format!("ormdb{EXE_SUFFIX}")),
        rust: built.join(format!("examples/kills{EXE_SUFFIX}")),
        python,
        node: node.place(),
    })
}

fn drill(root: &Path, programs: &Programs, rounds: u64, seed: u64) -> Result<String, String> {
    let here = root.join("conformance/kills");
    let place = PathBuf::from(target_directory(root)).join("kills");
    let told = |error: std::io::Error| format!("{}: {error}", place.display());
    if place.exists() {
        std::fs::remove_dir_all(&place).map_err(told)?;
    }
    std::fs::create_dir_all(&place).map_err(told)?;
    let database = place.join("db");
    let mut server = Server::start(&programs.server, &database, "127.0.0.1:0")?;
    server.apply(&here.join("schema.ormdb"))?;
    let clients = Clients::start(programs, &here, server.url())?;
    let mut random = Random(seed);
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        let writes = random.below(WRITES_MAX);
        let started = now();
        clients.wait(RECOVERED_BY, writes).map_err(|why| format!("round {round}: {why}"))?;
        slowest = slowest.max(clients.recovered_after(started));
        server.kill()?;
        if round % ROUNDS_BETWEEN_LOOKS == 0 || round == rounds {
            look(programs, &database, &place, &clients).map_err(|why| format!("round {round}: {why}"))?;
            println!("round {round} of {rounds}: {}", clients.totals());
        }
        server = server.again()?;
    }
    clients.wait(RECOVERED_BY, WRITES_MAX)?;
    clients.stop()?;
    server.kill()?;
    let there = look(programs, &database, &place, &clients)?;
    let totals = clients.totals();
    Ok(format!(
        "{rounds} kills (seed {seed}): {totals}; {there} graphs are there, every client wrote again at most {:.1} s after a kill",
        slowest.as_secs_f64()
    ))
}

/// Compares what a server that was killed left with the journals; the number of graphs that are there.
fn look(programs: &Programs, database: &Path, place: &Path, clients: &Clients) -> Result<usize, String> {
    // What is acknowledged later than this was not necessarily there.
    let journals = clients.journals();
    let found = found::read(&programs.server, database, &place.join("export"))?;
    journals.iter().try_for_each(|journal| journal.compare(&found))?;
    found.names().try_for_each(|name| match journals.iter().any(|journal| journal.has_begun(name)) {
        true => Ok(()),
        false => Err(format!("{name} is there, and nobody wrote it")),
    })?;
    Ok(found.names().count())
}

/// Numbers that a seed repeats (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
