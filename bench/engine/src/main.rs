//! Runs the same workloads on Ordinum and on the engines that it is measured against.
//!
//! The program starts itself again for every engine, data set and round, so that memory and CPU time are one engine's;
//! what such a process measures it prints as lines of JSON, from which the first process makes the tables.

mod bars;
mod engines;
mod histogram;
mod keys;
mod measurement;
mod options;
mod process;
mod report;
mod rounds;
mod session;
mod syncs;
mod workloads;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use engines::Result;
use options::Options;

/// Of every engine alike: those in C and C++ come to it too, because the program exports `malloc`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = Options::parse().settled();
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("engine-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    if !options.report.is_empty() {
        let measurements = rounds::read(&options.report)?;
        print!("{}", report::of(&measurements));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(engine) = options.child else { return rounds::run(options) };
    let wanted = options.dataset.as_deref().unwrap_or_default();
    let request = workloads::Request {
        engine,
        round: options.round,
        sizes: options.sizes(),
        tuning: options.tuning(),
        directory: &options.dir,
        workloads: options
            .workloads()?
            .into_iter()
            .filter(|chosen| chosen.dataset.name() == wanted)
            .collect(),
    };
    if options.fill_log {
        workloads::fill_log(&request)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut stdout = std::io::stdout();
    workloads::run(&request, &mut |measurement| {
        writeln!(stdout, "{}", serde_json::to_string(measurement)?)?;
        Ok(stdout.flush()?)
    })?;
    Ok(ExitCode::SUCCESS)
}
