use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;
use crate::slice::Slice;

fn kept(number: u32) -> KeptKey {
    KeptKey::new(&number.to_be_bytes())
}

/// Keys that mostly ascend, and are replaced and taken out again, as a map has them.
#[test]
fn keys_are_as_in_a_map() {
    let mut both = 0;
    for seed in 0..60 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let (mut keys, mut model) = (Keys::default(), BTreeMap::new());
        let mut next = 100;
        for step in 0..600_u32 {
            let any = rng.u32(..next + 50);
            match rng.u8(..20) {
                0..10 => {
                    next += rng.u32(1..4);
                    let written = Written::Put(Slice::from(&step.to_be_bytes()[..]));
                    assert_eq!(keys.insert(kept(next), written.clone()), model.insert(kept(next), written));
                }
                10..14 => {
                    let written = Written::Put(Slice::from(&step.to_be_bytes()[..]));
                    assert_eq!(keys.insert(kept(any), written.clone()), model.insert(kept(any), written));
                }
                14..17 => assert_eq!(keys.remove(&kept(any)), model.remove(&kept(any))),
                17 => assert_eq!(keys.remove(&kept(next)), model.remove(&kept(next))),
                18 => {
                    let (start, end) = (any.to_be_bytes(), (any + rng.u32(..40)).to_be_bytes());
                    let bounds = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
                    let inside: Vec<KeptKey> =
                        model.range::<[u8], _>(bounds).map(|(key, _)| key.clone()).collect();
                    let expected: Vec<_> =
                        inside.into_iter().filter_map(|key| model.remove_entry(&key)).collect();
                    assert_eq!(keys.take_range(bounds), expected);
                }
                _ => {
                    let (start, end) = (any.to_be_bytes(), (any + rng.u32(1..90)).to_be_bytes());
                    for bounds in [
                        (Bound::Included(&start[..]), Bound::Excluded(&end[..])),
                        (Bound::Excluded(&start[..]), Bound::Included(&end[..])),
                        (Bound::Unbounded, Bound::Included(&end[..])),
                        (Bound::Excluded(&start[..]), Bound::Unbounded),
                    ] {
                        assert!(keys.range(bounds).eq(model.range::<[u8], _>(bounds)));
                    }
                }
            }
            assert_eq!(keys.get(&kept(any)), model.get(&kept(any)));
            assert_eq!(keys.len(), model.len());
        }
        assert!(keys.iter().eq(model.iter()));
        both += usize::from(!keys.list.is_empty() && !keys.map.is_empty());
    }
    assert!(both > 20, "{both}");
}
