//! The core workloads of YCSB (Cooper et al., "Benchmarking cloud serving systems with YCSB"), in its proportions, with
//! its exponent, on two threads.

use std::sync::atomic::Ordering;

use crate::engines::{Direction, Result};
use crate::keys::Zipfian;
use crate::measurement::Measurement;
use crate::session::{Recorder, Session, Shape, Start, prepared};

use super::read;

const THREADS: u64 = 2;
/// A scan reads 1 to so many entries.
const SCAN_ENTRIES_MAX: usize = 100;
/// A workload of scans does one operation where the others do so many.
const OPS_A_SCAN: u64 = 10;

/// Shares of a hundred operations; what is left reads one entry.
#[derive(Debug)]
pub(super) struct Mix {
    updates: u32,
    inserts: u32,
    scans: u32,
    read_modify_writes: u32,
    /// Whether the newest entries are asked for the most, instead of some that never change.
    latest: bool,
}

const READS: Mix = Mix { updates: 0, inserts: 0, scans: 0, read_modify_writes: 0, latest: false };

pub(super) const A: Mix = Mix { updates: 50, ..READS };
pub(super) const B: Mix = Mix { updates: 5, ..READS };
pub(super) const C: Mix = READS;
pub(super) const D: Mix = Mix { inserts: 5, latest: true, ..READS };
pub(super) const E: Mix = Mix { inserts: 5, scans: 95, ..READS };
pub(super) const F: Mix = Mix { read_modify_writes: 50, ..READS };

pub(super) fn run(session: &Session, name: &str, mix: &Mix) -> Result<Measurement> {
    let shape = Shape { threads: usize::try_from(THREADS)?, timed_every: 1, settles_after: false };
    let zipfian = Zipfian::new(session.entries.keys());
    let count = session.sizes.reads / if mix.scans > 0 { OPS_A_SCAN } else { 1 } / THREADS;
    let version = session.version.fetch_add(1, Ordering::Relaxed);
    session.measure(name, &shape, &|thread, start: &Start<'_>, recorder: &mut Recorder| {
        let mut random = fastrand::Rng::with_seed(2000 + thread as u64);
        let ranks = prepared(count, || zipfian.rank(&mut random))?;
        let mut worker = Worker { session, mix, version, recorder, buffer: Vec::new() };
        start.wait();
        for rank in ranks {
            worker.step(u64::from(rank), &mut random)?;
        }
        Ok(())
    })
}

struct Worker<'a> {
    session: &'a Session,
    mix: &'a Mix,
    version: u64,
    recorder: &'a mut Recorder,
    buffer: Vec<u8>,
}

impl Worker<'_> {
    fn step(&mut self, rank: u64, random: &mut fastrand::Rng) -> Result<()> {
        let mix = self.mix;
        let drawn = random.u32(0..100);
        let updates = mix.updates;
        let inserts = updates + mix.inserts;
        let scans = inserts + mix.scans;
        let read_modify_writes = scans + mix.read_modify_writes;
        if drawn < updates {
            self.put(rank)
        } else if drawn < inserts {
            self.insert()
        } else if drawn < scans {
            self.scan(rank, random.usize(1..=SCAN_ENTRIES_MAX))
        } else if drawn < read_modify_writes {
            self.read_modify_write(rank)
        } else {
            self.read(rank)
        }
    }

    fn read(&mut self, rank: u64) -> Result<()> {
        if !self.mix.latest {
            return read::get_present(self.session, self.recorder, rank);
        }
        let newest = self.session.inserted.load(Ordering::Relaxed) - 1;
        // Another thread may still be writing an entry that has its number already.
        if !read::get(self.session, self.recorder, newest.saturating_sub(rank))? {
            self.recorder.misses += 1;
        }
        Ok(())
    }

    fn put(&mut self, index: u64) -> Result<()> {
        let Worker { session, recorder, buffer, version, .. } = self;
        let value = session.entries.value(index, *version, buffer);
        recorder.written_entries += 1;
        recorder.op(|| session.engine.put(&session.entries.key(index), value))
    }

    fn insert(&mut self) -> Result<()> {
        let index = self.session.inserted.fetch_add(1, Ordering::Relaxed);
        self.put(index)
    }

    fn scan(&mut self, index: u64, limit: usize) -> Result<()> {
        let session = self.session;
        let key = session.entries.key(index);
        self.recorder.op(|| {
            session.engine.scan(Some(&key), Direction::Forward, limit, &mut |_, value| {
                std::hint::black_box(value.first());
            })
        })?;
        Ok(())
    }

    /// One operation: the entry is read, and written with half of what was read.
    fn read_modify_write(&mut self, index: u64) -> Result<()> {
        let Worker { session, recorder, buffer, version, .. } = self;
        let key = session.entries.key(index);
        session.entries.value(index, *version, buffer);
        recorder.written_entries += 1;
        recorder.op(|| {
            let half = buffer.len() / 2;
            let found = session.engine.get(&key, &mut |value| {
                if let (Some(to), Some(from)) = (buffer.get_mut(half..), value.get(half..)) {
                    to.copy_from_slice(from);
                }
            })?;
            if !found {
                return Err(format!("entry {index} was not found").into());
            }
            session.engine.put(&key, buffer)
        })
    }
}
