use fastrand::Rng;

use super::*;
use crate::iter::model::{Entry, VecIter, check, random_entries};

#[test]
fn a_merge_moves_as_one_sorted_vector() {
    for seed in 0..200 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(..400);
        let model = random_entries(&mut rng, count);
        let children_max = rng.usize(1..9);
        let mut children: Vec<Vec<Entry>> = vec![Vec::new(); children_max];
        for entry in &model {
            children[rng.usize(..children_max)].push(entry.clone());
        }
        let mut merge = MergeIter::new(children.into_iter().map(VecIter::new).collect());
        check(&mut merge, &model, &mut rng, 2000);
    }
}

#[test]
fn nothing_merges_to_nothing() {
    let mut merge = MergeIter::<VecIter>::new(Vec::new());
    assert!(!merge.first().unwrap());
    assert!(!merge.seek_before(b"a", 0).unwrap());
    assert!(!merge.valid());
}
