//! The first process: starts one for each engine, data set and round, and gathers what they measured.
//!
//! Invariants: (1) in every round each engine runs on a data set right after another did, and the engine that begins
//! changes from round to round; (2) a data set is removed when its process has ended.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::engines::{EngineName, Result};
use crate::measurement::Measurement;
use crate::options::Options;
use crate::report;
use crate::workloads::Dataset;

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut engines = options.engines()?;
    let workloads = options.workloads()?;
    let mut json = match &options.json {
        Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
        None => None,
    };
    let mut measurements = Vec::new();
    let mut failures = Vec::new();
    for round in 1..=options.rounds {
        for dataset in Dataset::ALL {
            if !workloads.iter().any(|workload| workload.dataset == dataset) {
                continue;
            }
            for engine in &engines {
                let place = Place { engine: *engine, dataset, round };
                if let Err(error) = child(options, &place, &mut measurements, json.as_mut()) {
                    eprintln!("{engine} failed on {}: {error}", dataset.name());
                    failures.push(format!("{engine} on {} in round {round}: {error}", dataset.name()));
                }
            }
        }
        engines.rotate_left(1);
    }
    print!("{}", report::of(&measurements));
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Place {
    engine: EngineName,
    dataset: Dataset,
    round: u32,
}

fn child(
    options: &Options,
    place: &Place,
    measurements: &mut Vec<Measurement>,
    mut json: Option<&mut File>,
) -> Result<()> {
    let directory = options.dir.join(format!("{}-{}", place.engine, place.dataset.name()));
    remove(&directory)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--child", &place.engine.to_string(), "--dataset", place.dataset.name()])
        .args(["--round", &place.round.to_string(), "--dir"])
        .arg(&directory)
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let measurement: Measurement = serde_json::from_str(&line)?;
            eprintln!("{}", report::line_of(&measurement));
            if let Some(file) = json.as_mut() {
                writeln!(file, "{line}")?;
            }
            measurements.push(measurement);
        }
    }
    let status = child.wait()?;
    remove(&directory)?;
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The measurements in files that earlier runs wrote.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Measurement>> {
    let mut measurements = Vec::new();
    for path in paths {
        for line in fs::read_to_string(path)?.lines() {
            measurements.push(serde_json::from_str(line)?);
        }
    }
    Ok(measurements)
}
