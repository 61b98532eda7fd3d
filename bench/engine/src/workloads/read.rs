//! Workloads that only read, and the one that reads beside a writer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::engines::{Direction, Result};
use crate::keys::{Key, Zipfian};
use crate::measurement::Measurement;
use crate::session::{Recorder, Session, Shape, Start, prepared};

/// Entries that follow a seek.
const SEEK_ENTRIES: usize = 10;
/// Reads for each seek that a workload of seeks does.
const READS_A_SEEK: u64 = 5;
/// Of so many reads one is timed, so that the clock costs little beside them.
const TIMED_EVERY: u32 = 16;
/// The writer beside the readers looks at the clock once for so many puts.
const PUTS_A_LOOK: u64 = 20;

/// Which keys are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pick {
    Uniform,
    Zipfian,
    /// Keys that no entry has, among those that do.
    Missing,
}

/// Gets of single keys.
pub(super) fn points(session: &Session, name: &str, pick: Pick, threads: usize) -> Result<Measurement> {
    let shape = Shape { threads, timed_every: TIMED_EVERY, settles_after: false };
    let zipfian = zipfian_of(session, pick);
    let count = session.sizes.reads / threads as u64;
    session.measure(name, &shape, &|thread, start: &Start<'_>, recorder: &mut Recorder| {
        let stream = picked(session, zipfian.as_ref(), count, thread as u64)?;
        start.wait();
        for index in stream.into_iter().map(u64::from) {
            match pick {
                Pick::Missing => get_missing(session, recorder, index)?,
                Pick::Uniform | Pick::Zipfian => get_present(session, recorder, index)?,
            }
        }
        Ok(())
    })
}

/// One reader of uniform keys beside one writer of a fixed rate; what is counted is the reader's.
pub(super) fn while_writing(session: &Session, name: &str) -> Result<Measurement> {
    let shape = Shape { threads: 2, timed_every: TIMED_EVERY, settles_after: false };
    let reader_ended = AtomicBool::new(false);
    session.measure(name, &shape, &|thread, start: &Start<'_>, recorder: &mut Recorder| {
        if thread == 0 {
            let stream = picked(session, None, session.sizes.reads, 0)?;
            start.wait();
            let read =
                stream.into_iter().try_for_each(|index| get_present(session, recorder, u64::from(index)));
            reader_ended.store(true, Ordering::Relaxed);
            return read;
        }
        start.wait();
        write_until(session, &reader_ended, recorder)
    })
}

/// Puts at the session's rate until `ended`.
fn write_until(session: &Session, ended: &AtomicBool, recorder: &mut Recorder) -> Result<()> {
    let version = session.version.fetch_add(1, Ordering::Relaxed);
    let mut random = fastrand::Rng::with_seed(version);
    let mut buffer = Vec::new();
    let started = Instant::now();
    let mut puts = 0;
    while !ended.load(Ordering::Relaxed) {
        for _ in 0..PUTS_A_LOOK {
            let index = random.u64(0..session.entries.keys());
            let value = session.entries.value(index, version, &mut buffer);
            session.engine.put(&session.entries.key(index), value)?;
        }
        puts += PUTS_A_LOOK;
        let due = Duration::from_micros(puts * 1_000_000 / session.sizes.write_rate);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    recorder.written_entries = puts;
    Ok(())
}

/// Seeks to a uniform key, and reads ten entries from there on.
pub(super) fn seeks(session: &Session, name: &str) -> Result<Measurement> {
    let shape = Shape { threads: 1, timed_every: 1, settles_after: false };
    let count = session.sizes.reads / READS_A_SEEK;
    session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let stream = picked(session, None, count, 0)?;
        start.wait();
        for index in stream {
            let key = session.entries.key(u64::from(index));
            recorder.op(|| {
                let mut first: Option<Key> = None;
                let found = session.engine.scan(
                    Some(&key),
                    Direction::Forward,
                    SEEK_ENTRIES,
                    &mut |key, value| {
                        if first.is_none() {
                            first = key.try_into().ok();
                        }
                        std::hint::black_box(value.first());
                    },
                )?;
                if found == 0 || first != Some(key) {
                    return Err("a seek to an entry did not find it".into());
                }
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// Every entry in order. An operation is an entry; what is timed is the whole scan.
pub(super) fn scan(session: &Session, name: &str, direction: Direction) -> Result<Measurement> {
    let shape = Shape { threads: 1, timed_every: 1, settles_after: false };
    session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        start.wait();
        let mut bytes = 0;
        let found = recorder.op(|| {
            session.engine.scan(None, direction, usize::MAX, &mut |key, value| {
                bytes += key.len() + usize::from(*value.last().unwrap_or(&0));
            })
        })?;
        std::hint::black_box(bytes);
        let expected = usize::try_from(session.inserted.load(Ordering::Relaxed))?;
        if found != expected {
            return Err(format!("a scan found {found} entries of {expected}").into());
        }
        recorder.ops = found as u64;
        Ok(())
    })
}

/// Gets an entry that is there, and looks whether it is the one that was asked for.
pub(super) fn get_present(session: &Session, recorder: &mut Recorder, index: u64) -> Result<()> {
    if get(session, recorder, index)? { Ok(()) } else { Err(format!("entry {index} was not found").into()) }
}

/// Gets an entry that may be there.
pub(super) fn get(session: &Session, recorder: &mut Recorder, index: u64) -> Result<bool> {
    let key = session.entries.key(index);
    let mut right = true;
    let found = recorder
        .op(|| session.engine.get(&key, &mut |value| right = session.entries.is_value_of(index, value)))?;
    if right { Ok(found) } else { Err(format!("entry {index} has a value of another").into()) }
}

fn get_missing(session: &Session, recorder: &mut Recorder, index: u64) -> Result<()> {
    let key = session.entries.missing(index);
    match recorder.op(|| session.engine.get(&key, &mut |_| {}))? {
        true => Err("a key that was never written was found".into()),
        false => Ok(()),
    }
}

fn zipfian_of(session: &Session, pick: Pick) -> Option<Zipfian> {
    match pick {
        Pick::Zipfian => Some(Zipfian::new(session.entries.keys())),
        Pick::Uniform | Pick::Missing => None,
    }
}

/// Entries; by their rank if there are ranks. The order of entries is random, so that ranks need no scrambling.
fn picked(session: &Session, zipfian: Option<&Zipfian>, count: u64, seed: u64) -> Result<Vec<u32>> {
    let mut random = fastrand::Rng::with_seed(1000 + seed);
    let keys = session.entries.keys();
    prepared(count, || match zipfian {
        Some(zipfian) => zipfian.rank(&mut random),
        None => random.u64(0..keys),
    })
}
