//! Workloads of the log: synced commits of many threads, and opening what a killed process left.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::engines::{Result, Tuning};
use crate::keys::{self, Entries, KEY_BYTES};
use crate::measurement::Measurement;
use crate::session::{Recorder, Session, Shape, Start};

use super::Request;

/// User bytes in the log that is left.
const LOG_BYTES: u64 = 64 << 20;
/// Entries of one write into that log: a few, so that the log has many records and every engine gets there.
const ENTRIES_A_WRITE: u64 = 10;
/// A memtable that takes the whole log, so that no engine flushes before it is killed.
const WRITE_BUFFER_BYTES: u64 = 256 << 20;
/// What the filling process says when the log is there.
const FILLED: &str = "filled";
/// Of so many entries one is read after the opening.
const CHECKED_EVERY: usize = 997;

/// Single puts, each synced before it returns, from several threads for a fixed time.
pub(super) fn commits(session: &Session, name: &str, threads: usize) -> Result<Measurement> {
    let shape = Shape { threads, timed_every: 1, settles_after: false };
    let lasts = Duration::from_secs_f64(session.sizes.commit_seconds);
    session.measure(name, &shape, &|thread, start: &Start<'_>, recorder: &mut Recorder| {
        let mut buffer = Vec::new();
        let mut index = (threads as u64) << 40 | (thread as u64) << 32;
        start.wait();
        let started = Instant::now();
        while started.elapsed() < lasts {
            let value = session.entries.value(index, 0, &mut buffer);
            recorder.op(|| session.engine.put_synced(&session.entries.key(index), value))?;
            index += 1;
        }
        recorder.written_entries = recorder.ops;
        Ok(())
    })
}

fn tuning_of(tuning: &Tuning) -> Tuning {
    Tuning { write_buffer_bytes: tuning.write_buffer_bytes.max(WRITE_BUFFER_BYTES), ..*tuning }
}

fn entries_in_log(value_bytes: usize) -> u64 {
    LOG_BYTES / (KEY_BYTES + value_bytes) as u64
}

/// What the process does that is killed: it writes the log, says so, and waits.
pub(crate) fn fill_log(request: &Request<'_>) -> Result<()> {
    let entries = Entries::new(request.sizes.key_shape, request.sizes.keys, request.sizes.value_bytes);
    std::fs::create_dir_all(request.directory)?;
    let engine = request.engine.open(request.directory, &tuning_of(&request.tuning))?;
    let mut batch: Vec<(keys::Key, Vec<u8>)> = Vec::new();
    for first in (0..entries_in_log(entries.value_bytes())).step_by(usize::try_from(ENTRIES_A_WRITE)?) {
        batch.resize_with(usize::try_from(ENTRIES_A_WRITE)?, Default::default);
        for ((key, value), index) in batch.iter_mut().zip(first..) {
            *key = entries.key(index);
            entries.value(index, 0, value);
        }
        engine.put_batch(&batch)?;
    }
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{FILLED}")?;
    stdout.flush()?;
    loop {
        std::thread::park();
    }
}

/// Opens what a killed process left. An operation is an opening; misses are entries that were lost, of those looked at.
pub(super) fn open_after_kill(name: &str, request: &Request<'_>) -> Result<Measurement> {
    leave_a_log()?;
    let tuning = tuning_of(&request.tuning);
    let started = Instant::now();
    let session = Session::open(request.engine, request.round, request.directory, &request.sizes, &tuning)?;
    let seconds = started.elapsed();
    let cpu_seconds = crate::process::cpu_seconds();
    let peak = session.watch.take_peak();
    let shape = Shape { threads: 1, timed_every: 1, settles_after: false };
    let mut measurement =
        session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
            start.wait();
            let written = entries_in_log(session.entries.value_bytes());
            for index in (0..written).step_by(CHECKED_EVERY) {
                let found = session.engine.get(&session.entries.key(index), &mut |_| {})?;
                recorder.misses += u64::from(!found);
            }
            Ok(())
        })?;
    measurement.peak_anonymous_bytes = peak;
    one_opening(measurement, seconds, cpu_seconds)
}

/// The measurement with an opening for its only operation.
pub(super) fn one_opening(
    mut measurement: Measurement,
    took: Duration,
    cpu_seconds: f64,
) -> Result<Measurement> {
    let nanoseconds = u64::try_from(took.as_nanos())?;
    measurement.ops = 1;
    measurement.seconds = took.as_secs_f64();
    measurement.cpu_seconds = cpu_seconds;
    measurement.p50_ns = nanoseconds;
    measurement.p99_ns = nanoseconds;
    measurement.p999_ns = nanoseconds;
    measurement.max_ns = nanoseconds;
    Ok(measurement)
}

/// Starts this program again to fill the log, and kills it.
fn leave_a_log() -> Result<()> {
    let mut filler = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--fill-log")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = filler.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    filler.kill()?;
    filler.wait()?;
    if line.trim() == FILLED { Ok(()) } else { Err("the process that fills the log ended early".into()) }
}
