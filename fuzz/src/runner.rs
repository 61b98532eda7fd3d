//! Runs targets one after the other, each in a child process, and says which failed.
//!
//! Invariants: a child that ends in any way but well is a failure of its target, and the input that it ran last is
//! kept as a finding.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::corpus;
use crate::options::Options;
use crate::targets::{TARGETS, Target};
use crate::worker::{self, Work};

/// Seconds for each target where the caller names none.
const SECONDS_DEFAULT: u64 = 10;

/// Does what the options ask for; false if an input failed.
///
/// # Errors
/// A sentence, if the run could not be made at all.
pub fn run(options: &Options) -> Result<bool, String> {
    if options.list {
        for target in TARGETS {
            println!("{}", target.name);
        }
        return Ok(true);
    }
    let targets = chosen(options.target.as_deref())?;
    let in_words = |error: io::Error| error.to_string();
    match (&options.input, &options.worker, targets.as_slice()) {
        (Some(input), _, [target]) => run_input(target, input),
        (None, Some(scratch), [target]) => {
            let inputs = work(target, options).and_then(|work| work.run(scratch)).map_err(in_words)?;
            println!("{:12} {inputs} inputs", target.name);
            Ok(true)
        }
        _ => run_children(&targets, options).map_err(in_words),
    }
}

fn chosen(name: Option<&str>) -> Result<Vec<&'static Target>, String> {
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| name.is_none_or(|name| name == target.name)).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        return Err(format!("no target {}; there are {}", name.unwrap_or("at all"), known.join(", ")));
    }
    Ok(chosen)
}

fn run_input(target: &Target, path: &Path) -> Result<bool, String> {
    let input = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match worker::check(target, &input) {
        Ok(()) => println!("{}: passed", target.name),
        Err(failure) => {
            println!("{}: {failure}", target.name);
            return Ok(false);
        }
    }
    Ok(true)
}

fn work(target: &'static Target, options: &Options) -> io::Result<Work> {
    let corpus = corpus::load(&options.corpus, target)?;
    let time = Duration::from_secs(options.seconds.unwrap_or(SECONDS_DEFAULT));
    Ok(Work { target, corpus, seed: options.seed, time })
}

fn run_children(targets: &[&'static Target], options: &Options) -> io::Result<bool> {
    println!("seed {}", options.seed);
    let count = u64::try_from(targets.len()).unwrap_or(u64::MAX).max(1);
    let seconds = match options.seconds_total {
        Some(total) => (total / count).max(1),
        None => options.seconds.unwrap_or(SECONDS_DEFAULT),
    };
    std::fs::create_dir_all(&options.findings)?;
    let mut failed = 0_usize;
    for target in targets {
        let scratch = options.findings.join(format!(".running-{}-{}", target.name, std::process::id()));
        let status = run_child(target, options, seconds, &scratch)?;
        if !status.success() {
            failed += 1;
            let input = std::fs::read(&scratch)?;
            let path = corpus::keep_finding(&options.findings, target.name, &input)?;
            println!(
                "{}: FAILED ({status}), seed {}, input kept in {}",
                target.name,
                options.seed,
                path.display()
            );
        }
        std::fs::remove_file(&scratch)?;
    }
    println!("fuzz: {} passed, {failed} failed", targets.len() - failed);
    Ok(failed == 0)
}

fn run_child(target: &Target, options: &Options, seconds: u64, scratch: &Path) -> io::Result<ExitStatus> {
    Command::new(std::env::current_exe()?)
        .args([
            "--target",
            target.name,
            "--seconds",
            &seconds.to_string(),
            "--seed",
            &options.seed.to_string(),
        ])
        .arg("--corpus")
        .arg(&options.corpus)
        .arg("--worker")
        .arg(scratch)
        .status()
}
