//! Range deletes: what they cost to write, and what they cost those who read beside them.

use std::sync::atomic::Ordering;

use crate::engines::Result;
use crate::keys::Key;
use crate::measurement::Measurement;
use crate::session::{Recorder, Session, Shape, Start, prepared};

use super::read;

/// Of a load of gets and puts, so many of a hundred operations are gets; the others put, but for range deletes.
const GETS_OF_A_HUNDRED: u32 = 50;
/// A range delete of the mixed load takes about so many entries along.
const ENTRIES_A_RANGE: u64 = 4;

/// Deletes many narrow ranges in which no entry is, so that what is read later is the same as before.
pub(super) fn delete(session: &Session, name: &str) -> Result<Measurement> {
    let shape = Shape { threads: 1, timed_every: 1, settles_after: false };
    session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        start.wait();
        for index in 0..session.sizes.range_deletes {
            let first = session.entries.missing(index);
            recorder.op(|| session.engine.delete_range(&first, &behind(&first, 1)))?;
        }
        Ok(())
    })
}

/// Gets among puts and, of a hundred operations, `deletes` range deletes. Only gets are counted.
pub(super) fn mixed(session: &Session, name: &str, deletes: u32) -> Result<Measurement> {
    let shape = Shape { threads: 1, timed_every: 1, settles_after: false };
    let version = session.version.fetch_add(1, Ordering::Relaxed);
    let keys = session.entries.keys();
    session.measure(name, &shape, &|_, start: &Start<'_>, recorder: &mut Recorder| {
        let mut random = fastrand::Rng::with_seed(version);
        let stream = prepared(session.sizes.reads, || random.u64(0..keys))?;
        let mut buffer = Vec::new();
        start.wait();
        for index in stream.into_iter().map(u64::from) {
            let key = session.entries.key(index);
            let drawn = random.u32(0..100);
            if drawn < deletes {
                session.engine.delete_range(&key, &behind(&key, ENTRIES_A_RANGE * (u64::MAX / keys)))?;
            } else if drawn < deletes + GETS_OF_A_HUNDRED {
                if !read::get(session, recorder, index)? {
                    recorder.misses += 1;
                }
            } else {
                let value = session.entries.value(index, version, &mut buffer);
                session.engine.put(&key, value)?;
                recorder.written_entries += 1;
            }
        }
        Ok(())
    })
}

/// The key that is so far behind this one, in its first eight bytes; with a distance of one the next key of all.
fn behind(key: &Key, distance: u64) -> Key {
    let mut end = *key;
    let at = if distance == 1 { 8 } else { 0 };
    if let Some(number) = end.get_mut(at..at + 8)
        && let Ok(bytes) = <[u8; 8]>::try_from(&*number)
    {
        number.copy_from_slice(&u64::from_be_bytes(bytes).saturating_add(distance).to_be_bytes());
    }
    end
}
