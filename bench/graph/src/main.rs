//! Runs the same graph queries and writes on ormDB, embedded, and on SQLite, in one process.

mod answer;
mod arguments;
mod cases;
mod data;
mod lite;
mod options;
mod orm;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use fastrand::Rng;
use ordinum::Durability;
use ormdb::Params;
use rustix::time::{ClockId, clock_gettime};

use answer::Summary;
use arguments::Arguments;
use cases::{Case, ORMDB, Sides};
use data::Data;
use options::Options;
use report::Measurement;

/// Of both sides alike: SQLite comes to it too, because the program exports `malloc`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Rows of a transaction of the bulk load.
const BATCH: usize = 1000;
/// Operations of a case whose answers are compared, before any is measured.
const COMPARED: usize = 20;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("graph-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut rng = Rng::with_seed(options.seed);
    let data = Data::new(options.rows, &mut rng);
    let arguments = Arguments::new(&data, &mut rng);
    println!("{} rows, seed {}, {} rounds", data.rows(), options.seed, options.rounds);
    std::fs::create_dir_all(&options.dir)?;
    let mut measurements = Vec::new();
    for round in 0..options.rounds {
        let directory = tempfile::tempdir_in(&options.dir)?;
        one_round(options, directory.path(), (&data, &arguments), round, &mut measurements)?;
    }
    print!("{}", report::table(&measurements));
    Ok(())
}

/// Loads both databases, reads and writes without syncs, and opens them again to write with syncs.
fn one_round(
    options: &Options,
    directory: &Path,
    (data, arguments): (&Data, &Arguments),
    round: u32,
    measurements: &mut Vec<Measurement>,
) -> Result<()> {
    let (ours, theirs) = (directory.join("ormdb"), directory.join("sqlite"));
    let database = orm::open(&ours, Durability::Buffered, options.cache_mib)?;
    let mut connection = lite::open(&theirs, false, options.cache_mib)?;
    let load_ours = || measure_load(ORMDB, data, || orm::load(&database, data, BATCH));
    let mut load_theirs = || measure_load("insert", data, || lite::load(&mut connection, data, BATCH));
    if round.is_multiple_of(2) {
        measurements.extend([load_ours()?, load_theirs()?]);
    } else {
        measurements.extend([load_theirs()?, load_ours()?]);
    }
    connection.execute_batch("analyze")?;
    {
        let session = database.session();
        let sides = Sides { session: &session, connection: &connection, arguments };
        let mut reads = cases::reads(sides)?;
        reads.retain(|case| options.wants(case.name));
        for case in &mut reads {
            compare(case)?;
            measure(options, case, round, measurements)?;
        }
        for mut case in cases::writes(sides, false)?.into_iter().filter(|case| options.wants(case.name)) {
            measure(options, &mut case, round, measurements)?;
        }
    }
    drop((database, connection));
    let database = orm::open(&ours, Durability::Synced, options.cache_mib)?;
    let connection = lite::open(&theirs, true, options.cache_mib)?;
    let session = database.session();
    let sides = Sides { session: &session, connection: &connection, arguments };
    for mut case in cases::writes(sides, true)?.into_iter().filter(|case| options.wants(case.name)) {
        measure(options, &mut case, round, measurements)?;
    }
    if options.side.is_none() {
        same_in_the_end(sides)?;
    }
    Ok(())
}

/// The load, by the row.
fn measure_load(form: &'static str, data: &Data, load: impl FnOnce() -> Result<()>) -> Result<Measurement> {
    let (start, cpu_start) = (Instant::now(), cpu_micros());
    load()?;
    let rows = data.rows() as f64;
    let mean = start.elapsed().as_secs_f64() * 1e6 / rows;
    let cpu = (cpu_micros() - cpu_start) / rows;
    Ok(Measurement { case: "load, a row", bar: 1.0, form, mean, p50: mean, p99: mean, cpu })
}

/// All forms give the same answers.
fn compare(case: &mut Case<'_>) -> Result<()> {
    for at in 0..COMPARED.min(case.operations) {
        let mut first = None;
        for (form, run) in &mut case.forms {
            let answer = run(at)?;
            match &first {
                None => first = Some(answer),
                Some(first) if *first == answer => {}
                Some(first) => {
                    return Err(
                        format!("{}, {form}, {at}: {answer:?} instead of {first:?}", case.name).into()
                    );
                }
            }
        }
    }
    Ok(())
}

/// Every form, one behind the other; the one that begins changes from round to round.
fn measure(
    options: &Options,
    case: &mut Case<'_>,
    round: u32,
    measurements: &mut Vec<Measurement>,
) -> Result<()> {
    let operations = (case.operations * options.operations / 100).max(1);
    let forms = case.forms.len();
    case.forms.rotate_left(round as usize % forms);
    for (form, run) in &mut case.forms {
        if !options.wants_side(if *form == ORMDB { ORMDB } else { "sqlite" }) {
            continue;
        }
        let mut micros = Vec::with_capacity(operations);
        let cpu_start = cpu_micros();
        for at in 0..operations {
            let start = Instant::now();
            drop(std::hint::black_box(run(at)?));
            micros.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let count = operations as f64;
        let cpu = (cpu_micros() - cpu_start) / count;
        let mean = micros.iter().sum::<f64>() / count;
        micros.sort_by(f64::total_cmp);
        let at = |per_cent: usize| micros.get((operations - 1) * per_cent / 100).copied().unwrap_or(f64::NAN);
        let (case, bar) = (case.name, case.bar);
        measurements.push(Measurement { case, bar, form, mean, p50: at(50), p99: at(99), cpu });
    }
    Ok(())
}

/// Both sides have the same rows after all that was written.
fn same_in_the_end(sides: Sides<'_>) -> Result<()> {
    let count = |text: &str| -> Result<Summary> {
        let rows: Vec<Summary> =
            orm::rows(sides.session, &orm::statement(sides.session, text)?, &Params::none())?;
        rows.into_iter().next().ok_or_else(|| "no group".into())
    };
    let ours = [
        count("group Comment { n: count(), top: max(id) }")?,
        count("group Post { n: count(), top: max(score) }")?,
        count("group User { n: count(), top: max(logins) }")?,
    ];
    for (ours, sql) in ours.into_iter().zip([
        "select count(*), max(id) from comment",
        "select count(*), max(score) from post",
        "select count(*), max(logins) from user",
    ]) {
        let theirs =
            sides.connection.query_row(sql, [], |row| Ok(Summary { n: row.get(0)?, top: row.get(1)? }))?;
        if ours != theirs {
            return Err(format!("after the writes, {sql}: {theirs:?} and {ours:?}").into());
        }
    }
    Ok(())
}

/// What the process used of processors, all its threads, in microseconds.
fn cpu_micros() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
