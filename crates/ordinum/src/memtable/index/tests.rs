#![allow(clippy::cast_possible_truncation, reason = "test data")]

use std::iter;

use super::*;

/// The numbers of the entries are their keys, four bytes each; hints tell only a part of them.
struct Numbers {
    shift: u32,
}

impl Keys for Numbers {
    fn hint(&self, node: At, lens: Lens) -> u32 {
        // What is behind the key is zeros.
        let hint = |node: At| node.checked_shl(8 * u32::from(lens.skip)).unwrap_or(0) >> self.shift;
        let shared = |node: At| node.checked_shr(32 - 8 * u32::from(lens.skip)).unwrap_or(0);
        match lens.pivot {
            0 => hint(node),
            pivot => match shared(node).cmp(&shared(pivot)) {
                Order::Less => 0,
                Order::Equal => hint(node),
                Order::Greater => u32::MAX,
            },
        }
    }

    fn skip(&self, first: At, last: At) -> Skip {
        let shared = first.to_be_bytes().iter().zip(last.to_be_bytes()).take_while(|(a, b)| *a == b).count();
        shared as Skip
    }
}

struct Number {
    number: At,
    shift: u32,
}

impl Sought for Number {
    fn hint(&self, lens: Lens) -> u32 {
        Numbers { shift: self.shift }.hint(self.number, lens)
    }

    fn is_behind(&self, node: At) -> bool {
        node < self.number
    }
}

fn sought(number: At, shift: u32) -> Number {
    Number { number, shift }
}

fn places(index: &Index, numbers: &[u32], shift: u32) -> Vec<Place> {
    let mut places = vec![Place::default(); numbers.len()];
    let sought: Vec<Number> = numbers.iter().map(|number| sought(*number, shift)).collect();
    index.place_each(&sought, &mut places);
    places
}

fn check(numbers: &[u32], shift: u32) {
    let index = Index::new(numbers.len() as u64, 1);
    let mut there = std::collections::BTreeSet::from([1]);
    // Of a group, the places are found before the first of it is put there.
    for group in numbers.chunks(5) {
        let mut group = group.to_vec();
        group.sort_unstable();
        let places = places(&index, &group, shift);
        for (number, place) in group.iter().zip(&places) {
            let before = there.range(..number).next_back();
            assert_eq!(Some(&index.last_before(&sought(*number, shift))), before);
            assert_eq!(Some(&place.before), before, "it is found from the one before as well");
        }
        let found: Vec<Number> = group.iter().map(|number| sought(*number, shift)).collect();
        index.insert_each(group.iter().copied(), &places, &found, &Numbers { shift });
        there.extend(&group);
        for number in group {
            assert_eq!(index.last_before(&sought(number + 1, shift)), number);
        }
    }
    let (mut found_ahead, mut found_early) = (0, 0);
    for number in &there {
        assert_eq!(index.last_before(&sought(number + 1, shift)), *number);
        // The head is before everything.
        for wanted in [*number, number + 1].into_iter().filter(|wanted| *wanted > 1) {
            let shown = std::cell::Cell::new(0);
            let near = index.near(&sought(wanted, shift), 1, |_| shown.set(shown.get() + 1));
            let node = near.node;
            assert!(there.range(..wanted).rev().take(2).any(|before| *before == node), "{wanted}: {node}");
            assert!((1..=2).contains(&shown.get()));
            let mut ends = [(Near::default(), 0); 3];
            let wanted_each = [wanted, wanted, wanted + 7 * 211].map(|wanted| sought(wanted, shift));
            let far = index.near(&wanted_each[2], 0, |_| ()).node;
            for sorting in [Sorting::Ascending, Sorting::Any] {
                index.near_each(&wanted_each, sorting, &mut ends);
                assert_eq!(ends.map(|(near, _)| near.node), [node, node, far]);
            }
            // What lies ahead is found from here, or is not; the nearer, the more likely.
            for (ahead, distance) in there.range(wanted..).zip(0..40) {
                let found = index.near_ahead(&near, &sought(*ahead, shift), ahead % 3 > 0, |_| ());
                if let Some(Near { node, .. }) = found {
                    let before = there.range(..*ahead).rev().take(2).any(|before| *before == node);
                    // Where hints are equal, it may be some nodes earlier.
                    assert!(node < *ahead, "{ahead}: {node}");
                    found_early += usize::from(!before);
                    found_ahead += usize::from(distance < 4);
                }
            }
        }
    }
    assert!(found_ahead > there.len(), "{found_ahead} of {}", there.len());
    assert!(shift > 0 || found_early < there.len() / 10, "{found_early} of {}", there.len());
    let entries = numbers.len() as u64;
    for (start, end) in [(0, u32::MAX), (1 << 20, 1 << 21), (1 << 19, 1 << 22)] {
        let exact = there.range(start.max(2)..end).count() as u64;
        let count = |nodes_max| {
            index.approximate_entries(entries, &sought(start.max(2), shift), |entry| entry >= end, nodes_max)
        };
        assert_eq!(count(u32::MAX), exact);
        assert!(count(64).abs_diff(exact) <= entries / 8, "{} for {exact}", count(64));
    }
}

#[test]
fn entries_are_found_in_any_order_of_insertion() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut numbers: Vec<u32> = (0..20_000).map(|n| 2 + n * 211).collect();
    for shift in [0, 16, 31] {
        check(&numbers, shift);
        numbers.reverse();
        check(&numbers, shift);
        random.shuffle(&mut numbers);
        check(&numbers, shift);
        numbers.sort_unstable();
    }
}

#[test]
fn an_index_without_room_ends_searches_early() {
    let index = Index::new(10, 1);
    for number in 2..5000 {
        let [place] = places(&index, &[number], 0)[..] else { panic!() };
        index.insert_each(iter::once(number), &[place], &[sought(number, 0)], &Numbers { shift: 0 });
    }
    assert!((1..5000).contains(&index.last_before(&sought(5000, 0))));
}
