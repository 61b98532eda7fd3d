//! What a filter is asked, and what becomes of what it removes.

use super::*;
use crate::sync::Mutex;

/// Removes values that begin with the digit, and notes what it was asked.
#[derive(Debug)]
struct Digit {
    digit: u8,
    asked: Mutex<Vec<(Vec<u8>, u64)>>,
}

impl CompactionFilter for Digit {
    fn filter(&self, entry: &FilteredEntry<'_>) -> FilterDecision {
        self.asked.lock().push((entry.key.to_vec(), entry.seqno.get()));
        if entry.value.first() == Some(&self.digit) { FilterDecision::Remove } else { FilterDecision::Keep }
    }
}

#[test]
fn a_filter_takes_away_only_what_no_pin_sees_and_nothing_older_comes_back() {
    for seed in 200..230 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut bed = Bed::new(options(&mut rng));
        let filter = Arc::new(Digit { digit: b'2', asked: Mutex::default() });
        for _ in 0..rng.usize(1..12) {
            let writes = rng.usize(1..200);
            bed.flush(&mut rng, writes, 120);
            if rng.u8(..3) == 0 {
                bed.pins.push(seqno(rng.u64(1..=bed.last_seqno)));
            }
            if rng.u8(..3) == 0 {
                bed.pins.clear();
            }
            bed.horizon = seqno(bed.last_seqno);
            let filters = rng.bool();
            bed.filter = if filters { Some(Arc::<Digit>::clone(&filter)) } else { None };
            filter.asked.lock().clear();
            let pinned = bed.pins.iter().max().map_or(0, |pin| pin.get());
            let views: Vec<_> = bed.pins.iter().map(|pin| (*pin, bed.shown(*pin))).collect();
            let before = bed.shown(bed.horizon);
            bed.compact_all();
            for (pin, view) in views {
                assert_eq!(bed.shown(pin), view, "at pin {pin}");
            }
            let asked = std::mem::take(&mut *filter.asked.lock());
            assert!(asked.iter().all(|(_, written)| *written > pinned), "asked about what a pin sees");
            let gone = |written: u64, value: &[u8]| filters && written > pinned && value.starts_with(b"2");
            let expected: BTreeMap<_, _> =
                before.into_iter().filter(|(_, (written, value))| !gone(*written, value)).collect();
            assert_eq!(bed.shown(bed.horizon), expected);
            if filters {
                let all = expected.iter().filter(|(_, (written, _))| *written > pinned);
                assert!(
                    all.into_iter().all(|(key, (written, _))| asked.contains(&(key.clone(), *written))),
                    "a whole compaction asks about everything that its contract allows"
                );
            }
        }
    }
}
