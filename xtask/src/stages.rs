//! The stages of `cargo xtask test`, in order, and how one is run and reported.
//!
//! Invariants: (1) the first stage that fails ends the run, and the last line names it; (2) every line that a
//! test runner closes with is shown again at the end, so that a reader of the last screen sees what ran;
//! (3) a stage that cannot start has failed.

pub(crate) mod node;
pub(crate) mod python;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::{bench, kills, oracle, walls};

/// Seconds that the bounded fuzz run may take over all targets together.
const FUZZ_SECONDS_TOTAL: u32 = 48;

/// The seed of the bounded fuzz run: fixed, so that a red run is red again.
const FUZZ_SEED: u64 = 1;

/// What a stage has to say when it ends.
pub(crate) struct Outcome {
    pub(crate) passed: bool,
    pub(crate) closing_lines: Vec<String>,
}

struct Stage {
    name: &'static str,
    run: fn(&Path) -> Outcome,
}

const STAGES: &[Stage] = &[
    Stage { name: "toolchain", run: toolchain },
    Stage { name: "format", run: format },
    Stage { name: "lints", run: lints },
    Stage { name: "walls", run: check_walls },
    Stage { name: "postgres", run: |_| silent(oracle::is_there()) },
    Stage { name: "tests", run: tests },
    Stage { name: "python", run: python::run },
    Stage { name: "node", run: node::run },
    Stage { name: "kills", run: kills::stage },
    Stage { name: "planted", run: planted_bugs },
    Stage { name: "models", run: models },
    Stage { name: "fuzz", run: bounded_fuzz },
    Stage { name: "bounds", run: bounds },
];

/// Runs every stage until one fails, or those that are named.
pub(crate) fn test(root: &Path, names: &[String]) -> ExitCode {
    if let Some(unknown) = names.iter().find(|name| !STAGES.iter().any(|stage| stage.name == **name)) {
        let known: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        println!("no stage is named `{unknown}`: there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let is_asked_for = |stage: &&Stage| names.is_empty() || names.iter().any(|name| name == stage.name);
    let stages: Vec<&Stage> = STAGES.iter().filter(is_asked_for).collect();
    let mut report = Vec::new();
    for (position, stage) in stages.iter().enumerate() {
        println!("\n=== {}/{} {} ===", position + 1, stages.len(), stage.name);
        let started = now();
        let outcome = (stage.run)(root);
        let took = started.elapsed();
        report.push((stage.name, took, outcome.closing_lines));
        if !outcome.passed {
            print_report(&report);
            println!("\nFAILED in stage {}", stage.name);
            return ExitCode::FAILURE;
        }
    }
    print_report(&report);
    match names {
        [] => println!("\nall {} stages passed", stages.len()),
        some => println!("\npassed: {}", some.join(", ")),
    }
    ExitCode::SUCCESS
}

/// Runs the wall checks alone.
pub(crate) fn only_walls(root: &Path) -> ExitCode {
    if check_walls(root).passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the stage of the Python package alone.
pub(crate) fn only_python(root: &Path) -> ExitCode {
    if python::run(root).passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the fuzz runner alone, with the caller's arguments.
pub(crate) fn only_fuzz(root: &Path, args: &[String]) -> ExitCode {
    let mut command = fuzz_command(root);
    command.args(args);
    if passes(&mut command) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a task of the simulator with the caller's arguments.
pub(crate) fn simulate(root: &Path, task: &str, args: &[String]) -> ExitCode {
    let mut command = cargo(root);
    command.args(["run", "--quiet", "--release", "-p", "ormdb-sim", "--", task]).args(args);
    if passes(&mut command) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_report(report: &[(&str, Duration, Vec<String>)]) {
    println!("\n=== summary ===");
    for (name, took, closing_lines) in report {
        println!("{name:10} {:7.1} s", took.as_secs_f64());
        for line in closing_lines {
            println!("    {line}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a stage's wall time is shown to a person and decides nothing")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// rustfmt and clippy are components that a toolchain may lack; rustup adds them where it can.
fn toolchain(root: &Path) -> Outcome {
    let mut passed = true;
    let mut closing_lines = Vec::new();
    for component in ["rustfmt", "clippy"] {
        let subcommand = if component == "rustfmt" { "fmt" } else { component };
        let asks = || {
            cargo(root).args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()
        };
        let mut present = asks().is_ok_and(|status| status.success());
        if !present {
            println!("{component} is missing; asking rustup for it");
            let mut rustup = Command::new("rustup");
            rustup.args(["component", "add", component]).current_dir(root);
            present = passes(&mut rustup) && asks().is_ok_and(|status| status.success());
        }
        closing_lines.push(format!("{component}: {}", if present { "present" } else { "missing" }));
        passed &= present;
    }
    Outcome { passed, closing_lines }
}

fn format(root: &Path) -> Outcome {
    let mut workspace = cargo(root);
    workspace.args(["fmt", "--all", "--check"]);
    let mut fuzz = cargo(root);
    fuzz.args(["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]);
    silent(passes(&mut workspace) && passes(&mut fuzz) && bench::is_formatted(root))
}

fn lints(root: &Path) -> Outcome {
    let mut workspace = cargo(root);
    workspace.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    let mut fuzz = cargo(root);
    fuzz.args(["clippy", "--all-targets", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]);
    fuzz.arg(target_directory(root)).args(["--", "-D", "warnings"]);
    silent(passes(&mut workspace) && passes(&mut fuzz))
}

fn check_walls(root: &Path) -> Outcome {
    let (passed, closing_line) = match walls::check(root) {
        Ok(report) => {
            for finding in &report.findings {
                println!("{finding}");
            }
            let line = format!("{} files checked, {} findings", report.files, report.findings.len());
            (report.findings.is_empty(), line)
        }
        Err(error) => (false, format!("the walls could not be checked: {error}")),
    };
    println!("walls: {closing_line}");
    Outcome { passed, closing_lines: vec![closing_line] }
}

/// Unit, integration and documentation tests. Lines of single tests that passed are left out.
fn tests(root: &Path) -> Outcome {
    let mut workspace = cargo(root);
    workspace.args(["test", "--workspace", "--no-fail-fast"]);
    let mut fuzz = cargo(root);
    fuzz.args(["test", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]).arg(target_directory(root));
    let mut passed = true;
    let mut closing_lines = Vec::new();
    for mut command in [workspace, fuzz] {
        let (all_passed, lines) = passes_and_keeps(
            &mut command,
            |line| !(line.starts_with("test ") && line.ends_with(" ... ok")),
            |line| line.starts_with("test result:"),
        );
        passed &= all_passed;
        closing_lines.extend(lines);
    }
    closing_lines.push(sum_of(&closing_lines));
    Outcome { passed, closing_lines }
}

/// Bugs are planted in the engine, each of which the simulator has to find: in a build of its own, for no other has them.
fn planted_bugs(root: &Path) -> Outcome {
    let mut command = cargo(root);
    command.args([
        "test",
        "-p",
        "ormdb-sim",
        "--features",
        "planted",
        "--test",
        "planted",
        "--",
        "--nocapture",
    ]);
    let (passed, closing_lines) =
        passes_and_keeps(&mut command, |_| true, |line| line.starts_with("test result:"));
    Outcome { passed, closing_lines }
}

/// Models of threads under a checker that decides their order: in a build of its own, for no other has it.
fn models(root: &Path) -> Outcome {
    let (passed, closing_lines) =
        passes_and_keeps(&mut models_command(root), |_| true, |line| line.starts_with("test result:"));
    Outcome { passed, closing_lines }
}

/// Runs the models of threads alone, for longer where that is asked for.
pub(crate) fn only_models(root: &Path, args: &[String]) -> ExitCode {
    let mut command = models_command(root);
    let (pairs, rest) = args.as_chunks::<2>();
    for [option, value] in pairs {
        match option.as_str() {
            "--runs" => command.env("ORDINUM_MODEL_RUNS", value),
            "--seed" => command.env("ORDINUM_MODEL_SEED", value),
            _ => return misused(),
        };
    }
    if !rest.is_empty() {
        return misused();
    }
    if passes(&mut command) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn misused() -> ExitCode {
    println!("usage: cargo xtask models [--runs N] [--seed S]");
    ExitCode::from(2)
}

fn models_command(root: &Path) -> Command {
    let mut command = cargo(root);
    command.args(["test", "-p", "ordinum", "--features", "shuttle,planted", "--lib", "models"]);
    command
}

fn bounded_fuzz(root: &Path) -> Outcome {
    let mut command = fuzz_command(root);
    let seconds = FUZZ_SECONDS_TOTAL.to_string();
    let seed = FUZZ_SEED.to_string();
    command.args(["--target", "all", "--seconds-total", &seconds, "--seed", &seed]);
    let (passed, closing_lines) = passes_and_keeps(&mut command, |_| true, |line| line.contains(" passed, "));
    Outcome { passed, closing_lines }
}

/// Benchmarks that fail when a cost grows with what it must not grow with; a debug build shows that as well.
fn bounds(root: &Path) -> Outcome {
    let mut command = cargo(root);
    command.args(["run", "--quiet", "-p", "ormdb-bench", "--bin", "block_open", "--", "100000"]);
    let (passed, closing_lines) =
        passes_and_keeps(&mut command, |_| true, |line| line.contains("the bound is"));
    Outcome { passed, closing_lines }
}

/// The fuzz workspace shares the target directory, and is built in the dev profile, so that nothing is built twice.
fn fuzz_command(root: &Path) -> Command {
    let mut command = cargo(root);
    command.args(["run", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]);
    command.arg(target_directory(root)).arg("--");
    command
}

/// Adds up the lines `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn sum_of(closing_lines: &[String]) -> String {
    let count = |word: &str| -> u64 {
        closing_lines
            .iter()
            .flat_map(|line| line.split(['.', ';']))
            .filter_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
            .sum()
    };
    format!(
        "{} runners: {} passed, {} failed, {} ignored",
        closing_lines.len(),
        count("passed"),
        count("failed"),
        count("ignored")
    )
}

fn silent(passed: bool) -> Outcome {
    Outcome { passed, closing_lines: Vec::new() }
}

/// The cargo that runs this task, so that both are of one toolchain.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root);
    command
}

pub(crate) fn target_directory(root: &Path) -> std::ffi::OsString {
    std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| root.join("target").into_os_string())
}

pub(crate) fn passes(command: &mut Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => cannot_start(command, &error),
    }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> bool {
    println!("cannot start {}: {error}", command.get_program().display());
    false
}

/// Runs the command, shows its lines that `shown` picks, and returns those that `kept` picks.
fn passes_and_keeps(
    command: &mut Command,
    shown: impl Fn(&str) -> bool,
    kept: impl Fn(&str) -> bool,
) -> (bool, Vec<String>) {
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return (cannot_start(command, &error), Vec::new()),
    };
    let mut lines = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // Split by bytes: a test may print what is not UTF-8.
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if shown(&line) {
                println!("{line}");
            }
            if kept(&line) {
                lines.push(line);
            }
        }
    }
    (child.wait().is_ok_and(|status| status.success()), lines)
}

#[cfg(test)]
mod tests;
