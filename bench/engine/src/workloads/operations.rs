//! Workloads on the whole database: following it, copying it, and many families in it. Engines that cannot do it are left out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::engines::Result;
use crate::measurement::Measurement;
use crate::process;
use crate::session::{Recorder, Session, Shape, Start, prepared};

use super::{Request, fill, log};

/// Of so many puts beside a follower one is synced, so that there is always something durable to follow.
const SYNCED_EVERY: u64 = 256;
/// The checkpoints that are made while others write.
const CHECKPOINTS: u64 = 5;
/// The snapshots that are held over a pass of overwrites.
const SNAPSHOTS: u64 = 16;
/// The families.
pub(super) const FAMILIES: usize = 1000;

/// Every entry once, in random order, while a second thread follows. An operation is a write that the second one was told of; the
/// clock stops when it knows of all.
pub(super) fn tail(session: &Session, name: &str) -> Result<Option<Measurement>> {
    if session.engine.follow()?.is_none() {
        return Ok(None);
    }
    let count = session.entries.keys();
    let shape = Shape { threads: 2, timed_every: 1, settles_after: false };
    let measured = session.measure(name, &shape, &|thread, start: &Start<'_>, recorder: &mut Recorder| {
        if thread == 1 {
            let mut follower = session.engine.follow()?.ok_or("an engine that follows no more")?;
            start.wait();
            while recorder.ops < count {
                recorder.op(|| follower.next())?;
            }
            return Ok(());
        }
        let mut buffer = Vec::new();
        start.wait();
        for index in 0..count {
            let (key, value) = (session.entries.key(index), session.entries.value(index, 0, &mut buffer));
            if index % SYNCED_EVERY == SYNCED_EVERY - 1 || index == count - 1 {
                session.engine.put_synced(&key, value)?;
            } else {
                session.engine.put(&key, value)?;
            }
        }
        recorder.written_entries = count;
        Ok(())
    });
    measured.map(Some)
}

/// Overwrites while snapshots are made, at even distances; they are held until the engine has settled, so that flushes and
/// compactions keep what they see.
pub(super) fn overwrite_pinned(session: &Session, name: &str) -> Result<Option<Measurement>> {
    if session.engine.pin()?.is_none() {
        return Ok(None);
    }
    let every = (session.entries.keys() / SNAPSHOTS).max(1);
    let held = Mutex::new(Vec::new());
    let measured = fill::overwrite_and(session, name, &|number| {
        if number % every == 0 {
            held.lock().map_err(|_| "a thread of the workload panicked")?.push(session.engine.pin()?);
        }
        Ok(())
    });
    measured.map(Some)
}

/// Checkpoints of the entries while a second thread overwrites them. An operation is a checkpoint.
pub(super) fn checkpoint(session: &Session, name: &str) -> Result<Option<Measurement>> {
    let to = session.beside("checkpoint");
    if !session.engine.checkpoint(&to)? {
        return Ok(None);
    }
    std::fs::remove_dir_all(&to)?;
    let count = session.entries.keys();
    let stop = AtomicBool::new(false);
    let shape = Shape { threads: 2, timed_every: 1, settles_after: false };
    let measured = session.measure(name, &shape, &|thread, start: &Start<'_>, recorder: &mut Recorder| {
        if thread == 1 {
            start.wait();
            let made = (0..CHECKPOINTS).try_for_each(|_| {
                recorder.op(|| session.engine.checkpoint(&to))?;
                Ok(std::fs::remove_dir_all(&to)?)
            });
            stop.store(true, Ordering::Relaxed);
            return made;
        }
        let mut random = fastrand::Rng::with_seed(7);
        let mut buffer = Vec::new();
        start.wait();
        while !stop.load(Ordering::Relaxed) {
            let index = random.u64(0..count);
            let value = session.entries.value(index, 1, &mut buffer);
            session.engine.put(&session.entries.key(index), value)?;
            recorder.written_entries += 1;
        }
        Ok(())
    });
    measured.map(Some)
}

/// Every entry once, in random order, each in one of the families.
pub(super) fn fill_families(session: &Session, name: &str) -> Result<Option<Measurement>> {
    if !session.engine.create_families(FAMILIES)? {
        return Ok(None);
    }
    let shape = Shape { threads: 1, timed_every: 1, settles_after: true };
    let measured = session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let mut buffer = Vec::new();
        start.wait();
        for index in 0..session.entries.keys() {
            let value = session.entries.value(index, 0, &mut buffer);
            let family = family_of(index)?;
            recorder.op(|| session.engine.put_in(family, &session.entries.key(index), value))?;
        }
        recorder.written_entries = recorder.ops;
        Ok(())
    });
    measured.map(Some)
}

/// Gets of entries that are chosen uniformly, each from its family.
pub(super) fn read_families(session: &Session, name: &str) -> Result<Option<Measurement>> {
    if !session.engine.has_families() {
        return Ok(None);
    }
    let count = session.entries.keys();
    let shape = Shape { threads: 1, timed_every: 1, settles_after: false };
    let measured = session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let mut random = fastrand::Rng::with_seed(3);
        let stream = prepared(session.sizes.reads, || random.u64(0..count))?;
        start.wait();
        for index in stream.into_iter().map(u64::from) {
            let family = family_of(index)?;
            let found = recorder.op(|| session.engine.has_in(family, &session.entries.key(index)))?;
            recorder.misses += u64::from(!found);
        }
        Ok(())
    });
    measured.map(Some)
}

/// Closes the engine and opens it with all families, and then looks for an entry of each. An operation is an opening.
pub(super) fn open_families(
    session: Session,
    name: &str,
    request: &Request<'_>,
) -> Result<Option<Measurement>> {
    let has_families = session.engine.has_families() || fill_families(&session, "unmeasured")?.is_some();
    if !has_families {
        return Ok(None);
    }
    session.settle()?;
    let Session { engine, .. } = session;
    drop(engine);
    let cpu_before = process::cpu_seconds();
    let started = Instant::now();
    let opened = request.engine.open_families(request.directory, &request.tuning, FAMILIES)?;
    let took = started.elapsed();
    let cpu_seconds = process::cpu_seconds() - cpu_before;
    let engine = opened.ok_or("an engine that had families has none")?;
    let (directory, sizes, tuning) = (request.directory, &request.sizes, &request.tuning);
    let session = Session::of(request.engine, request.round, directory, sizes, tuning, engine);
    let shape = Shape { threads: 1, timed_every: 1, settles_after: false };
    let measured = session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        start.wait();
        for index in 0..FAMILIES as u64 {
            let found = session.engine.has_in(family_of(index)?, &session.entries.key(index))?;
            recorder.misses += u64::from(!found);
        }
        Ok(())
    })?;
    log::one_opening(measured, took, cpu_seconds).map(Some)
}

fn family_of(index: u64) -> Result<usize> {
    Ok(usize::try_from(index)? % FAMILIES)
}
