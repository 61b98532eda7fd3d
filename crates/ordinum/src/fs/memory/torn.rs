//! What a power loss leaves of what was written and not synced: one of the states that a disk may be in, chosen by a seed.

use super::{FileBytes, NameChange, Names};

/// What a disk writes at once.
const SECTOR_BYTES: usize = 512;

/// The bytes of the file: the durable ones, and of the others what the seed says.
pub(super) fn torn(file: &FileBytes, random: &mut Random) -> Vec<u8> {
    match random.below(6) {
        0 => file.durable.clone(),
        1 => file.bytes.clone(),
        2 => front(file, random),
        3 => {
            let mut kept = front(file, random);
            let changed = kept.len().saturating_sub(file.changed_from);
            let at = file.changed_from + random.below(changed);
            if let Some(byte) = kept.get_mut(at) {
                *byte ^= 0x5a;
            }
            kept
        }
        _ => sectors(file, random),
    }
}

/// The front of what changed, and behind it what was durable.
fn front(file: &FileBytes, random: &mut Random) -> Vec<u8> {
    let changed = file.bytes.get(file.changed_from..).unwrap_or_default();
    let end = file.changed_from + random.below(changed.len() + 1);
    let mut kept = file.bytes.get(..end).unwrap_or_default().to_vec();
    kept.extend_from_slice(file.durable.get(end..).unwrap_or_default());
    kept
}

/// Each sector as it was or as it is, in a file of the old length, the new one, or one between.
fn sectors(file: &FileBytes, random: &mut Random) -> Vec<u8> {
    let (shorter, longer) =
        (file.bytes.len().min(file.durable.len()), file.bytes.len().max(file.durable.len()));
    let len = match random.below(3) {
        0 => file.durable.len(),
        1 => file.bytes.len(),
        _ => shorter + random.below(longer - shorter + 1),
    };
    let mut kept = file.durable.clone();
    kept.resize(len, 0);
    let first = file.changed_from / SECTOR_BYTES * SECTOR_BYTES;
    for at in (first..len).step_by(SECTOR_BYTES) {
        let end = (at + SECTOR_BYTES).min(len).min(file.bytes.len());
        if random.below(2) == 0
            && let (Some(place), Some(written)) = (kept.get_mut(at..end), file.bytes.get(at..end))
        {
            place.copy_from_slice(written);
        }
    }
    kept
}

/// Applies to the names all changes, none, the first ones, or any of them.
pub(super) fn torn_names(journal: &[NameChange], random: &mut Random, names: &mut Names) {
    let how = random.below(4);
    let first = random.below(journal.len() + 1);
    for (at, change) in journal.iter().enumerate() {
        let is_kept = match how {
            0 => true,
            1 => false,
            2 => at < first,
            _ => random.below(2) == 0,
        };
        if is_kept {
            change.apply(names);
        }
    }
}

/// SplitMix64: enough to choose what is left.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from((z ^ (z >> 31)) % bound).unwrap_or(0)
    }
}
