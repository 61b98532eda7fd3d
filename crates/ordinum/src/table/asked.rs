//! Which entries of a block were asked for: the last four, by their numbers.
//!
//! A hint, for what a cache keeps of a block that leaves it: threads that note at once may lose one of theirs.
#![deny(clippy::indexing_slicing)]

use std::sync::atomic::{AtomicU64, Ordering};

/// No entry has this number, nor a later one: those are not noted.
const NOBODY: u16 = u16::MAX;

/// The numbers of entries, the latest first, each in two bytes.
#[derive(Debug)]
pub(super) struct Asked(AtomicU64);

impl Default for Asked {
    fn default() -> Asked {
        Asked(AtomicU64::new(u64::MAX))
    }
}

impl Asked {
    /// The entry with this number was asked for. Writes nothing if it is one of the four.
    #[inline]
    pub(super) fn note(&self, index: usize) {
        let Some(number) = u16::try_from(index).ok().filter(|number| *number != NOBODY) else { return };
        let before = self.0.load(Ordering::Relaxed);
        if !lanes(before).contains(&number) {
            self.0.store(before << 16 | u64::from(number), Ordering::Relaxed);
        }
    }

    /// The entries that were asked for.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        let asked = lanes(self.0.load(Ordering::Relaxed));
        asked.into_iter().filter(|number| *number != NOBODY).map(usize::from)
    }
}

fn lanes(word: u64) -> [u16; 4] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [[a, b], [c, d], [e, f], [g, h]].map(u16::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn the_last_four_are_known() {
        let asked = Asked::default();
        assert_eq!(asked.numbers().count(), 0);
        [3, 1, 3, 7, 1, usize::MAX, 65_535].into_iter().for_each(|index| asked.note(index));
        assert_eq!(asked.numbers().collect::<Vec<_>>(), [7, 1, 3]);
        (10..14).for_each(|index| asked.note(index));
        assert_eq!(asked.numbers().collect::<Vec<_>>(), [13, 12, 11, 10]);
    }
}
