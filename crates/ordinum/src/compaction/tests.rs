#![allow(clippy::cast_possible_truncation, reason = "test data")]

use crate::sync::atomic::{AtomicBool, Ordering};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fastrand::Rng;

use super::*;
use crate::cache::{BlockCache, CacheUse};
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::file_name::FileNumber;
use crate::fs::{Fs, MemoryFs};
use crate::iter::InternalIterator;
use crate::key::{Kind, SeqNo, push_internal, seek_trailer, split_internal, split_trailer, trailer};
use crate::merge::MergeIter;
use crate::merge_operator::Operator;
use crate::part::Part;
use crate::rate_limiter::Haste;
use crate::table::hash_key;
use crate::version::{FileMeta, Levels, TableStore, Tally, ValuesRead};

fn seqno(n: u64) -> SeqNo {
    SeqNo::new(n).unwrap()
}

fn store(fs: &MemoryFs) -> Arc<TableStore> {
    let cache = Arc::new(BlockCache::new(1 << 20));
    Arc::new(TableStore {
        notices: Arc::new(crate::listener::Notices::new(None)),
        fs: Arc::new(fs.clone()),
        directory: PathBuf::from("/db"),
        cache,
        limiter: None,
        values_read: ValuesRead::default(),
    })
}

fn options(rng: &mut Rng) -> CompactionOptions {
    let level0_tables_trigger = rng.usize(1..4);
    CompactionOptions {
        style: CompactionStyle::Leveled,
        level0_tables_trigger,
        level0_tables_busy: level0_tables_trigger + rng.usize(0..4),
        garbage_percent: rng.u32(20..120),
        level_base_bytes: rng.u64(1000..5000),
        table_bytes_target: if rng.bool() { rng.u64(500..3000) } else { rng.u64(3000..80_000) },
        table: TableOptions {
            block_bytes: rng.usize(50..400),
            index_block_bytes: 200,
            ..TableOptions::default()
        },
        compression: [Compression::None; LEVELS],
        values: ValueOptions { from_bytes: None, compression: Compression::None, garbage_percent: 50 },
    }
}

/// A family without a database: its levels, what was written to it, and who looks at it.
struct Bed {
    fs: MemoryFs,
    store: Arc<TableStore>,
    options: CompactionOptions,
    levels: Levels,
    numbers: AtomicU64,
    slices_max: usize,
    filter: Option<Arc<dyn CompactionFilter>>,
    /// Every version of every key; none is a deletion.
    history: BTreeMap<Vec<u8>, BTreeMap<u64, Option<Vec<u8>>>>,
    last_seqno: u64,
    pins: Vec<SeqNo>,
    /// Reads happen at or above it, or at a pin.
    horizon: SeqNo,
}

impl Bed {
    fn new(options: CompactionOptions) -> Bed {
        let fs = MemoryFs::new();
        Bed {
            store: store(&fs),
            fs,
            options,
            levels: Levels::default(),
            numbers: AtomicU64::new(0),
            slices_max: 1,
            filter: None,
            history: BTreeMap::new(),
            last_seqno: 0,
            pins: Vec::new(),
            horizon: SeqNo::ZERO,
        }
    }

    fn next_number(&self) -> FileNumber {
        FileNumber(self.numbers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Writes random versions of keys below `keys`, and flushes them to a table of level 0.
    fn flush(&mut self, rng: &mut Rng, writes: usize, keys: u32) {
        let mut entries: Vec<(Vec<u8>, u64, Vec<u8>)> = Vec::new();
        for _ in 0..writes {
            self.last_seqno += 1;
            let key = format!("key{:04}", rng.u32(..keys)).into_bytes();
            let value = (rng.u8(..3) > 0)
                .then(|| format!("{}", self.last_seqno).repeat(rng.usize(1..6)).into_bytes());
            let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
            let bytes = value.clone().unwrap_or_default();
            entries.push((key.clone(), trailer(seqno(self.last_seqno), kind), bytes));
            self.history.entry(key).or_default().insert(self.last_seqno, value);
        }
        entries.sort_by(|a, b| crate::key::compare((&a.0, a.1), (&b.0, b.1)));
        let number = self.next_number();
        let mut builder = self.store.create(number, &self.options.table_options(0), Haste::Urgent).unwrap();
        for (key, trailer, value) in &entries {
            builder.add(key, *trailer, value).unwrap();
        }
        let meta = FileMeta::new(number, builder.finish().unwrap(), 0, 0);
        self.levels.apply(&[], vec![(0, LiveTable::new(meta, Arc::clone(&self.store)))]);
    }

    fn run(&self, compaction: &Compaction) -> Result<CompactionOutcome> {
        let job = Job {
            family: FamilyId(0),
            operator: Operator { family: "default", merges: None },
            store: &self.store,
            compaction,
            levels: &self.levels,
            retention: &self.retention(),
            options: &self.options,
            given_up: &given_up(&self.levels, &self.options.values, compaction.level, 0),
            filter: self.filter.as_deref(),
            slices_max: self.slices_max,
            next_number: &|| self.next_number(),
            stop: &AtomicBool::new(false),
        };
        job.run()
    }

    fn retention(&self) -> Retention {
        Retention::new(self.pins.clone(), self.horizon)
    }

    fn pick(&self, mood: Mood, claims: &[Claim]) -> Option<Compaction> {
        let retention = &self.retention();
        pick(&Picking {
            levels: &self.levels,
            options: &self.options,
            claims,
            mood,
            retention,
            hidden_by: None,
            unix_ms: 0,
        })
    }

    fn compact(&mut self, compaction: &Compaction) {
        let outputs = self.outputs(compaction);
        self.install(compaction, outputs);
    }

    /// Does what the compaction says, and tells the tables that take the place of its inputs.
    fn outputs(&self, compaction: &Compaction) -> Vec<Arc<LiveTable>> {
        match compaction.method {
            Method::Move => compaction.inputs.clone(),
            Method::Drop | Method::DropHidden => Vec::new(),
            Method::Merge => {
                let outputs = self.run(compaction).unwrap().outputs.into_iter();
                outputs.map(|meta| LiveTable::new(meta, Arc::clone(&self.store))).collect()
            }
        }
    }

    fn install(&mut self, compaction: &Compaction, outputs: Vec<Arc<LiveTable>>) {
        let inputs = compaction.inputs.iter().map(|table| (compaction.level, table));
        let overlapping = compaction.overlapping.iter().map(|table| (compaction.output_level, table));
        let dropped: Vec<_> = inputs.chain(overlapping).collect();
        if compaction.method != Method::Move {
            dropped.iter().for_each(|(_, table)| table.mark_obsolete());
        }
        let numbers: Vec<_> = dropped.iter().map(|(level, table)| (*level, table.meta().number)).collect();
        let added = outputs.into_iter().map(|table| (compaction.output_level, table)).collect();
        self.levels.apply(&numbers, added);
        self.levels.check().unwrap();
    }

    /// What a reader at `at` must see.
    fn view(&self, at: SeqNo) -> BTreeMap<Vec<u8>, (u64, Vec<u8>)> {
        let newest = self.history.iter().filter_map(|(key, versions)| {
            let (written, value) = versions.range(..=at.get()).next_back()?;
            Some((key.clone(), (*written, value.clone()?)))
        });
        newest.collect()
    }

    fn merged(&self) -> MergeIter<Part> {
        MergeIter::new(self.levels.iterators(CacheUse::Fill).unwrap())
    }

    /// What the tables show at `at`.
    fn shown(&self, at: SeqNo) -> BTreeMap<Vec<u8>, (u64, Vec<u8>)> {
        let mut iter = self.merged();
        let mut newest: BTreeMap<Vec<u8>, Option<(u64, Vec<u8>)>> = BTreeMap::new();
        let mut more = iter.first().unwrap();
        while more {
            let (written, kind) = split_trailer(iter.trailer());
            if written <= at {
                newest.entry(iter.user_key().to_vec()).or_insert_with(|| {
                    (kind == Kind::Put as u8).then(|| (written.get(), iter.value().to_vec()))
                });
            }
            more = iter.next().unwrap();
        }
        newest.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Every reader sees what it must, by scan and by get.
    fn check(&self, rng: &mut Rng) {
        let mut readers = self.pins.clone();
        readers.push(seqno(self.last_seqno));
        readers.push(seqno(rng.u64(self.horizon.get()..=self.last_seqno)));
        for at in readers {
            let view = self.view(at);
            assert_eq!(self.shown(at), view, "at {at}");
            for key in self.history.keys() {
                let found = self.levels.get(key, seek_trailer(at), hash_key(key)).unwrap();
                let found = found.filter(|(kind, ..)| *kind == Kind::Put);
                let found = found.map(|(_, written, value)| (written.get(), value.to_vec()));
                assert_eq!(found.as_ref(), view.get(key), "at {at}");
            }
        }
    }

    fn entries(&self) -> usize {
        let mut iter = self.merged();
        let mut count = 0;
        let mut more = iter.first().unwrap();
        while more {
            count += 1;
            more = iter.next().unwrap();
        }
        count
    }

    fn compact_all(&mut self) {
        let mut from = 0;
        while let Some((compaction, next)) = pick_range(&self.levels, &self.options, from, &|_, _| true) {
            self.compact(&compaction);
            from = next;
        }
    }
}

#[test]
fn compaction_keeps_every_view_that_somebody_may_have() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut bed = Bed::new(options(&mut rng));
        let keys = rng.u32(1..300);
        for _ in 0..rng.usize(1..25) {
            let writes = rng.usize(1..200);
            bed.flush(&mut rng, writes, keys);
            if rng.u8(..3) == 0 {
                bed.pins.push(seqno(bed.last_seqno));
            }
            if rng.u8(..4) == 0 && !bed.pins.is_empty() {
                bed.pins.swap_remove(rng.usize(..bed.pins.len()));
            }
            if rng.bool() {
                bed.horizon = seqno(rng.u64(bed.horizon.get()..=bed.last_seqno));
            }
            bed.slices_max = rng.usize(1..4);
            let mood = if rng.bool() { Mood::Busy } else { Mood::Quiet };
            while let Some(compaction) = bed.pick(mood, &[]) {
                bed.compact(&compaction);
            }
            bed.check(&mut rng);
        }
        bed.compact_all();
        bed.check(&mut rng);
        bed.pins.clear();
        bed.horizon = seqno(bed.last_seqno);
        bed.compact_all();
        bed.check(&mut rng);
        assert_eq!(bed.entries(), bed.view(bed.horizon).len(), "only live versions are left");
        // Files of dropped tables are gone, and no other.
        let live: usize = bed.levels.tables().count();
        assert_eq!(bed.fs.list(Path::new("/db")).unwrap().len(), live);
    }
}

/// Compactions that the picker lets run at the same time see the same levels, and take effect in any order, with flushes
/// in between.
#[test]
fn compactions_side_by_side_keep_every_view() {
    let mut most = 0;
    for seed in 100..130 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut bed = Bed::new(CompactionOptions {
            table_bytes_target: rng.u64(300..1000),
            level_base_bytes: rng.u64(20..2000),
            ..options(&mut rng)
        });
        for _ in 0..15 {
            for _ in 0..rng.usize(1..6) {
                let writes = rng.usize(50..200);
                bed.flush(&mut rng, writes, 250);
            }
            bed.horizon = seqno(bed.last_seqno);
            let (mut running, mut claims) = (Vec::new(), Vec::new());
            let mood = if rng.bool() { Mood::Busy } else { Mood::Quiet };
            while let Some(compaction) = bed.pick(mood, &claims) {
                claims.push(Claim::of(&compaction));
                let outputs = bed.outputs(&compaction);
                running.push((compaction, outputs));
            }
            most = most.max(running.len());
            if rng.bool() {
                bed.flush(&mut rng, 100, 250);
            }
            rng.shuffle(&mut running);
            for (compaction, outputs) in running {
                bed.install(&compaction, outputs);
                bed.check(&mut rng);
            }
        }
    }
    assert!(most > 1, "nothing ran side by side");
}

#[test]
fn outputs_end_at_the_target_and_between_user_keys() {
    let mut rng = Rng::with_seed(5);
    let mut bed = Bed::new(CompactionOptions { table_bytes_target: 2000, ..options(&mut rng) });
    for _ in 0..4 {
        bed.flush(&mut rng, 500, 60);
    }
    let (compaction, _) = pick_range(&bed.levels, &bed.options, 0, &|_, _| true).unwrap();
    let outcome = bed.run(&compaction).unwrap();
    assert!(outcome.outputs.len() > 4);
    let kept: u64 = outcome.outputs.iter().map(|meta| meta.entries).sum();
    assert_eq!(kept + outcome.entries_dropped, 2000);
    assert_eq!(outcome.entries_read, 2000);
    assert_eq!(outcome.bytes_written, outcome.outputs.iter().map(|meta| meta.bytes).sum::<u64>());
    let user_key = |internal| split_internal(internal).unwrap().0.to_vec();
    for [a, b] in outcome.outputs.array_windows() {
        assert!(user_key(&a.largest) < user_key(&b.smallest));
        assert!((1000..6000).contains(&a.bytes), "{}", a.bytes);
    }
}

#[test]
fn deletions_stay_while_a_deeper_level_may_hold_the_key() {
    let mut rng = Rng::with_seed(6);
    let mut bed = Bed::new(options(&mut rng));
    let write = |bed: &mut Bed, key: &[u8], value: Option<&[u8]>| {
        bed.last_seqno += 1;
        let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
        let number = bed.next_number();
        let mut builder = bed.store.create(number, &TableOptions::default(), Haste::Urgent).unwrap();
        builder.add(key, trailer(seqno(bed.last_seqno), kind), value.unwrap_or_default()).unwrap();
        bed.horizon = seqno(bed.last_seqno);
        bed.history.entry(key.to_vec()).or_default().insert(bed.last_seqno, value.map(<[u8]>::to_vec));
        let meta = FileMeta::new(number, builder.finish().unwrap(), 0, 0);
        LiveTable::new(meta, Arc::clone(&bed.store))
    };
    let deep = write(&mut bed, b"k", Some(b"v"));
    bed.levels.apply(&[], vec![(6, deep)]);
    let deletion = write(&mut bed, b"k", None);
    bed.levels.apply(&[], vec![(4, Arc::clone(&deletion))]);
    let merge = |level| Compaction {
        level,
        output_level: level + 1,
        inputs: vec![Arc::clone(&deletion)],
        overlapping: Vec::new(),
        method: Method::Merge,
        reason: String::new(),
    };
    let to_five = bed.run(&merge(4)).unwrap();
    assert_eq!((to_five.outputs.len(), to_five.entries_dropped), (1, 0));
    let mut to_six = merge(5);
    to_six.overlapping = bed.levels.level(6).to_vec();
    let to_six = bed.run(&to_six).unwrap();
    assert_eq!((to_six.outputs.len(), to_six.entries_dropped), (0, 2));
}

#[test]
fn a_job_that_ends_early_leaves_no_tables() {
    let mut rng = Rng::with_seed(7);
    let mut bed = Bed::new(CompactionOptions { table_bytes_target: 500, ..options(&mut rng) });
    for _ in 0..3 {
        bed.flush(&mut rng, 900, 5000);
    }
    let before = bed.fs.list(Path::new("/db")).unwrap();
    let (compaction, _) = pick_range(&bed.levels, &bed.options, 0, &|_, _| true).unwrap();
    let stop = AtomicBool::new(false);
    let job = Job {
        family: FamilyId(0),
        operator: Operator { family: "default", merges: None },
        store: &bed.store,
        compaction: &compaction,
        levels: &bed.levels,
        retention: &Retention::new(Vec::new(), SeqNo::ZERO),
        options: &bed.options,
        given_up: &BTreeSet::new(),
        filter: None,
        slices_max: 2,
        next_number: &|| {
            // Stops once some tables are there.
            stop.store(bed.numbers.load(Ordering::Relaxed) > 8, Ordering::Relaxed);
            bed.next_number()
        },
        stop: &stop,
    };
    assert!(matches!(job.run(), Err(Error::Closed)));
    assert_eq!(bed.fs.list(Path::new("/db")).unwrap(), before);

    // Damage in an input ends the merge, and names the file.
    let damaged = bed.store.path(compaction.inputs[0].meta().number);
    bed.fs.flip_byte(&damaged, 100).unwrap();
    let fresh = Bed { store: store(&bed.fs), ..bed };
    let reopen = |table: &Arc<LiveTable>| LiveTable::new(table.meta().clone(), Arc::clone(&fresh.store));
    let compaction = Compaction { inputs: compaction.inputs.iter().map(reopen).collect(), ..compaction };
    let Err(Error::Corrupt { file, .. }) = fresh.run(&compaction) else { panic!("damage was not found") };
    assert_eq!(file, damaged);
    assert_eq!(fresh.fs.list(Path::new("/db")).unwrap(), before);
}

#[test]
fn retention_keeps_what_a_pin_or_the_horizon_sees() {
    let retention = Retention::new(vec![seqno(20), seqno(10)], seqno(30));
    let keeps = |at, newer: u64| retention.keeps(seqno(at), Some(seqno(newer)));
    assert!(retention.keeps(seqno(1), None));
    assert!(keeps(10, 11));
    assert!(keeps(5, 11));
    assert!(!keeps(5, 10));
    assert!(!keeps(11, 20));
    assert!(keeps(11, 21));
    assert!(!keeps(21, 30));
    assert!(keeps(21, 31));
    assert!(keeps(40, 41));
}

mod cuts;
mod filters;
mod picks;
