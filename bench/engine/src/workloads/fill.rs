//! Workloads that only write.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::engines::Result;
use crate::keys::{self, Key};
use crate::measurement::Measurement;
use crate::session::{Recorder, Session, Shape, Start, prepared};

const BATCH_ENTRIES: u64 = 1000;

const WRITES: Shape = Shape { threads: 1, timed_every: 1, settles_after: true };

/// Every entry once, each a write of its own, keys ascending.
pub(super) fn ascending(session: &Session, name: &str) -> Result<Measurement> {
    puts(session, name, &|recorder, value| {
        (0..session.entries.keys()).try_for_each(|index| {
            let value = session.entries.value(index, 0, value);
            recorder.op(|| session.engine.put(&keys::ascending(index), value))
        })
    })
}

/// Every entry once, each a write of its own, keys in random order.
pub(super) fn random(session: &Session, name: &str) -> Result<Measurement> {
    puts(session, name, &|recorder, value| {
        (0..session.entries.keys()).try_for_each(|index| {
            let value = session.entries.value(index, 0, value);
            recorder.op(|| session.engine.put(&session.entries.key(index), value))
        })
    })
}

/// As many writes as there are entries, to entries that are there, chosen uniformly.
pub(super) fn overwrite(session: &Session, name: &str) -> Result<Measurement> {
    overwrite_and(session, name, &|_| Ok(()))
}

/// The same; `before` is told the number of each write before it, and its time is not that of the write.
pub(super) fn overwrite_and(
    session: &Session,
    name: &str,
    before: &(dyn Fn(u64) -> Result<()> + Sync),
) -> Result<Measurement> {
    let version = session.version.fetch_add(1, Ordering::Relaxed);
    let count = session.entries.keys();
    session.measure(name, &WRITES, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let mut random = fastrand::Rng::with_seed(version);
        let stream = prepared(count, || random.u64(0..count))?;
        let mut buffer = Vec::new();
        start.wait();
        for (number, index) in (0..).zip(stream.into_iter().map(u64::from)) {
            before(number)?;
            let value = session.entries.value(index, version, &mut buffer);
            recorder.op(|| session.engine.put(&session.entries.key(index), value))?;
        }
        recorder.written_entries = recorder.ops;
        Ok(())
    })
}

/// How often the disk is looked at while large values are overwritten.
const LOOKS: u64 = 200;

/// As [`overwrite`], `passes` times as many; looks at the disk meanwhile.
pub(super) fn overwrite_large(session: &Session, name: &str, passes: u64) -> Result<Measurement> {
    let version = session.version.fetch_add(1, Ordering::Relaxed);
    let keys = session.entries.keys();
    let count = keys * passes;
    session.measure(name, &WRITES, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let mut random = fastrand::Rng::with_seed(version);
        let mut buffer = Vec::new();
        start.wait();
        for number in 0..count {
            let index = random.u64(0..keys);
            let value = session.entries.value(index, version + number / keys, &mut buffer);
            recorder.op(|| session.engine.put(&session.entries.key(index), value))?;
            if number.is_multiple_of((count / LOOKS).max(1)) {
                session.look_at_disk();
            }
        }
        recorder.written_entries = recorder.ops;
        Ok(())
    })
}

/// Writes to entries that are there, chosen uniformly, for as many minutes as asked for.
pub(super) fn overwrite_long(session: &Session, name: &str) -> Result<Measurement> {
    let version = session.version.fetch_add(1, Ordering::Relaxed);
    let lasts = Duration::from_secs_f64(60.0 * session.sizes.overwrite_minutes);
    session.measure(name, &WRITES, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let mut random = fastrand::Rng::with_seed(version);
        let mut buffer = Vec::new();
        start.wait();
        let started = Instant::now();
        while started.elapsed() < lasts {
            let index = random.u64(0..session.entries.keys());
            let value = session.entries.value(index, version, &mut buffer);
            recorder.op(|| session.engine.put(&session.entries.key(index), value))?;
        }
        recorder.written_entries = recorder.ops;
        Ok(())
    })
}

/// Deletes every second entry, each a write of its own, in random order.
pub(super) fn deletes(session: &Session, name: &str) -> Result<Measurement> {
    session.measure(name, &WRITES, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        start.wait();
        for index in (0..session.entries.keys()).step_by(2) {
            recorder.op(|| session.engine.delete(&session.entries.key(index)))?;
        }
        recorder.written_entries = recorder.ops;
        Ok(())
    })
}

/// Every entry once, a thousand a write, keys in random order. An operation is an entry; what is timed is a write.
pub(super) fn batches(session: &Session, name: &str) -> Result<Measurement> {
    session.measure(name, &WRITES, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let count = session.entries.keys();
        let mut batch: Vec<(Key, Vec<u8>)> = Vec::new();
        start.wait();
        for first in (0..count).step_by(usize::try_from(BATCH_ENTRIES)?) {
            let entries = BATCH_ENTRIES.min(count - first);
            batch.resize_with(usize::try_from(entries)?, Default::default);
            for ((key, value), index) in batch.iter_mut().zip(first..) {
                *key = session.entries.key(index);
                session.entries.value(index, 0, value);
            }
            recorder.op(|| session.engine.put_batch(&batch))?;
            recorder.ops += entries - 1;
        }
        recorder.written_entries = recorder.ops;
        Ok(())
    })
}

fn puts(
    session: &Session,
    name: &str,
    put_all: &(dyn Fn(&mut Recorder, &mut Vec<u8>) -> Result<()> + Sync),
) -> Result<Measurement> {
    session.measure(name, &WRITES, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let mut value = Vec::new();
        start.wait();
        put_all(recorder, &mut value)?;
        recorder.written_entries = recorder.ops;
        Ok(())
    })
}
