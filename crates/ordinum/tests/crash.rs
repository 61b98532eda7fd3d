//! A run of random operations is cut off at a file operation, in many ways and at every place; then the database is opened
//! again. What is there must be what the first commits left, up to one that is not before the last that was durable.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use ordinum::fs::{Fault, FaultFs, MemoryFs, PowerLoss};
use ordinum::{Background, Batch, Db, Durability, Error, FamilyOptions, KeyRange, Options, Reader, SeqNo};

/// The families and what is in them.
type State = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// What a write does to its key, or from its key on.
#[derive(Clone, Debug)]
enum Change {
    Put(Vec<u8>),
    Delete,
    DeleteRange(Vec<u8>),
}

/// What one commit does. A write names its family and key.
#[derive(Clone, Debug)]
enum Effect {
    Write(Vec<(String, Vec<u8>, Change)>),
    Create(String),
    Drop(String),
}

impl Effect {
    fn apply(&self, state: &mut State) {
        match self {
            Effect::Write(writes) => {
                for (family, key, change) in writes {
                    let rows = state.get_mut(family).unwrap();
                    match change {
                        Change::Put(value) => drop(rows.insert(key.clone(), value.clone())),
                        Change::Delete => drop(rows.remove(key)),
                        Change::DeleteRange(end) => rows.retain(|row, _| row < key || row >= end),
                    }
                }
            }
            Effect::Create(name) => drop(state.insert(name.clone(), BTreeMap::new())),
            Effect::Drop(name) => drop(state.remove(name)),
        }
    }
}

/// What was done, in order.
#[derive(Default)]
struct History {
    effects: Vec<Effect>,
    /// How many of the effects are certainly durable.
    durable: usize,
    /// Whether the last effect failed, so that it may have happened or not.
    unsure: bool,
    /// The newest sequence number that was seen.
    newest: SeqNo,
}

impl History {
    fn state(&self, effects: usize) -> State {
        let mut state = State::from([("default".to_owned(), BTreeMap::new())]);
        self.effects[..effects].iter().for_each(|effect| effect.apply(&mut state));
        state
    }

    /// Cuts off what is not in `found`, which must be what some of the first effects left.
    fn cut(&mut self, found: &State, what: &str) {
        let mut state = self.state(self.durable);
        let mut effects = self.durable;
        while state != *found {
            let all = self.effects.len();
            assert!(
                effects < all,
                "{what}: what is there is not what {}..={all} effects leave",
                self.durable
            );
            self.effects[effects].apply(&mut state);
            effects += 1;
        }
        self.effects.truncate(effects);
        self.durable = effects;
        self.unsure = false;
    }
}

fn options(fs: &FaultFs, rng: &mut Rng) -> Options {
    Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        log_segment_bytes: rng.u64(4 << 10..12 << 10),
        closed_logs_max: rng.usize(1..4),
        block_cache_bytes: 64 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: rng.u64(4 << 10..8 << 10),
            immutable_memtables_max: rng.usize(1..3),
            block_bytes: 256,
            range_index: rng.u8(..4) > 0,
            separate_values_from_bytes: rng.bool().then(|| rng.u32(16..300)),
            value_garbage_percent: rng.u32(1..60),
            level0_tables_trigger: rng.usize(1..3),
            level0_tables_busy: rng.usize(1..4),
            level0_tables_slowdown: 4,
            level0_tables_max: 6,
            garbage_percent: rng.u32(1..120),
            level_base_bytes: 8 << 10,
            table_bytes_target: 4 << 10,
            ..FamilyOptions::default()
        },
        ..Options::default()
    }
}

fn found(db: &Db) -> State {
    let families = db.column_families().into_iter().map(|name| {
        let family = db.column_family(&name).unwrap();
        let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
        let mut rows = BTreeMap::new();
        let mut more = cursor.first().unwrap();
        while more {
            rows.insert(cursor.key().to_vec(), cursor.value().unwrap().to_vec());
            more = cursor.next().unwrap();
        }
        (name, rows)
    });
    families.collect()
}

fn random_write(rng: &mut Rng, state: &State) -> Effect {
    let names: Vec<&String> = state.keys().collect();
    let writes = (0..rng.usize(1..8)).map(|_| {
        let family = names[rng.usize(..names.len())].clone();
        let key = rng.u8(..60).to_string().into_bytes();
        let change = match rng.u8(..16) {
            0 => Change::DeleteRange([&key[..], b"~"].concat()),
            1 => Change::DeleteRange(b"~".to_vec()),
            2..5 => Change::Delete,
            _ => Change::Put(vec![rng.u8(b'a'..=b'z'); rng.usize(..400)]),
        };
        (family, key, change)
    });
    Effect::Write(writes.collect())
}

fn write(db: &Db, history: &mut History, effect: &Effect, durability: Durability) -> Result<(), Error> {
    match effect {
        Effect::Write(writes) => {
            let mut batch = Batch::new();
            for (family, key, change) in writes {
                let family = db.column_family(family).unwrap();
                match change {
                    Change::Put(value) => batch.put(&family, key, value)?,
                    Change::Delete => batch.delete(&family, key)?,
                    Change::DeleteRange(end) => batch.delete_range(&family, key, end)?,
                }
            }
            history.newest = history.newest.max(db.write(batch, durability)?);
        }
        Effect::Create(name) => drop(db.create_column_family(name, FamilyOptions::default())?),
        Effect::Drop(name) => db.drop_column_family(&db.column_family(name).unwrap())?,
    }
    Ok(())
}

/// One random operation.
fn step(db: &Db, rng: &mut Rng, history: &mut History) -> Result<(), Error> {
    let state = history.state(history.effects.len());
    let name = format!("family{}", rng.u8(..3));
    let (effect, durability) = match rng.u8(..100) {
        0..55 => (random_write(rng, &state), Durability::Buffered),
        55..75 => (random_write(rng, &state), Durability::Synced),
        75..82 if state.contains_key(&name) && rng.u8(..3) == 0 => (Effect::Drop(name), Durability::Synced),
        75..82 if !state.contains_key(&name) => (Effect::Create(name), Durability::Synced),
        82..94 => return db.run_background_step().map(drop),
        94..97 => return db.flush_all(),
        _ => return db.compact_range(&db.default_column_family(), KeyRange::all()),
    };
    // Before it is tried: a failure leaves open whether it happened.
    history.effects.push(effect.clone());
    history.unsure = true;
    write(db, history, &effect, durability)?;
    history.unsure = false;
    if durability == Durability::Synced {
        history.durable = history.effects.len();
    }
    Ok(())
}

fn run(db: &Db, rng: &mut Rng, history: &mut History, steps: usize) -> Result<(), Error> {
    (0..steps).try_for_each(|_| step(db, rng, history))
}

const STEPS: usize = 60;

/// One life of a database that ends with `fault` at the file operation `at`, and the next. Returns the number of operations of the
/// first life.
fn live(seed: u64, at: u64, fault: Fault, power: Option<PowerLoss>) -> u64 {
    let what = format!("seed {seed}, {fault:?} at operation {at}, then {power:?}");
    let mut rng = Rng::with_seed(seed);
    let memory = MemoryFs::new();
    let fs = FaultFs::new(Arc::new(memory.clone()));
    fs.fail_after(at, fault);
    let mut history = History::default();
    if let Ok(db) = Db::open("/db", options(&fs, &mut rng)) {
        let result = run(&db, &mut rng, &mut history, STEPS);
        if fault != Fault::PowerCut {
            // The process lives on, and so do its reads.
            let all = history.effects.len();
            let before = history.state(all - usize::from(history.unsure && all > 0));
            let now = found(&db);
            assert!(now == before || now == history.state(all), "{what}: reads after {result:?}");
        }
        if result.is_ok() && db.close().is_ok() {
            history.durable = history.effects.len();
        }
    }
    let operations = fs.operations();
    fs.clear();
    if let Some(power) = power {
        memory.lose_power(power);
    }

    for life in 0..2 {
        let db = Db::open("/db", options(&fs, &mut rng)).unwrap_or_else(|error| panic!("{what}: {error}"));
        history.cut(&found(&db), &what);
        let report = db.verify().unwrap();
        assert!(report.damages.is_empty(), "{what}: {:?}", report.damages);
        assert!(db.last_seqno() >= history.newest, "{what}: sequence numbers go back");
        run(&db, &mut rng, &mut history, 8).unwrap_or_else(|error| panic!("{what}: life {life}: {error}"));
        assert_eq!(found(&db), history.state(history.effects.len()), "{what}");
        db.close().unwrap();
        history.durable = history.effects.len();
    }
    operations
}

fn cut_everywhere(seeds: std::ops::Range<u64>, fault: Fault, every: usize) {
    for seed in seeds {
        println!("seed {seed}");
        let operations = live(seed, u64::MAX / 2, fault, None);
        assert!(operations > 60);
        for at in (1 + seed % 2..=operations).step_by(every) {
            let power = match (fault, at % 3) {
                (_, 0) => Some(PowerLoss::LoseUnsynced),
                (_, 1) | (Fault::PowerCut, _) => Some(PowerLoss::Tear { seed: seed ^ at << 8 }),
                (Fault::IoError | Fault::DiskFull | Fault::FailedSync, _) => None,
            };
            live(seed, at, fault, power);
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_durable() {
    cut_everywhere(0..2, Fault::PowerCut, 5);
}

#[test]
fn an_io_error_at_any_operation_leaves_the_database_consistent() {
    cut_everywhere(10..12, Fault::IoError, 9);
}

#[test]
fn a_full_disk_at_any_operation_leaves_the_database_consistent() {
    cut_everywhere(20..22, Fault::DiskFull, 9);
}

#[test]
fn a_failed_sync_at_any_operation_leaves_the_database_consistent() {
    cut_everywhere(30..32, Fault::FailedSync, 9);
}

/// What was acknowledged was lost with its directory, whose name nobody had made durable.
#[test]
fn a_new_database_stays_where_it_was_made() {
    let options = |fs: &FaultFs, create_if_missing| Options {
        fs: Arc::new(fs.clone()),
        background: Background::Manual,
        create_if_missing,
        ..Options::default()
    };
    let open_and_write = |fs: &FaultFs| {
        let db = Db::open("/above/inside/db", options(fs, true))?;
        let mut batch = Batch::new();
        batch.put(&db.default_column_family(), b"key", b"value")?;
        db.write(batch, Durability::Synced)?;
        let copied = db.checkpoint("/copies/first").map(drop);
        Ok::<_, Error>(copied.is_ok())
    };
    let is_there = |disk: &MemoryFs, directory: &str| {
        let db = Db::open(directory, options(&FaultFs::new(Arc::new(disk.clone())), false)).unwrap();
        let value = db.get(&db.default_column_family(), b"key").unwrap();
        assert_eq!(value.as_deref(), Some(&b"value"[..]), "{directory}");
    };
    for cut in 0..60 {
        for how in [PowerLoss::LoseUnsynced, PowerLoss::Tear { seed: cut }] {
            let disk = MemoryFs::new();
            let fs = FaultFs::new(Arc::new(disk.clone()));
            if cut > 0 {
                // A process that is killed comes no further than here, and the next one goes on with what it finds.
                fs.fail_after(cut, Fault::PowerCut);
                drop(open_and_write(&fs));
                fs.clear();
                disk.kill_process();
            }
            let is_copied = open_and_write(&fs).unwrap();
            disk.lose_power(how);
            is_there(&disk, "/above/inside/db");
            if is_copied {
                is_there(&disk, "/copies/first");
            }
        }
    }
}
