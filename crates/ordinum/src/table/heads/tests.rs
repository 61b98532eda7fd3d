#![allow(clippy::cast_possible_truncation, reason = "test data")]

use fastrand::Rng;

use super::below;

/// Whatever their distances are, the search finds what a walk finds.
#[test]
fn as_many_are_below_as_a_walk_counts() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(0..400);
        let most = rng.choice([3, 1000, 1 << 20, u32::MAX]).unwrap();
        let skewed = rng.bool();
        let mut numbers: Vec<u32> = (0..count)
            .map(|_| if skewed { rng.u32(..=most) >> rng.u32(..24) } else { rng.u32(..=most) })
            .collect();
        numbers.sort_unstable();
        let heads: Vec<[u8; 4]> = numbers.iter().map(|number| number.to_le_bytes()).collect();
        let near = numbers.iter().flat_map(|n| [n.saturating_sub(1), *n, n.saturating_add(1)]);
        for wanted in near.chain([0, u32::MAX]).chain((0..50).map(|_| rng.u32(..))) {
            let walked = numbers.iter().take_while(|number| **number < wanted).count();
            assert_eq!(below(&heads, wanted), walked, "seed {seed}, {wanted} among {count}");
        }
    }
}

/// Heads of a damaged block are in any order: what is found means nothing, but it is found.
#[test]
fn heads_in_no_order_end_the_search_too() {
    let mut rng = Rng::with_seed(1);
    for _ in 0..2000 {
        let heads: Vec<[u8; 4]> = (0..rng.usize(..300)).map(|_| rng.u32(..).to_le_bytes()).collect();
        assert!(below(&heads, rng.u32(..)) <= heads.len());
    }
}
