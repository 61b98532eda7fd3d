//! What each level may hold, and which level takes what leaves level 0.
//!
//! Targets follow the size of the deepest level, as in RocksDB's dynamic level bytes: each is a tenth of the one below.
//! Levels above the first one in use stay empty, and level 0 is merged into that one directly. So the deepest level
//! always holds most of the data, and little space goes to old versions. The page on compaction in docs/rfcs tells why
//! the first level in use may be so much larger than what comes from level 0 at a time.

use super::CompactionOptions;
use crate::version::{LEVELS, Levels};

/// How many times larger than the level above a level may be.
pub(super) const LEVEL_SIZE_RATIO: u64 = 10;
/// Level 0 goes straight into a level of up to this many times the base.
const LEVEL0_REACH: u64 = 24;
/// The deepest level.
pub(super) const DEEPEST: usize = LEVELS - 1;

/// What each level may hold, and where level 0 goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Targets {
    bytes: [u64; LEVELS],
    pub(super) base_level: usize,
}

impl Targets {
    pub(super) fn of(levels: &Levels, options: &CompactionOptions) -> Targets {
        let largest = (1..LEVELS).map(|level| levels.bytes(level)).max().unwrap_or(0);
        let reach = options.level_base_bytes.saturating_mul(LEVEL0_REACH);
        let mut target = largest.max(options.level_base_bytes);
        let mut bytes = [0; LEVELS];
        let mut base_level = 1;
        for (level, slot) in bytes.iter_mut().enumerate().skip(1).rev() {
            *slot = target.max(1);
            if target <= reach {
                base_level = level;
                break;
            }
            target /= LEVEL_SIZE_RATIO;
        }
        // Levels above the base that still have tables drain: their target is nothing, and level 0 may not jump them.
        let first_used = (1..LEVELS).find(|level| !levels.level(*level).is_empty());
        Targets { bytes, base_level: base_level.min(first_used.unwrap_or(base_level)) }
    }

    /// What the level may hold.
    pub(super) fn of_level(&self, level: usize) -> u64 {
        self.bytes.get(level).copied().unwrap_or(0)
    }
}

/// The bytes above their level's target, which compactions will have to move.
pub(crate) fn pending_bytes(levels: &Levels, options: &CompactionOptions) -> u64 {
    let targets = Targets::of(levels, options);
    let over = (1..DEEPEST).map(|level| levels.bytes(level).saturating_sub(targets.of_level(level)));
    over.fold(0, u64::saturating_add)
}
