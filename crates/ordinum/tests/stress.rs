//! Random operations on a database with tiny buffers, compared with a model that remembers every version: memtables
//! seal, flush and compact all the time, while snapshots and cursors stay open across it; the database is closed, or
//! loses power, and is opened again with other options.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ordinum::fs::{Fault, FaultFs, MemoryFs, PowerLoss};
use ordinum::{
    Background, Batch, ColumnFamily, CompactionFilter, CompactionStyle, Compression, Cursor, Db, Durability,
    Error, FamilyOptions, FilterDecision, FilteredEntry, KeyRange, Options, Reader, Result, SeqNo, Snapshot,
};

const FAMILIES: [&str; 3] = ["default", "second", "third"];

/// What each commit left of a key: a value, or none.
type Versions = BTreeMap<SeqNo, Option<Vec<u8>>>;
/// Key, sequence number, value.
type Row = (Vec<u8>, (SeqNo, Vec<u8>));
type View = BTreeMap<Vec<u8>, (SeqNo, Vec<u8>)>;

/// What an operation does from its key on.
enum Effect {
    Wrote(Option<Vec<u8>>),
    DeletedRange(Vec<u8>),
}

/// Every version of every key of every family.
#[derive(Default)]
struct Model {
    versions: [BTreeMap<Vec<u8>, Versions>; FAMILIES.len()],
    commits: Vec<SeqNo>,
    /// The newest commit that is certainly durable.
    durable: SeqNo,
}

impl Model {
    fn last(&self) -> SeqNo {
        self.commits.last().copied().unwrap_or(SeqNo::ZERO)
    }

    fn view(&self, family: usize, at: SeqNo) -> View {
        let newest = self.versions[family].iter().filter_map(|(key, versions)| {
            let (written, value) = versions.range(..=at).next_back()?;
            Some((key.clone(), (*written, value.clone()?)))
        });
        newest.collect()
    }

    /// What an operation of the commit does, behind those before it.
    fn apply(&mut self, family: usize, key: Vec<u8>, effect: Effect, seqno: SeqNo) {
        match effect {
            Effect::Wrote(value) => {
                self.versions[family].entry(key).or_default().insert(seqno, value);
            }
            Effect::DeletedRange(end) => {
                for (_, versions) in self.versions[family].range_mut(key..end) {
                    versions.insert(seqno, None);
                }
            }
        }
    }

    /// Forgets the commits behind `at`.
    fn cut(&mut self, at: SeqNo) {
        self.commits.retain(|commit| *commit <= at);
        for versions in self.versions.iter_mut().flat_map(BTreeMap::values_mut) {
            versions.retain(|written, _| *written <= at);
        }
    }
}

fn random_key(rng: &mut Rng) -> Vec<u8> {
    let mut key = b"key".to_vec();
    key.extend(rng.u16(..400).to_string().bytes());
    if rng.u8(..30) == 0 {
        key.resize(rng.usize(10..300), b'x');
    }
    if rng.u8(..200) == 0 {
        key.clear();
    }
    key
}

fn random_bound(rng: &mut Rng) -> Bound<Vec<u8>> {
    match rng.u8(..4) {
        0 => Bound::Unbounded,
        1 => Bound::Excluded(random_key(rng)),
        _ => Bound::Included(random_key(rng)),
    }
}

fn random_range(rng: &mut Rng) -> KeyRange {
    KeyRange { start: random_bound(rng), end: random_bound(rng) }
}

fn random_options(rng: &mut Rng, fs: &FaultFs, background: Background) -> Options {
    let family = FamilyOptions {
        merge_operator: None,
        write_buffer_bytes: rng.u64(4 << 10..16 << 10),
        immutable_memtables_max: rng.usize(1..4),
        block_bytes: rng.usize(256..1000),
        compression: std::array::from_fn(|_| {
            rng.choice([Compression::None, Compression::Lz4, Compression::Zstd]).unwrap_or_default()
        }),
        separate_values_from_bytes: rng.bool().then(|| rng.u32(16..300)),
        value_compression: rng.choice([Compression::None, Compression::Lz4]).unwrap_or_default(),
        value_garbage_percent: rng.u32(1..99),
        filter_bits_per_key: rng.u32(0..12),
        range_index: rng.bool(),
        compaction_style: match rng.u8(..6) {
            // Nothing expires during the test: the model does not know of time.
            0 => CompactionStyle::Fifo { time_to_live: Duration::from_secs(1 << 30) },
            _ => CompactionStyle::Leveled,
        },
        compaction_filter: rng.bool().then(|| Arc::new(KeepAll) as Arc<dyn CompactionFilter>),
        level0_tables_trigger: rng.usize(1..5),
        level0_tables_busy: rng.usize(1..7),
        level0_tables_slowdown: 6,
        level0_tables_max: 8,
        pending_bytes_slowdown: 1 << rng.u32(10..30),
        pending_bytes_max: 1 << 30,
        garbage_percent: rng.u32(1..120),
        level_base_bytes: rng.u64(8 << 10..64 << 10),
        table_bytes_target: rng.u64(4 << 10..16 << 10),
    };
    Options {
        fs: Arc::new(fs.clone()),
        log_segment_bytes: rng.u64(4 << 10..64 << 10),
        block_cache_bytes: rng.u64(0..256 << 10),
        background,
        compaction_threads: rng.usize(1..4),
        compaction_slices_max: rng.usize(1..4),
        background_bytes_per_second: if rng.bool() { 0 } else { 1 << 30 },
        delayed_write_bytes_per_second: 1 << rng.u32(27..33),
        family_defaults: family,
        ..Options::default()
    }
}

/// A filter that is asked, and removes nothing.
#[derive(Debug)]
struct KeepAll;

impl CompactionFilter for KeepAll {
    fn filter(&self, _: &FilteredEntry<'_>) -> FilterDecision {
        FilterDecision::Keep
    }
}

/// A cursor that is open, what it must show, and where it stands.
struct OpenCursor {
    cursor: Cursor,
    rows: Vec<Row>,
    at: Option<usize>,
}

impl OpenCursor {
    fn open(reader: &dyn Reader, family: &ColumnFamily, view: View, rng: &mut Rng) -> OpenCursor {
        let range = random_range(rng);
        let cursor = reader.cursor(family, range.clone()).unwrap();
        let rows = view.into_iter().filter(|(key, _)| range.contains(key)).collect();
        OpenCursor { cursor, rows, at: None }
    }

    fn walk(&mut self, rng: &mut Rng, moves: usize) {
        for _ in 0..moves {
            let key = random_key(rng);
            let behind = self.rows.partition_point(|row| row.0 < key);
            let through = self.rows.partition_point(|row| row.0 <= key);
            let (found, at, name) = match rng.u8(..16) {
                0 => (self.cursor.first(), Some(0), "first"),
                1 => (self.cursor.last(), self.rows.len().checked_sub(1), "last"),
                2..4 => (self.cursor.seek(&key), Some(behind), "seek"),
                4..6 => (self.cursor.seek_back(&key), through.checked_sub(1), "seek_back"),
                6..11 if self.at.is_some() => (self.cursor.next(), self.at.map(|at| at + 1), "next"),
                11.. if self.at.is_some() => {
                    (self.cursor.prev(), self.at.and_then(|at| at.checked_sub(1)), "prev")
                }
                _ => continue,
            };
            self.at = at.filter(|at| *at < self.rows.len());
            let expected = self.at.map(|at| &self.rows[at]);
            let what = format!("{name}, key {:?}, to {:?}", key.escape_ascii().to_string(), expected);
            assert_eq!(found.unwrap(), expected.is_some(), "{what}");
            assert_eq!(self.cursor.valid(), expected.is_some(), "{what}");
            if let Some((key, (written, value))) = expected {
                assert_eq!(self.cursor.key(), key, "{what}");
                assert_eq!(self.cursor.value().unwrap(), value, "{what}");
                assert_eq!(*self.cursor.value_slice().unwrap(), **value, "{what}");
                assert_eq!(self.cursor.seqno(), *written, "{what}");
            }
        }
    }
}

struct Bed {
    disk: MemoryFs,
    fs: FaultFs,
    background: Background,
    /// None only between a crash and the next opening.
    open: Option<Db>,
    families: Vec<ColumnFamily>,
    model: Model,
    snapshots: Vec<Snapshot>,
    cursors: Vec<OpenCursor>,
}

impl Bed {
    fn new(rng: &mut Rng, background: Background) -> Bed {
        let disk = MemoryFs::new();
        let fs = FaultFs::new(Arc::new(disk.clone()));
        let (db, families) = open(rng, &fs, background);
        let model = Model { durable: db.last_seqno(), ..Model::default() };
        let (snapshots, cursors) = (Vec::new(), Vec::new());
        Bed { disk, fs, background, open: Some(db), families, model, snapshots, cursors }
    }

    fn db(&self) -> &Db {
        self.open.as_ref().unwrap()
    }

    /// Writes a random batch; after an error it may or may not have happened.
    fn try_write(&mut self, rng: &mut Rng) -> Result<()> {
        let mut batch = Batch::new();
        let mut writes = Vec::new();
        for _ in 0..rng.usize(1..20) {
            let (family, key) = (rng.usize(..FAMILIES.len()), random_key(rng));
            if rng.u8(..40) == 0 {
                let end = random_key(rng);
                let (start, end) = if key <= end { (key, end) } else { (end, key) };
                batch.delete_range(&self.families[family], &start, &end)?;
                writes.push((family, start, Effect::DeletedRange(end)));
                continue;
            }
            let value = (rng.u8(..3) > 0).then(|| {
                let len = if rng.u8(..40) == 0 { 3000 } else { rng.usize(..60) };
                std::iter::repeat_with(|| rng.u8(b'a'..b'e')).take(len).collect::<Vec<u8>>()
            });
            match &value {
                Some(value) => batch.put(&self.families[family], &key, value)?,
                None => batch.delete(&self.families[family], &key)?,
            }
            writes.push((family, key, Effect::Wrote(value)));
        }
        let durability = if rng.u8(..4) == 0 { Durability::Synced } else { Durability::Buffered };
        let before = self.db().last_seqno();
        let result = self.db().write(batch, durability);
        let seqno = match &result {
            Ok(seqno) => *seqno,
            Err(_) => before.next().unwrap(),
        };
        assert!(seqno > self.model.last());
        self.model.commits.push(seqno);
        for (family, key, effect) in writes {
            self.model.apply(family, key, effect, seqno);
        }
        if result.is_ok() && durability == Durability::Synced {
            self.model.durable = seqno;
        }
        result.map(drop)
    }

    /// A reader and the sequence number that it reads at.
    fn random_reader(&self, rng: &mut Rng) -> (&dyn Reader, SeqNo) {
        match self.snapshots.get(rng.usize(..self.snapshots.len() + 1)) {
            Some(snapshot) => (snapshot, snapshot.seqno()),
            None => (self.db(), self.model.last()),
        }
    }

    fn read(&self, rng: &mut Rng) {
        let (reader, at) = self.random_reader(rng);
        let family = rng.usize(..FAMILIES.len());
        let view = self.model.view(family, at);
        let keys: Vec<Vec<u8>> = (0..30).map(|_| random_key(rng)).collect();
        let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let many = reader.multi_get(&self.families[family], &slices).unwrap();
        for (key, from_many) in keys.iter().zip(many) {
            let one = reader.get_versioned(&self.families[family], key).unwrap();
            let expected = view.get(key);
            assert_eq!(one.as_ref().map(|(value, written)| (*written, value.to_vec())).as_ref(), expected);
            assert_eq!(from_many.map(|value| value.to_vec()), expected.map(|(_, value)| value.clone()));
        }
    }

    fn open_cursor(&mut self, rng: &mut Rng) {
        let (reader, at) = self.random_reader(rng);
        let family = rng.usize(..FAMILIES.len());
        let view = self.model.view(family, at);
        let cursor = OpenCursor::open(reader, &self.families[family], view, rng);
        self.cursors.push(cursor);
        if self.cursors.len() > 6 {
            self.cursors.swap_remove(rng.usize(..6));
        }
    }

    fn forget_readers(&mut self) {
        self.snapshots.clear();
        self.cursors.clear();
    }

    /// Drops the last family, and creates one of the same name. Both are durable, with all commits before.
    fn replace_family(&mut self, rng: &mut Rng) {
        let at = FAMILIES.len() - 1;
        let dropped = self.families[at].clone();
        self.db().drop_column_family(&dropped).unwrap();
        assert!(matches!(self.db().get(&dropped, b"key"), Err(Error::FamilyDropped { .. })));
        assert!(matches!(
            self.db().compact_range(&dropped, KeyRange::all()),
            Err(Error::FamilyDropped { .. })
        ));
        let options = random_options(rng, &self.fs, self.background).family_defaults;
        self.families[at] = self.db().create_column_family(FAMILIES[at], options).unwrap();
        self.model.versions[at].clear();
        self.model.durable = self.model.last();
    }

    fn open(&mut self, rng: &mut Rng) {
        let (db, families) = open(rng, &self.fs, self.background);
        (self.open, self.families) = (Some(db), families);
    }

    fn reopen(&mut self, rng: &mut Rng) {
        self.forget_readers();
        self.db().close().unwrap();
        self.open(rng);
        self.check_all();
    }

    /// The process dies and the machine loses power, at once or in the middle of some work; then it is opened again.
    fn crash(&mut self, rng: &mut Rng) {
        if rng.bool() {
            self.work_until(rng, Fault::PowerCut);
        }
        self.fs.fail_after(1, Fault::PowerCut);
        self.die();
        let how = if rng.bool() { PowerLoss::LoseUnsynced } else { PowerLoss::Tear { seed: rng.u64(..) } };
        self.disk.lose_power(how);
        self.fs.clear();
        self.open(rng);
        self.find_itself_again();
    }

    /// An operation on a file fails, the database with it; then it is opened again.
    fn fail(&mut self, rng: &mut Rng) {
        let fault = [Fault::IoError, Fault::DiskFull, Fault::FailedSync][rng.usize(..3)];
        self.work_until(rng, fault);
        self.fs.clear();
        self.die();
        self.open(rng);
        self.find_itself_again();
    }

    fn die(&mut self) {
        self.forget_readers();
        self.families.clear();
        self.open = None;
    }

    /// Works until a fault stops it, or there was none in the way.
    fn work_until(&mut self, rng: &mut Rng, fault: Fault) {
        self.fs.fail_after(rng.u64(1..80), fault);
        for _ in 0..60 {
            let family = self.families[rng.usize(..FAMILIES.len())].clone();
            let result = match rng.u8(..10) {
                0 => self.db().flush(&family),
                1 => self.db().compact_range(&family, random_range(rng)),
                2..5 => self.db().run_background_step().map(drop),
                _ => self.try_write(rng),
            };
            if result.is_err() {
                return;
            }
        }
    }

    /// What is there must be what one commit left, at or after the last that was durable.
    fn find_itself_again(&mut self) {
        let found: Vec<View> = self.families.iter().map(|family| scan(self.db(), family)).collect();
        let candidates =
            [SeqNo::ZERO, self.model.durable].into_iter().chain(self.model.commits.iter().copied());
        let fits =
            |at: &SeqNo| (0..FAMILIES.len()).all(|family| self.model.view(family, *at) == found[family]);
        let durable = self.model.durable.min(self.model.last());
        let at = candidates.filter(|at| *at >= durable).find(fits);
        let at = at.unwrap_or_else(|| panic!("no commit since {durable} left what is there"));
        self.model.cut(at);
        self.model.durable = at;
    }

    fn check_all(&self) {
        for (index, family) in self.families.iter().enumerate() {
            let view = self.model.view(index, self.model.last());
            assert_eq!(scan(self.db(), family), view, "family {index}");
            for snapshot in &self.snapshots {
                assert_eq!(
                    scan(snapshot, family),
                    self.model.view(index, snapshot.seqno()),
                    "family {index}"
                );
            }
        }
    }
}

fn open(rng: &mut Rng, fs: &FaultFs, background: Background) -> (Db, Vec<ColumnFamily>) {
    let db = Db::open("/db", random_options(rng, fs, background)).unwrap();
    let families = FAMILIES.iter().map(|name| match db.column_family(name) {
        Some(family) => family,
        None => db.create_column_family(name, random_options(rng, fs, background).family_defaults).unwrap(),
    });
    let families = families.collect();
    (db, families)
}

fn scan(reader: &dyn Reader, family: &ColumnFamily) -> View {
    let mut cursor = reader.cursor(family, KeyRange::all()).unwrap();
    let mut rows = View::new();
    let mut more = cursor.first().unwrap();
    while more {
        rows.insert(cursor.key().to_vec(), (cursor.seqno(), cursor.value().unwrap().to_vec()));
        more = cursor.next().unwrap();
    }
    rows
}

fn run(seed: u64, background: Background, steps: usize) {
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut bed = Bed::new(&mut rng, background);
    for _ in 0..steps {
        match rng.u16(..1000) {
            0..500 => bed.try_write(&mut rng).unwrap(),
            500..620 => bed.read(&mut rng),
            620..680 => bed.open_cursor(&mut rng),
            680..780 => bed.cursors.iter_mut().for_each(|cursor| cursor.walk(&mut rng, 10)),
            780..810 => bed.snapshots.push(bed.db().snapshot()),
            810..835 if !bed.snapshots.is_empty() => {
                bed.snapshots.swap_remove(rng.usize(..bed.snapshots.len()));
            }
            835..950 => drop(bed.db().run_background_step().unwrap()),
            950..970 => bed.db().flush(&bed.families[rng.usize(..FAMILIES.len())]).unwrap(),
            970..975 => bed.db().flush_all().unwrap(),
            975..983 => {
                let range = random_range(&mut rng);
                bed.db().compact_range(&bed.families[rng.usize(..FAMILIES.len())], range).unwrap();
            }
            983..987 => bed.check_all(),
            987..989 => bed.replace_family(&mut rng),
            989..993 => bed.reopen(&mut rng),
            993..997 => bed.crash(&mut rng),
            _ => bed.fail(&mut rng),
        }
    }
    while bed.db().run_background_step().unwrap() {}
    bed.check_all();
    let report = bed.db().verify().unwrap();
    assert!(report.damages.is_empty(), "{:?}", report.damages);
    bed.reopen(&mut rng);
}

/// How many runs: a few, or as many as `ORDINUM_STRESS_RUNS` says.
fn runs(few: u64) -> u64 {
    std::env::var("ORDINUM_STRESS_RUNS").map_or(few, |runs| runs.parse().unwrap())
}

#[test]
fn a_database_that_works_by_hand_is_its_model() {
    for seed in 0..runs(12) {
        run(seed, Background::Manual, 1500);
    }
}

#[test]
fn a_database_with_threads_is_its_model() {
    for seed in (0..runs(6)).map(|run| 1_000_000 + run) {
        run(seed, Background::Threads, 1500);
    }
}
