//! The simulator as a program: `torture` runs seeds for a while, `replay` runs a script.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its terminal")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ordinum::Durability;
use ormdb_sim::script::Script;
use ormdb_sim::torture::{Finding, Tally, plan_of_transactions, torture};
use ormdb_sim::{database, soak, writer};

const USAGE: &str = "\
usage: ormdb-sim torture [--minutes N | --seconds N] [--seed S]   random scripts beside the model, seed after seed
       ormdb-sim transactions SEED                                the transactions of a seed, with all that is done
       ormdb-sim soak [--minutes N | --seconds N] [--picture FILE]  a mixed load on the disk of this machine, within bounds
       ormdb-sim replay FILE                                      one script
       ormdb-sim write DIRECTORY synced|buffered                  writes until it is killed, and tells of each commit
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["torture", rest @ ..] => match Asked::parse(rest) {
            Some(asked) => run_torture(&asked),
            None => usage(),
        },
        ["transactions", seed] => seed.parse().map_or_else(|_| usage(), transactions),
        ["soak", rest @ ..] => run_soak(rest),
        ["replay", file] => replay(file),
        ["write", directory, "synced"] => write(directory, Durability::Synced),
        ["write", directory, "buffered"] => write(directory, Durability::Buffered),
        _ => usage(),
    }
}

fn write(directory: &str, durability: Durability) -> ExitCode {
    match writer::write_for_ever(Path::new(directory), durability) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            println!("{}", writer::line_of(&stop));
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

struct Asked {
    seed: u64,
    time: Duration,
}

impl Asked {
    fn parse(words: &[&str]) -> Option<Asked> {
        let mut asked = Asked { seed: 0, time: Duration::from_secs(60) };
        for pair in words.chunks(2) {
            let [name, number] = pair else { return None };
            let number: u64 = number.parse().ok()?;
            match *name {
                "--minutes" => asked.time = Duration::from_secs(number * 60),
                "--seconds" => asked.time = Duration::from_secs(number),
                "--seed" => asked.seed = number,
                _ => return None,
            }
        }
        Some(asked)
    }
}

fn run_torture(asked: &Asked) -> ExitCode {
    println!("seeds from {} on, for {} seconds", asked.seed, asked.time.as_secs());
    let done = torture(asked.seed, asked.time, |seed, tally| {
        if tally.seeds.is_multiple_of(1000) {
            println!("seed {seed}: {}", told(tally));
        }
    });
    match done {
        Ok(tally) => {
            println!("seeds {}..{} found nothing: {}", asked.seed, asked.seed + tally.seeds, told(&tally));
            ExitCode::SUCCESS
        }
        Err(finding) => {
            let Finding { seed, what, script } = *finding;
            println!("# seed {seed}: {what}\n{script}");
            ExitCode::FAILURE
        }
    }
}

fn transactions(seed: u64) -> ExitCode {
    match database::run(seed, plan_of_transactions(seed), &mut |line| println!("{line}")) {
        Ok(outcome) => {
            println!("nothing: {outcome}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}

fn run_soak(words: &[&str]) -> ExitCode {
    let (pictures, rest): (Vec<_>, Vec<_>) =
        words.chunks(2).partition(|pair| pair.first() == Some(&"--picture"));
    let Some(asked) = Asked::parse(&rest.concat()) else { return usage() };
    let mut looks = 0;
    let done = soak::soak(&std::env::temp_dir(), asked.time, &mut |look| {
        looks += 1;
        if looks % 18 == 0 {
            println!(
                "{:6.0} s  {:4} MiB of memory  {:3} files  {:5} MiB on disk  {} commits",
                look.seconds,
                look.memory >> 20,
                look.files,
                look.space >> 20,
                look.commits
            );
        }
    });
    let soaked = match done {
        Ok(soaked) => soaked,
        Err(stop) => {
            println!("{stop}");
            return ExitCode::FAILURE;
        }
    };
    let commits = soaked.looks.last().map_or(0, |look| look.commits);
    let told = format!(
        "{commits} commits, {} reads, {} compactions, {} checkpoints",
        soaked.reads, soaked.compactions, soaked.checkpoints
    );
    println!("within its bounds: {told}");
    if let Some([_, file]) = pictures.first() {
        let minutes = asked.time.as_secs_f64() / 60.0;
        let picture = soak::plot(&format!("{minutes:.0} minutes: {told}"), &soak::series(&soaked));
        if let Err(error) = std::fs::write(file, picture) {
            println!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn told(tally: &Tally) -> String {
    let outcome = &tally.outcome;
    format!(
        "{} seeds, {} operations, {} crashes, {} states of the disk, {} faults, {} changes of files, {} compared; \
         {} databases of the engine with {} damages, {} on it with {}; transactions: {}",
        tally.seeds,
        outcome.ops,
        outcome.crashes,
        outcome.states,
        outcome.faults,
        outcome.file_ops,
        tally.compared,
        tally.damage.databases,
        tally.damage.damages,
        tally.damaged.databases,
        tally.damaged.damages,
        tally.database
    )
}

fn replay(file: &str) -> ExitCode {
    let script = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let done = script.and_then(|text| text.parse::<Script>()).and_then(|script| ormdb_sim::run(&script));
    match done {
        Ok(outcome) => {
            println!("nothing: {outcome:?}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}
