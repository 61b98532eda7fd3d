//! The search among the heads of a block: the four bytes of each key that stand side by side.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;

use crate::table::block::HEAD_BYTES;

/// So many heads lie in a few lines of memory, and are searched by halves.
const HEADS_FEW: usize = 64;

/// How many of ascending heads are below the wanted one.
pub(super) fn below(heads: &[[u8; HEAD_BYTES]], wanted: u32) -> usize {
    let is_below = |head: &[u8; HEAD_BYTES]| u32::from_le_bytes(*head) < wanted;
    let all = 0..heads.len();
    let range = if heads.len() <= HEADS_FEW { all } else { around(heads, wanted, all) };
    range.start + heads.get(range).unwrap_or_default().partition_point(is_below)
}

/// A part of the range whose end the wanted head has before it, and whose start is not behind it. It lies where that would stand if
/// heads had even distances, which those of hashes and of numbers without gaps nearly have, and grows from there in steps that
/// double: a search by halves touches lines of memory all over a block. (Interpolation: Perl, Itai and Avni, 1978; steps: Bentley
/// and Yao, 1976.)
fn around(heads: &[[u8; HEAD_BYTES]], wanted: u32, range: Range<usize>) -> Range<usize> {
    let Range { start: mut low, end: mut high } = range;
    let head = |at: usize| heads.get(at).map_or(u32::MAX, |head| u32::from_le_bytes(*head));
    let (least, most) = (head(low), head(high.saturating_sub(1)));
    if wanted <= least || wanted > most {
        return if wanted <= least { low..low } else { high..high };
    }
    let last = u64::try_from(high - 1 - low).unwrap_or(u64::MAX);
    let guess = u64::from(wanted - least).saturating_mul(last) / u64::from(most - least);
    let guess = low + usize::try_from(guess).unwrap_or(0);
    // What stands before `low` is below the wanted head, what stands at `high` or behind it is not.
    let mut step = 1;
    if head(guess) < wanted {
        low = guess + 1;
        while low + step < high {
            if head(low + step) >= wanted {
                high = low + step;
                break;
            }
            low += step + 1;
            step *= 2;
        }
    } else {
        high = guess;
        while high > low + step {
            if head(high - step) < wanted {
                low = high - step + 1;
                break;
            }
            high -= step;
            step *= 2;
        }
    }
    low..high
}

#[cfg(test)]
mod tests;
