use fastrand::Rng;

use super::*;

/// Keys that share long beginnings, end in zeros, and lie around the longest short one.
#[test]
fn kept_keys_are_and_sort_as_their_bytes() {
    let mut rng = Rng::with_seed(7);
    let keys: Vec<Vec<u8>> = (0..400)
        .map(|_| {
            let mut key = vec![0; rng.usize(..60)];
            let from = rng.usize(..=key.len());
            key.iter_mut().skip(from).for_each(|byte| *byte = rng.choice([0, 1, 255]).unwrap_or(0));
            key
        })
        .collect();
    for a in &keys {
        assert_eq!(*KeptKey::new(a), **a);
        assert_eq!(*KeptKey::new(a).clone(), **a);
        for b in &keys {
            assert_eq!(KeptKey::new(a).cmp(&KeptKey::new(b)), a.cmp(b), "{a:?} {b:?}");
            assert_eq!(KeptKey::new(a) == KeptKey::new(b), a == b, "{a:?} {b:?}");
        }
    }
}
