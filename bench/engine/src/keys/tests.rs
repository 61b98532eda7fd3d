use std::collections::BTreeSet;

use super::*;

#[test]
fn keys_of_entries_differ_and_missing_ones_are_none_of_them() {
    for shape in [KeyShape::Hashed, KeyShape::Dense] {
        let entries = Entries::new(shape, 10_000, 100);
        let keys: BTreeSet<Key> = (0..12_000).map(|index| entries.key(index)).collect();
        assert_eq!(keys.len(), 12_000, "{shape}");
        assert!((0..10_000).all(|index| !keys.contains(&entries.missing(index))), "{shape}");
    }
}

#[test]
fn dense_keys_fill_their_range() {
    let entries = Entries::new(KeyShape::Dense, 1000, 100);
    let keys: BTreeSet<Key> = (0..1000).map(|index| entries.key(index)).collect();
    assert_eq!(keys, (0..1000).map(|number| dense(2 * number)).collect());
}

#[test]
fn a_value_tells_its_entry_and_is_half_random() {
    let entries = Entries::new(KeyShape::Hashed, 100, 100);
    let mut buffer = Vec::new();
    let value = entries.value(5, 1, &mut buffer).to_vec();
    assert!(entries.is_value_of(5, &value));
    assert!(!entries.is_value_of(6, &value));
    assert_eq!(value[8..50], value[58..]);
    assert_ne!(value, entries.value(5, 2, &mut buffer));
}

#[test]
fn zipfian_prefers_small_ranks() {
    let zipfian = Zipfian::new(1000);
    let mut random = fastrand::Rng::with_seed(1);
    let mut counts = vec![0_u32; 1000];
    for _ in 0..100_000 {
        counts[usize::try_from(zipfian.rank(&mut random)).unwrap()] += 1;
    }
    assert!((12_000..15_000).contains(&counts[0]), "{}", counts[0]);
    assert!(counts[0] > counts[1]);
    assert!(counts[999] > 0);
}
