//! What is drawn for a row: from the seed, the entity and the number of the row alone, so that any row can be made at any time.

use fastrand::Rng;
use ormdb_proto::value::Decimal;

/// Odd, so that different numbers stay different when they are multiplied by it.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// What the row is made from.
pub(crate) fn of_row(seed: u64, entity: u64, id: i64) -> Rng {
    let of_entity = seed.wrapping_add(entity).wrapping_mul(SPREAD);
    Rng::with_seed((of_entity ^ id.cast_unsigned()).wrapping_mul(SPREAD))
}

/// One of `1..=count`. The most loved come far more often, stand apart from each other, and stay the same while more come: how much
/// a number is loved is told by its bits read backwards.
pub(crate) fn skewed(count: i64, rng: &mut Rng) -> i64 {
    let last = count.cast_unsigned().saturating_sub(1);
    let free_bits = last.leading_zeros();
    if free_bits == u64::BITS {
        return 1;
    }
    // The square of a fraction: most are small.
    let fraction = u64::from(rng.u32(..)).pow(2);
    let rank = fraction >> free_bits;
    let at = rank.reverse_bits() >> free_bits;
    // Beyond the last one, that of the neighbouring rank.
    let at = if at > last { at ^ (1 << (u64::BITS - 1 - free_bits)) } else { at };
    at.cast_signed() + 1
}

/// Some words.
pub(crate) fn words(least: usize, most: usize, rng: &mut Rng) -> String {
    const WORDS: [&str; 48] = [
        "amber", "basket", "canvas", "delta", "ember", "fabric", "garden", "harbour", "island", "jacket",
        "kettle", "ladder", "marble", "needle", "orange", "pepper", "quartz", "ribbon", "saddle", "timber",
        "umbrella", "velvet", "window", "yellow", "and", "with", "for", "of", "the", "in", "light", "heavy",
        "small", "large", "soft", "plain", "good", "fine", "old", "new", "warm", "cold", "made", "kept",
        "sold", "worn", "round", "flat",
    ];
    let mut text = String::new();
    for _ in 0..rng.usize(least..=most) {
        text.push_str(rng.choice(WORDS).unwrap_or_default());
        text.push(' ');
    }
    text.truncate(text.trim_end().len());
    text
}

/// Some money, in hundredths.
pub(crate) fn money(most: i64, rng: &mut Rng) -> Decimal {
    Decimal::new(rng.i64(99..most).into(), 2).unwrap_or(Decimal::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_loved_are_loved_more_and_stay_the_same() {
        let mut counts = vec![0; 1001];
        let mut rng = Rng::with_seed(1);
        for _ in 0..100_000 {
            counts[usize::try_from(skewed(1000, &mut rng)).unwrap()] += 1;
        }
        assert_eq!(counts[0], 0, "numbers begin at one");
        assert!(counts[1..].iter().all(|count| *count > 0), "each one comes");
        assert!(counts[1] > 10 * 100, "the most loved ten times as often as the mean: {}", counts[1]);
        let mut fewer = Rng::with_seed(1);
        assert!((0..1000).all(|_| (1..=3).contains(&skewed(3, &mut fewer))));
        assert_eq!(skewed(1, &mut fewer), 1);
    }
}
