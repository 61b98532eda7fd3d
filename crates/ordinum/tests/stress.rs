//! Random operations on a database with tiny buffers, compared with a model that remembers every version: memtables
//! seal, flush and compact all the time, while snapshots, cursors, transactions and a tail stay open across it; sorted files are
//! ingested, options of families change, checkpoints are opened and compared; the database is closed, or loses power, and is
//! opened again with other options.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ordinum::fs::{Fault, FaultFs, Fs, MemoryFs, PowerLoss};
use ordinum::{
    Background, Batch, Change, ColumnFamily, CompactionFilter, CompactionStyle, Compression, Concurrency,
    Cursor, Db, Durability, Error, FamilyOptions, FilterDecision, FilteredEntry, KeyRange, MergeFailed,
    MergeOperator, Options, Position, Reader, Result, RetentionWindow, SeqNo, Snapshot, TableWriter, Tail,
    Transaction, TransactionOptions, Validation, Write,
};

const FAMILIES: [&str; 3] = ["default", "second", "third"];

/// What each commit left of a key: a value, or none.
type Versions = BTreeMap<SeqNo, Option<Vec<u8>>>;
/// Key, sequence number, value.
type Row = (Vec<u8>, (SeqNo, Vec<u8>));
type View = BTreeMap<Vec<u8>, (SeqNo, Vec<u8>)>;

/// What an operation does from its key on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Effect {
    Wrote(Option<Vec<u8>>),
    Merged(Vec<u8>),
    DeletedRange(Vec<u8>),
}

/// An operation: the family by its place, the key, and what is done.
type Operation = (usize, Vec<u8>, Effect);

/// Appends operands, and joins some of them.
#[derive(Debug)]
struct Append;

impl MergeOperator for Append {
    fn name(&self) -> &str {
        "append"
    }

    fn merge(
        &self,
        _: &[u8],
        existing: Option<&[u8]>,
        operands: &[&[u8]],
    ) -> std::result::Result<Vec<u8>, MergeFailed> {
        Ok([existing.unwrap_or_default(), &operands.concat()].concat())
    }

    fn join(&self, key: &[u8], operands: &[&[u8]]) -> Option<Vec<u8>> {
        key.last().is_none_or(|last| last % 2 == 0).then(|| operands.concat())
    }
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
            Effect::Merged(operand) => {
                let versions = self.versions[family].entry(key).or_default();
                let mut value =
                    versions.last_key_value().and_then(|(_, value)| value.clone()).unwrap_or_default();
                value.extend(operand);
                versions.insert(seqno, Some(value));
            }
            Effect::DeletedRange(end) => {
                for (_, versions) in self.versions[family].range_mut(key..end) {
                    versions.insert(seqno, None);
                }
            }
        }
    }

    /// Whether the key was written behind `at`.
    fn is_changed(&self, family: usize, key: &[u8], at: SeqNo) -> bool {
        let versions = self.versions[family].get(key);
        versions.and_then(|versions| versions.last_key_value()).is_some_and(|(newest, _)| *newest > at)
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
        merge_operator: Some(Arc::new(Append)),
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
        compaction_nice: rng.u8(..10),
        compaction_slices_max: rng.usize(1..4),
        background_bytes_per_second: if rng.bool() { 0 } else { 1 << 30 },
        retention: Some(RetentionWindow {
            age: Duration::from_secs(if rng.bool() { 0 } else { 1 << 20 }),
            bytes: rng.u64(0..64 << 10),
        }),
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
                2 => (self.cursor.seek(&key), Some(behind), "seek"),
                3 => {
                    self.cursor.announce(&key);
                    (self.cursor.seek(&key), Some(behind), "seek, announced")
                }
                4..6 => (self.cursor.seek_back(&key), through.checked_sub(1), "seek_back"),
                6..8 if self.at.is_some() => {
                    let (found, at) = self.each_value(rng);
                    (Ok(found), at, "each_value")
                }
                8..11 if self.at.is_some() => (self.cursor.next(), self.at.map(|at| at + 1), "next"),
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

impl OpenCursor {
    /// Walks over the keys that begin as the one that it stands on does, to their end or not as far; says whether it stands on a key
    /// then, and where it has to.
    fn each_value(&mut self, rng: &mut Rng) -> (bool, Option<usize>) {
        let rest = self.at.and_then(|at| self.rows.get(at..)).unwrap();
        let prefix = rest[0].0[..rng.usize(..=rest[0].0.len())].to_vec();
        let alike = rest.iter().take_while(|row| row.0.starts_with(&prefix)).count();
        let wanted = rng.usize(1..alike + 4);
        let mut values = Vec::new();
        let walked = self.cursor.each_value(&prefix, |value| {
            values.push(value.to_vec());
            if values.len() == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let shown = alike.min(wanted);
        assert_eq!(walked.unwrap().is_break(), wanted <= alike);
        assert!(values.iter().eq(rest[..shown].iter().map(|(_, (_, value))| value)));
        let at = self.at.map(|at| at + if wanted <= alike { wanted - 1 } else { alike });
        (self.cursor.valid(), at)
    }
}

/// A transaction that is open while others commit.
struct OpenTransaction {
    transaction: Transaction,
    at: SeqNo,
    validation: Validation,
    operations: Vec<Operation>,
    /// What it must see.
    views: [BTreeMap<Vec<u8>, Vec<u8>>; FAMILIES.len()],
    read: Vec<(usize, Vec<u8>)>,
}

/// What is told of a commit, and whether the commit is certain.
struct Told {
    certain: bool,
    /// Families by their numbers; none for an ingestion.
    writes: Option<Vec<(u32, Vec<u8>, Effect)>>,
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
    transaction: Option<OpenTransaction>,
    tail: Option<Tail>,
    position: Position,
    /// What a tail that stands at `position` has to tell.
    to_tell: BTreeMap<SeqNo, Told>,
    /// Numbers files and directories beside the database.
    others: u64,
}

fn random_effect(rng: &mut Rng) -> Effect {
    let len = if rng.u8(..40) == 0 { 3000 } else { rng.usize(..60) };
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(b'a'..b'e')).take(len).collect();
    match rng.u8(..8) {
        0 | 1 => Effect::Wrote(None),
        2 | 3 => Effect::Merged(bytes),
        _ => Effect::Wrote(Some(bytes)),
    }
}

fn random_operations(rng: &mut Rng, most: usize) -> Vec<Operation> {
    let operations = (0..rng.usize(1..most)).map(|_| {
        let (family, key) = (rng.usize(..FAMILIES.len()), random_key(rng));
        if rng.u8(..40) > 0 {
            return (family, key, random_effect(rng));
        }
        let end = random_key(rng);
        let (start, end) = if key <= end { (key, end) } else { (end, key) };
        (family, start, Effect::DeletedRange(end))
    });
    operations.collect()
}

/// What the operations do to what a transaction sees.
fn overlay(views: &mut [BTreeMap<Vec<u8>, Vec<u8>>; FAMILIES.len()], operations: &[Operation]) {
    for (family, key, effect) in operations {
        let view = &mut views[*family];
        match effect {
            Effect::Wrote(Some(value)) => drop(view.insert(key.clone(), value.clone())),
            Effect::Wrote(None) => drop(view.remove(key)),
            Effect::Merged(operand) => view.entry(key.clone()).or_default().extend(operand),
            Effect::DeletedRange(end) => view.retain(|row, _| row < key || row >= end),
        }
    }
}

impl Bed {
    fn new(rng: &mut Rng, background: Background) -> Bed {
        let disk = MemoryFs::new();
        let fs = FaultFs::new(Arc::new(disk.clone()));
        let (db, families) = open(rng, &fs, background);
        let model = Model { durable: db.last_seqno(), ..Model::default() };
        let (snapshots, cursors) = (Vec::new(), Vec::new());
        let (position, to_tell) = (db.position(), BTreeMap::new());
        let open = Some(db);
        let (transaction, tail, others) = (None, None, 0);
        Bed {
            disk,
            fs,
            background,
            open,
            families,
            model,
            snapshots,
            cursors,
            transaction,
            tail,
            position,
            to_tell,
            others,
        }
    }

    fn db(&self) -> &Db {
        self.open.as_ref().unwrap()
    }

    /// A path of its own, beside the database.
    fn other_path(&mut self, name: &str) -> String {
        self.others += 1;
        format!("/{name}{}", self.others)
    }

    /// A commit has happened, or may have.
    fn remember(&mut self, seqno: SeqNo, operations: Vec<Operation>, is_ingestion: bool, certain: bool) {
        assert!(seqno > self.model.last(), "{seqno} is behind {}", self.model.last());
        self.model.commits.push(seqno);
        let id =
            |(family, key, effect): &Operation| (self.families[*family].id(), key.clone(), effect.clone());
        let writes = (!is_ingestion).then(|| operations.iter().map(id).collect());
        self.to_tell.insert(seqno, Told { certain, writes });
        for (family, key, effect) in operations {
            self.model.apply(family, key, effect, seqno);
        }
    }

    /// Writes a random batch; after an error it may or may not have happened.
    fn try_write(&mut self, rng: &mut Rng) -> Result<()> {
        let operations = random_operations(rng, 20);
        let durability = if rng.u8(..4) == 0 { Durability::Synced } else { Durability::Buffered };
        let before = self.db().last_seqno();
        // A number with a gap before it, as replicas have them.
        let at = (rng.u8(..20) == 0).then(|| SeqNo::new(before.get() + rng.u64(1..3000)).unwrap());
        let mut batch = Batch::new();
        for (family, key, effect) in &operations {
            let family = &self.families[*family];
            match effect {
                Effect::Wrote(Some(value)) => batch.put(family, key, value)?,
                Effect::Wrote(None) => batch.delete(family, key)?,
                Effect::Merged(operand) => batch.merge(family, key, operand)?,
                Effect::DeletedRange(end) => batch.delete_range(family, key, end)?,
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let result = match at {
            Some(at) => self.db().write_at(at, batch, durability),
            None => self.db().write(batch, durability),
        };
        let seqno = *result.as_ref().unwrap_or(&at.unwrap_or(before.next().unwrap()));
        self.remember(seqno, operations, false, result.is_ok());
        if result.is_ok() && durability == Durability::Synced {
            self.model.durable = seqno;
        }
        result.map(drop)
    }

    /// Begins a transaction, goes on with it, or ends it. Others may have committed meanwhile.
    fn try_transact(&mut self, rng: &mut Rng) -> Result<()> {
        let Some(mut open) = self.transaction.take() else {
            let validation = if rng.bool() { Validation::Serializable } else { Validation::Snapshot };
            let concurrency = if rng.bool() { Concurrency::Optimistic } else { Concurrency::Pessimistic };
            let options = TransactionOptions { validation, concurrency, ..TransactionOptions::default() };
            let transaction = self.db().transaction_with(options);
            let at = self.model.last();
            let views = std::array::from_fn(|family| {
                self.model.view(family, at).into_iter().map(|(key, (_, value))| (key, value)).collect()
            });
            let (operations, read) = (Vec::new(), Vec::new());
            self.transaction = Some(OpenTransaction { transaction, at, validation, operations, views, read });
            return Ok(());
        };
        for _ in 0..rng.usize(..4) {
            let rolls_back = rng.u8(..4) == 0;
            let savepoint = open.transaction.savepoint();
            let mut done = Vec::new();
            for operation in random_operations(rng, 6) {
                let (family, key, effect) = &operation;
                let family = &self.families[*family];
                let transaction = &mut open.transaction;
                let result = match effect {
                    Effect::Wrote(Some(value)) => transaction.put(family, key, value),
                    Effect::Wrote(None) => transaction.delete(family, key),
                    Effect::Merged(operand) => transaction.merge(family, key, operand),
                    Effect::DeletedRange(end) => transaction.delete_range(family, key, end),
                };
                match result {
                    // It was changed behind the snapshot: the transaction is given up.
                    Err(Error::Conflict { .. } | Error::FamilyDropped { .. }) => return Ok(()),
                    result => result?,
                }
                done.push(operation);
            }
            if rolls_back {
                open.transaction.rollback_to(savepoint)?;
            } else {
                overlay(&mut open.views, &done);
                open.operations.extend(done);
            }
        }
        if !self.see_as_transaction(rng, &mut open)? {
            return Ok(());
        }
        if rng.bool() {
            self.transaction = Some(open);
            return Ok(());
        }
        let OpenTransaction { transaction, at, validation, operations, read, .. } = open;
        let is_empty = transaction.is_empty();
        let durability = if rng.u8(..4) == 0 { Durability::Synced } else { Durability::Buffered };
        let before = self.db().last_seqno();
        let result = transaction.commit(durability);
        if is_empty || matches!(result, Err(Error::Conflict { .. } | Error::FamilyDropped { .. })) {
            return Ok(());
        }
        let written = operations.iter().map(|(family, key, _)| (*family, key.clone()));
        let written = written.filter(|(family, key)| {
            !operations.iter().any(|(of, from, effect)| {
                of == family && from == key && matches!(effect, Effect::DeletedRange(_))
            })
        });
        let read = read.into_iter().filter(|_| validation == Validation::Serializable);
        // A fault of the disk may stop a commit before it is looked at what it depends on.
        for (family, key) in written.chain(read).filter(|_| result.is_ok()) {
            let is_changed = self.model.is_changed(family, &key, at);
            assert!(!is_changed, "{:?} was changed behind {at}", key.escape_ascii().to_string());
        }
        let seqno = *result.as_ref().unwrap_or(&before.next().unwrap());
        // What it writes is not told operation by operation.
        self.remember(seqno, operations, true, result.is_ok());
        if result.is_ok() && durability == Durability::Synced {
            self.model.durable = seqno;
        }
        result.map(drop)
    }

    /// Compares what the transaction sees; false if a family was dropped.
    fn see_as_transaction(&self, rng: &mut Rng, open: &mut OpenTransaction) -> Result<bool> {
        for _ in 0..5 {
            let (family, key) = (rng.usize(..FAMILIES.len()), random_key(rng));
            let found = match open.transaction.get(&self.families[family], &key) {
                Err(Error::FamilyDropped { .. }) => return Ok(false),
                found => found?,
            };
            assert_eq!(found.map(|value| value.to_vec()), open.views[family].get(&key).cloned());
            open.read.push((family, key));
        }
        let family = rng.usize(..FAMILIES.len());
        let mut rows = BTreeMap::new();
        let is_forward = rng.bool();
        let mut cursor = open.transaction.cursor_untracked(&self.families[family], KeyRange::all())?;
        let mut more = if is_forward { cursor.first()? } else { cursor.last()? };
        while more {
            rows.insert(cursor.key().to_vec(), cursor.value()?.to_vec());
            more = if is_forward { cursor.next()? } else { cursor.prev()? };
        }
        assert_eq!(rows, open.views[family], "a transaction at {}", open.at);
        Ok(true)
    }

    /// Ingests sorted files.
    fn try_ingest(&mut self, rng: &mut Rng) -> Result<()> {
        let family = rng.usize(..FAMILIES.len());
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = (0..rng.usize(1..60))
            .map(|_| (random_key(rng), vec![rng.u8(b'a'..b'e'); rng.usize(..400)]))
            .collect();
        if rng.bool() {
            // A narrow one finds its place deep in the levels.
            let from = rng.u16(100..390);
            rows = (from..from + rng.u16(1..6))
                .map(|number| (format!("key{number}").into_bytes(), vec![b'i'; rng.usize(..400)]))
                .collect();
        }
        let options = random_options(rng, &self.fs, self.background);
        let operations: Vec<Operation> = rows
            .iter()
            .map(|(key, value)| (family, key.clone(), Effect::Wrote(Some(value.clone()))))
            .collect();
        let mut files = Vec::new();
        let cut = rng.usize(..rows.len());
        let rows: Vec<_> = rows.into_iter().collect();
        for part in [&rows[..cut], &rows[cut..]].into_iter().filter(|part| !part.is_empty()) {
            let mut writer =
                TableWriter::create(self.other_path("sorted"), &options, &options.family_defaults)?;
            part.iter().try_for_each(|(key, value)| writer.put(key, value))?;
            files.push(writer.finish()?.path().to_owned());
        }
        let before = self.db().last_seqno();
        let result = self.db().ingest(&self.families[family], &files);
        let seqno = *result.as_ref().unwrap_or(&before.next().unwrap());
        self.remember(seqno, operations, true, result.is_ok());
        if result.is_ok() {
            self.model.durable = seqno;
        }
        result.map(drop)
    }

    /// Makes a checkpoint.
    fn try_checkpoint(&mut self) -> Result<String> {
        let path = self.other_path("copy");
        let at = self.db().checkpoint(&path)?;
        assert!(at >= self.model.last(), "a checkpoint at {at}, behind {}", self.model.last());
        self.model.durable = self.model.last();
        Ok(path)
    }

    /// Makes a checkpoint, opens it, and compares.
    fn check_checkpoint(&mut self, rng: &mut Rng) -> Result<()> {
        let path = self.try_checkpoint()?;
        // Compactions here must not take anything away there.
        self.db().compact_range(&self.families[0], KeyRange::all())?;
        let copy = Db::open(&path, random_options(rng, &self.fs, Background::Manual))?;
        let report = copy.verify()?;
        assert!(report.damages.is_empty(), "{:?}", report.damages);
        for (index, name) in FAMILIES.into_iter().enumerate() {
            let family = copy.column_family(name).unwrap();
            assert_eq!(scan(&copy, &family), self.model.view(index, self.model.last()), "family {index}");
            copy.compact_range(&family, KeyRange::all())?;
            assert_eq!(scan(&copy, &family), self.model.view(index, self.model.last()), "family {index}");
        }
        copy.close()
    }

    /// Changes the options of a family.
    fn try_set_options(&mut self, rng: &mut Rng) -> Result<()> {
        let family = self.families[rng.usize(..FAMILIES.len())].clone();
        let options = random_options(rng, &self.fs, self.background).family_defaults;
        self.db().set_family_options(&family, options)
    }

    /// Reads at a commit of the past, if that is still possible.
    fn read_past(&self, rng: &mut Rng) {
        let Some(&at) = self.model.commits.get(rng.usize(..self.model.commits.len().max(1))) else { return };
        match self.db().snapshot_at(at) {
            Ok(snapshot) => {
                let index = rng.usize(..FAMILIES.len());
                assert_eq!(scan(&snapshot, &self.families[index]), self.model.view(index, at), "at {at}");
            }
            Err(Error::TooOld { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Follows the log through what is durable, and compares.
    fn follow(&mut self) {
        let durable = self.db().position().seqno;
        let tail = self.tail.take().map_or_else(|| self.db().tail_from(self.position), Ok);
        let mut tail = match tail {
            Ok(tail) => tail,
            Err(Error::TooOld { .. }) => return self.follow_from_here(),
            Err(error) => panic!("{error}"),
        };
        let mut told = self.position.seqno;
        loop {
            let event = match tail.try_next() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(Error::TooOld { .. }) => return self.follow_from_here(),
                Err(error) => panic!("{error}"),
            };
            assert!(event.seqno > told);
            told = event.seqno;
            while let Some(missed) = self.to_tell.first_entry().filter(|missed| *missed.key() < told) {
                assert!(!missed.get().certain, "{} was not told, but {told}", missed.key());
                missed.remove();
            }
            let expected = self.to_tell.remove(&told);
            match event.change {
                Change::Batch(batch) => {
                    let expected = expected.unwrap_or_else(|| panic!("nobody committed {told}"));
                    let Some(expected) = expected.writes else { continue };
                    let writes = batch.writes().map(|write| match write {
                        Write::Put { family, key, value } => {
                            (family, key.to_vec(), Effect::Wrote(Some(value.to_vec())))
                        }
                        Write::Merge { family, key, operand } => {
                            (family, key.to_vec(), Effect::Merged(operand.to_vec()))
                        }
                        Write::Delete { family, key } => (family, key.to_vec(), Effect::Wrote(None)),
                        Write::DeleteRange { family, start, end } => {
                            (family, start.to_vec(), Effect::DeletedRange(end.to_vec()))
                        }
                        other => panic!("{other:?}"),
                    });
                    let is_something =
                        |write: &&(u32, Vec<u8>, Effect)| write.2 != Effect::DeletedRange(write.1.clone());
                    assert!(writes.eq(expected.iter().filter(is_something).cloned()), "{told}");
                }
                Change::Ingested(_) => assert!(expected.is_some(), "nobody ingested {told}"),
                Change::FamilyCreated { .. } | Change::FamilyDropped { .. } => assert!(expected.is_none()),
                other => panic!("{other:?}"),
            }
        }
        // What a thread has just synced comes to the log a moment later.
        let missed = self.to_tell.range(..=durable).find(|(_, missed)| missed.certain);
        let missed = missed.filter(|_| self.background == Background::Manual);
        assert!(missed.is_none(), "{:?} is durable and was not told", missed.map(|(seqno, _)| seqno));
        self.position = tail.position();
        self.tail = Some(tail);
    }

    /// The log does not reach back so far any more.
    fn follow_from_here(&mut self) {
        self.position = self.db().position();
        self.to_tell = self.to_tell.split_off(&self.position.seqno.next().unwrap());
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
        (self.transaction, self.tail) = (None, None);
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
        // What it wrote to the family that was.
        self.transaction = None;
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

    /// Work that no commit depends on fails, or a file cannot be read for a while: nothing has changed then, and the same
    /// database goes on, unless the failure was such that it has to be opened again.
    fn stumble(&mut self, rng: &mut Rng) {
        let files: Vec<String> = self.fs.list(Path::new("/db")).unwrap();
        let data: Vec<&String> =
            files.iter().filter(|name| name.ends_with(".sst") || name.ends_with(".val")).collect();
        match data.get(rng.usize(..2 * data.len() + 1)) {
            Some(name) => self.fs.fail_reads_of(&Path::new("/db").join(name)),
            None => {
                let fault = [Fault::IoError, Fault::DiskFull, Fault::FailedSync][rng.usize(..3)];
                self.fs.fail_after(rng.u64(1..40), fault);
            }
        }
        for _ in 0..20 {
            let family = self.families[rng.usize(..FAMILIES.len())].clone();
            let result = match rng.u8(..20) {
                0..5 => self.db().flush(&family),
                5..10 => self.db().compact_range(&family, random_range(rng)),
                10..16 => self.db().run_background_step().map(drop),
                16 | 17 => self.try_set_options(rng),
                _ => self.try_checkpoint().map(drop),
            };
            if result.is_err() {
                break;
            }
        }
        self.fs.clear();
        match self.db().flush_all() {
            Ok(()) => {
                self.check_all();
                let report = self.db().verify().unwrap();
                assert!(report.damages.is_empty(), "{:?}", report.damages);
            }
            Err(Error::Poisoned { .. }) => {
                // Reads go on.
                self.check_all();
                self.die();
                self.open(rng);
                self.find_itself_again();
            }
            Err(error) => panic!("{error}"),
        }
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
            let result = match rng.u8(..40) {
                0..4 => self.db().flush(&family),
                4..7 => self.db().compact_range(&family, random_range(rng)),
                7..19 => self.db().run_background_step().map(drop),
                19 | 20 => self.try_ingest(rng),
                21 => self.try_set_options(rng),
                22 => self.try_checkpoint().map(drop),
                23 | 24 => self.try_transact(rng),
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
        // What changed nothing may be there or not.
        self.to_tell.range_mut(at.next().unwrap()..).for_each(|(_, told)| told.certain = false);
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
            0..460 => bed.try_write(&mut rng).unwrap(),
            460..500 => bed.try_transact(&mut rng).unwrap(),
            500..510 => bed.try_ingest(&mut rng).unwrap(),
            510..514 => bed.check_checkpoint(&mut rng).unwrap(),
            514..520 => bed.try_set_options(&mut rng).unwrap(),
            520..530 => bed.read_past(&mut rng),
            530..545 => bed.follow(),
            545..620 => bed.read(&mut rng),
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
            993..996 => bed.crash(&mut rng),
            // With threads it takes a while until what failed is tried again, and writes are refused meanwhile.
            996..998 if background == Background::Manual => bed.stumble(&mut rng),
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
    for seed in 0..runs(8) {
        run(seed, Background::Manual, 1500);
    }
}

#[test]
fn a_database_with_threads_is_its_model() {
    for seed in (0..runs(4)).map(|run| 1_000_000 + run) {
        run(seed, Background::Threads, 1500);
    }
}
