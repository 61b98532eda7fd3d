//! Where outputs end, and how the keys of a merge are cut into slices.

use super::super::job::Shared;
use super::super::ranges::MergedRanges;
use super::*;

fn user_key(internal: &[u8]) -> Vec<u8> {
    split_internal(internal).unwrap().0.to_vec()
}

#[test]
fn slices_write_what_one_slice_would() {
    let entries = |slices_max: usize| {
        let mut rng = Rng::with_seed(8);
        let mut bed = Bed::new(CompactionOptions { table_bytes_target: 3000, ..options(&mut rng) });
        bed.slices_max = slices_max;
        for _ in 0..4 {
            bed.flush(&mut rng, 2000, 5000);
        }
        let (compaction, _) = pick_range(&bed.levels, &bed.options, 0, &|_, _| true).unwrap();
        let outcome = bed.run(&compaction).unwrap();
        for [a, b] in outcome.outputs.array_windows() {
            assert!(user_key(&a.largest) < user_key(&b.smallest));
        }
        bed.install(&compaction, bed.outputs(&compaction));
        bed.check(&mut rng);
        (outcome.slices, outcome.entries_read, outcome.entries_dropped, bed.shown(seqno(bed.last_seqno)))
    };
    let (one, four) = (entries(1), entries(4));
    assert_eq!((one.0, four.0), (1, 4), "the option says how many slices there may be");
    assert_eq!((one.1, one.2), (four.1, four.2));
    assert_eq!(one.3, four.3);
}

#[test]
fn slices_have_about_the_same_work() {
    let mut rng = Rng::with_seed(9);
    let mut bed = Bed::new(CompactionOptions { table_bytes_target: 3000, ..options(&mut rng) });
    bed.slices_max = 3;
    for _ in 0..4 {
        bed.flush(&mut rng, 3000, 9000);
    }
    let (compaction, _) = pick_range(&bed.levels, &bed.options, 0, &|_, _| true).unwrap();
    let retention = bed.retention();
    let job = Job {
        family: FamilyId(0),
        operator: Operator { family: "default", merges: None },
        store: &bed.store,
        compaction: &compaction,
        levels: &bed.levels,
        retention: &retention,
        options: &bed.options,
        given_up: &BTreeSet::new(),
        filter: None,
        slices_max: 3,
        next_number: &|| bed.next_number(),
        stop: &AtomicBool::new(false),
    };
    let slices = slices::slices(&job, &MergedRanges::default()).unwrap();
    assert_eq!(slices.len(), 3);
    let shared = Shared::new(&job, MergedRanges::default());
    let read: Vec<u64> = slices.into_iter().map(|slice| shared.run(slice).unwrap().entries_read).collect();
    assert_eq!(read.iter().sum::<u64>(), 12_000);
    assert!(read.iter().all(|entries| (3000..5000).contains(entries)), "{read:?}");
}

/// Of what lies two levels below the inputs, an output overlaps a bounded part.
#[test]
fn outputs_end_where_they_would_overlap_too_much_below() {
    let mut rng = Rng::with_seed(10);
    let mut bed = Bed::new(CompactionOptions { table_bytes_target: 2000, ..options(&mut rng) });
    let table = |bed: &mut Bed, keys: std::ops::Range<u32>, value: &[u8]| {
        let number = bed.next_number();
        let mut builder = bed.store.create(number, &bed.options.table_options(6), Haste::Urgent).unwrap();
        for key in keys {
            bed.last_seqno += 1;
            let key = format!("key{key:04}");
            builder.add(key.as_bytes(), trailer(seqno(bed.last_seqno), Kind::Put), value).unwrap();
        }
        LiveTable::new(FileMeta::new(number, builder.finish().unwrap(), 0, 0), Arc::clone(&bed.store))
    };
    // A hundred tables below, of about 4000 bytes each; the whole input is smaller than one output may be.
    for at in 0..100 {
        let below =
            table(&mut bed, at * 10..at * 10 + 10, &(0..380).map(|_| rng.u8(..)).collect::<Vec<u8>>());
        bed.levels.apply(&[], vec![(6, below)]);
    }
    let number = bed.next_number();
    let mut builder = bed.store.create(number, &TableOptions::default(), Haste::Urgent).unwrap();
    for key in (0..1000).step_by(25) {
        builder.add(format!("key{key:04}").as_bytes(), trailer(seqno(9000), Kind::Put), b"v").unwrap();
    }
    let sparse =
        LiveTable::new(FileMeta::new(number, builder.finish().unwrap(), 0, 0), Arc::clone(&bed.store));
    bed.levels.apply(&[], vec![(4, Arc::clone(&sparse))]);
    let compaction = Compaction {
        level: 4,
        output_level: 5,
        inputs: vec![sparse],
        overlapping: Vec::new(),
        method: Method::Merge,
        reason: String::new(),
    };
    let outcome = bed.run(&compaction).unwrap();
    assert!(outcome.outputs.len() > 10, "{}", outcome.outputs.len());
    for output in &outcome.outputs {
        let (first, last) = (user_key(&output.smallest), user_key(&output.largest));
        let below: u64 =
            bed.levels.overlapping(6, &first, &last).iter().map(|table| table.meta().bytes).sum();
        assert!(below <= 2000 * 10 + 2 * 4600, "{below}");
    }
}
