//! Recovery: what the manifest and the logs tell, as a state and as memtables.
//!
//! Invariants:
//! (1) nothing is written: what recovery finds takes effect with the manifest that the opening makes;
//! (2) a record that was durable once and is not intact refuses to open, unless the caller asks to salvage. Then the history
//!     ends before it, all that was behind it is cut, and the caller can ask what: what is left is the state behind one commit,
//!     without the families that the manifest has dropped since;
//! (3) tables that are ahead of the end of the log refuse to open in any case: no state of the past could be told;
//! (4) a log behind those that the manifest names has no record, or the end of the manifest is damaged;
//! (5) of a manifest a salvage cuts the last record only: what stands behind another one would not fit.

mod manifest_end;
mod reach;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::checkpoint::refuse_unfinished;
use super::families::Owner;
use super::family_options::options_of;
use super::flush::first_log;
use super::retention::History;
use crate::batch::Operations;
use crate::cache::BlockCache;
use crate::error::{Error, Result};
use crate::family::{ColumnFamily, DEFAULT_FAMILY, FamilyId};
use crate::file_header::HEADER_BYTES;
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, read_whole};
use crate::ingestion::Ingestion;
use crate::key::{Kind, SeqNo};
use crate::listener::Notices;
use crate::log::{LogEnd, LogScan, RecordKind, Replayed, scan_log};
use crate::manifest::{self, Edit, FamilyState, LogState, State};
use crate::memtable::{self, Entry, Memtable, Unlinked};
use crate::merge_operator::{Merging, reserved_value_bytes};
use crate::options::{Options, RecoveryMode};
use crate::planted::{Bug, planted};
use crate::range_delete::Folding;
use crate::rate_limiter::RateLimiter;
use crate::varint;
use crate::version::{Levels, LiveTable, LiveValueLog, TableStore, ValuesRead};

/// Numbers the openings of this process, so that a handle of one is not taken for one of another.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// What an opening with [`RecoveryMode::Salvage`] has cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// The damaged log; or the manifest, if only its last record was damaged; or `CURRENT`.
    pub file: PathBuf,
    /// Where its records ended.
    pub offset: u64,
    /// What was wrong there.
    pub damage: String,
    /// The bytes of the file from there on.
    pub bytes_cut: u64,
    /// The logs behind it, whose records are gone too.
    pub logs_cut: Vec<PathBuf>,
    /// The newest commit that is left.
    pub last: SeqNo,
}

pub(super) fn apply(state: &mut State, edits: &[Edit]) -> Result<()> {
    edits.iter().try_for_each(|edit| {
        let applied = state.apply(edit);
        applied.map_err(|expected| Error::Bug { message: format!("recovery expects {expected}: {edit:?}") })
    })
}

pub(super) fn no_database(directory: &Path) -> Error {
    Error::NoDatabase { directory: directory.to_path_buf() }
}

/// What recovery has found out.
pub(super) struct Recovery<'a> {
    fs: &'a dyn Fs,
    directory: &'a Path,
    options: &'a Options,
    pub(super) owner: Owner,
    pub(super) names: BTreeSet<String>,
    pub(super) store: Arc<TableStore>,
    pub(super) state: State,
    /// In the order of their numbers.
    pub(super) families: Vec<ColumnFamily>,
    /// The logs that have something which is in no table.
    pub(super) replayed: BTreeSet<FileNumber>,
    /// The logs of ingestions that are to be repeated.
    ingestion_logs: BTreeSet<FileNumber>,
    /// What was written to the memtable of each family, and is inserted in the order of keys when it is full or all is read.
    written: BTreeMap<FamilyId, Vec<Unlinked>>,
    /// The newest sequence number that was ever given.
    pub(super) last: SeqNo,
    /// The bytes of log behind the last mark.
    unmarked_bytes: u64,
    pub(super) history: History,
    pub(super) salvage: Option<Salvage>,
    /// What is wrong with `CURRENT` or the last record of the manifest.
    manifest_cut: Option<Salvage>,
    /// Ingestions that are in the log and not in the manifest, in their order: the opening repeats them.
    pub(super) ingestions: Vec<(SeqNo, Ingestion)>,
}

impl<'a> Recovery<'a> {
    pub(super) fn run(fs: &'a dyn Fs, directory: &'a Path, options: &'a Options) -> Result<Recovery<'a>> {
        let names: BTreeSet<String> = fs.list(directory)?.into_iter().collect();
        refuse_unfinished(directory, &names)?;
        let store = TableStore {
            notices: Arc::new(Notices::new(options.listener.clone())),
            fs: Arc::clone(&options.fs),
            directory: directory.to_path_buf(),
            cache: Arc::new(BlockCache::new(options.block_cache_bytes)),
            limiter: RateLimiter::new(Arc::clone(&options.clock), options.background_bytes_per_second)
                .map(Arc::new),
            values_read: ValuesRead::default(),
        };
        let owner = Owner::new(NEXT_ID.fetch_add(1, Ordering::Relaxed), options.write_buffer_budget_bytes);
        let state = State::default();
        let history = History::new(&state, 0);
        let mut recovery = Recovery {
            fs,
            directory,
            options,
            owner,
            names,
            store: Arc::new(store),
            state,
            families: Vec::new(),
            replayed: BTreeSet::new(),
            ingestion_logs: BTreeSet::new(),
            written: BTreeMap::new(),
            last: SeqNo::ZERO,
            unmarked_bytes: 0,
            history,
            salvage: None,
            manifest_cut: None,
            ingestions: Vec::new(),
        };
        match recovery.live_manifest()? {
            Some(number) => recovery.read_state(number)?,
            None => recovery.begin()?,
        }
        recovery.settle_retention()?;
        recovery.check_files()?;
        recovery.open_families()?;
        recovery.replay()?;
        recovery.tell_of_manifest();
        recovery.forget_logs()?;
        // Numbers of files that a crash left behind are not given again.
        let highest =
            recovery.names.iter().filter_map(|name| file_name::parse(name)).map(|(_, number)| number.0).max();
        recovery.state.next_file = recovery.state.next_file.max(highest.map_or(1, |highest| highest + 1));
        Ok(recovery)
    }

    /// A new database, unless there are signs of an old one.
    fn begin(&mut self) -> Result<()> {
        for (kind, number) in self.names.iter().filter_map(|name| file_name::parse(name)) {
            let why = match kind {
                FileKind::Table => "there are tables in the directory",
                FileKind::ValueLog => "there are value-log files in the directory",
                FileKind::Log if self.has_records(number)? => "there is a log with records in the directory",
                FileKind::Log | FileKind::Manifest | FileKind::Temporary => continue,
            };
            let file = self.directory.join(file_name::CURRENT);
            return Err(Error::MissingFile { file, why: why.to_owned() });
        }
        if !self.options.create_if_missing {
            return Err(no_database(self.directory));
        }
        apply(&mut self.state, &[Edit::CreateFamily { id: FamilyId(0), name: DEFAULT_FAMILY.to_owned() }])
    }

    /// Whether a log has more than its header, which is all that a creation writes before `CURRENT` is there.
    fn has_records(&self, log: FileNumber) -> Result<bool> {
        let path = file_name::path(self.directory, FileKind::Log, log);
        Ok(self.fs.open(&path)?.len()? > HEADER_BYTES as u64)
    }

    /// The retention is what the options say, or else what the manifest has kept.
    fn settle_retention(&mut self) -> Result<()> {
        let edit = self.options.retention.map(|window| Edit::SetRetention { window: window.rounded() });
        apply(&mut self.state, edit.as_slice())
    }

    /// Refuses to go on without a table or value-log file; of logs the replay says what it needs.
    fn check_files(&self) -> Result<()> {
        let mut files = self.state.files().filter(|(kind, _)| *kind != FileKind::Log);
        files.try_for_each(|(kind, number)| self.check_exists(kind, number))
    }

    fn check_exists(&self, kind: FileKind, number: FileNumber) -> Result<()> {
        let file = file_name::path(self.directory, kind, number);
        let known =
            file.file_name().and_then(|name| name.to_str()).is_some_and(|name| self.names.contains(name));
        if known {
            return Ok(());
        }
        Err(Error::MissingFile { file, why: "the manifest names it".to_owned() })
    }

    fn open_families(&mut self) -> Result<()> {
        for family in self.state.families.values() {
            check_operator(family, self.options)?;
        }
        let families = self.state.families.iter();
        let families: Result<Vec<ColumnFamily>> =
            families.map(|(id, family)| self.open_family(*id, family)).collect();
        self.families = families?;
        for family in &self.families {
            let fits = family.family.view.load().levels.check();
            fits.map_err(|found| Error::Corrupt {
                file: self.directory.join(file_name::CURRENT),
                offset: 0,
                expected: "a manifest whose levels are in order".to_owned(),
                found,
            })?;
        }
        Ok(())
    }

    fn open_family(&self, id: FamilyId, family: &FamilyState) -> Result<ColumnFamily> {
        let mut levels = Levels::default();
        let tables = family.levels.iter().enumerate().flat_map(|(level, tables)| {
            tables.values().map(move |meta| (level, LiveTable::new(meta.clone(), Arc::clone(&self.store))))
        });
        let values = family.value_logs.values();
        levels.add_values(values.map(|meta| LiveValueLog::new(*meta, Arc::clone(&self.store))));
        levels.apply(&[], tables.collect());
        ColumnFamily::new(
            id,
            &family.name,
            &self.owner,
            options_of(self.options, family, self.directory)?,
            levels,
        )
    }

    fn family(&self, id: FamilyId) -> Option<&ColumnFamily> {
        self.families.get(self.families.binary_search_by_key(&id, |family| family.family.id).ok()?)
    }

    fn replay(&mut self) -> Result<()> {
        let logs = self.state.logs.clone();
        let mut recovered = SeqNo::ZERO;
        let marked = self.state.marks.last_key_value().map_or(SeqNo::ZERO, |(seqno, _)| *seqno);
        for (&number, log) in &logs {
            let path = file_name::path(self.directory, FileKind::Log, number);
            let (bytes, scan) = self.scan(number, &path, log)?;
            recovered = recovered.max(log.base);
            for record in &scan.records {
                let payload = bytes.get(record.payload.clone()).unwrap_or_default();
                self.replay_record(number, record, payload).ok_or_else(|| Error::Corrupt {
                    file: path.clone(),
                    offset: record.offset,
                    expected: "a record that fits the families of the manifest".to_owned(),
                    found: format!("another {:?} record, number {}", record.kind, record.seqno),
                })?;
                recovered = recovered.max(record.seqno);
                if record.seqno > marked {
                    self.unmarked_bytes = self.unmarked_bytes.saturating_add(payload.len() as u64);
                }
            }
            if scan.damage.is_some() && scan.records.is_empty() {
                apply(&mut self.state, &[Edit::RemoveLog { number }])?;
            } else if log.end.is_none() || scan.damage.is_some() {
                // The process may have died and not the machine: what was read may not be on the disk yet.
                self.fs.open_append(&path)?.sync()?;
                apply(&mut self.state, &[Edit::CloseLog { number, end: scan.end }])?;
            }
            if let Some(damage) = scan.damage {
                self.cut_behind(number, bytes.len() as u64, scan.end, &damage, recovered)?;
                break;
            }
        }
        let ids: Vec<FamilyId> = self.written.keys().copied().collect();
        ids.into_iter().for_each(|id| self.insert_written(id));
        self.check_reach(recovered)?;
        self.last = if planted(Bug::ReissueSeqNos) { recovered } else { recovered.max(self.state.reserved) };
        Ok(())
    }

    /// The bytes of a log, and what it has. Of a log that is missing or begins with damage, nothing can be salvaged.
    fn scan(&self, number: FileNumber, path: &Path, log: &LogState) -> Result<(Vec<u8>, LogScan)> {
        let salvages = match self.options.recovery {
            RecoveryMode::Strict => false,
            RecoveryMode::Salvage => true,
        };
        let nothing =
            |damage| LogScan { records: Vec::new(), end: HEADER_BYTES as u64, damage: Some(damage) };
        if let Err(missing) = self.check_exists(FileKind::Log, number) {
            return if salvages { Ok((Vec::new(), nothing(missing))) } else { Err(missing) };
        }
        let bytes = read_whole(self.fs, path)?;
        match scan_log(&bytes, number, path, log.end.map_or(LogEnd::Cut, LogEnd::At)) {
            Ok(LogScan { damage: Some(damage), .. }) if !salvages => Err(damage),
            Ok(scan) => Ok((bytes, scan)),
            Err(damage @ Error::Corrupt { .. }) if salvages => Ok((bytes, nothing(damage))),
            Err(error) => Err(error),
        }
    }

    /// Ends the history where the log is damaged.
    fn cut_behind(
        &mut self,
        number: FileNumber,
        bytes: u64,
        offset: u64,
        damage: &Error,
        last: SeqNo,
    ) -> Result<()> {
        let behind: Vec<FileNumber> = self.state.logs.keys().copied().filter(|log| *log > number).collect();
        let path = |log| file_name::path(self.directory, FileKind::Log, log);
        self.salvage = Some(Salvage {
            file: path(number),
            offset,
            damage: damage.to_string(),
            bytes_cut: bytes.saturating_sub(offset),
            logs_cut: behind.iter().map(|log| path(*log)).collect(),
            last,
        });
        let edits: Vec<Edit> = behind.into_iter().map(|number| Edit::RemoveLog { number }).collect();
        apply(&mut self.state, &edits)
    }

    /// Lets go of the logs that no memtable needs and the horizon lets go: what they had is in tables, or in the state.
    fn forget_logs(&mut self) -> Result<()> {
        self.history = History::new(&self.state, self.unmarked_bytes);
        let oldest = self.history.horizon(self.options, self.last, 0);
        apply(&mut self.state, &[Edit::RaiseHorizon { oldest }])?;
        let horizon = self.state.oldest_readable;
        let first =
            self.families.iter().filter_map(first_log).chain(self.ingestion_logs.first().copied()).min();
        let needed =
            |log: &FileNumber| first.is_some_and(|first| *log >= first) && self.replayed.contains(log);
        let through = self.state.logs_through(horizon).chain(self.last_log_if(|last| last <= horizon));
        let old = through.filter(|log| !needed(log));
        let edits: Vec<Edit> = old.map(|log| Edit::RemoveLog { number: log }).collect();
        apply(&mut self.state, &edits)
    }

    /// The last log, if the last sequence number is as asked for: nothing stands behind that log.
    fn last_log_if(&self, asked: impl FnOnce(SeqNo) -> bool) -> Option<FileNumber> {
        let (number, _) = self.state.logs.last_key_value()?;
        asked(self.last).then_some(*number)
    }

    /// Repeats what the record did; none if it does not fit.
    fn replay_record(&mut self, log: FileNumber, record: &Replayed, mut payload: &[u8]) -> Option<()> {
        match record.kind {
            RecordKind::Batch => self.replay_batch(log, record.seqno, payload),
            RecordKind::Ingest => self.replay_ingestion(log, record.seqno, payload),
            RecordKind::CreateFamily => {
                let id = FamilyId(varint::take_u32(&mut payload)?);
                let name = manifest::take_name(&mut payload)?;
                if id >= self.state.next_family {
                    apply(&mut self.state, &[Edit::CreateFamily { id, name }]).ok()?;
                    let family = self.open_family(id, self.state.families.get(&id)?).ok()?;
                    self.families.push(family);
                }
                Some(())
            }
            RecordKind::DropFamily => {
                let id = FamilyId(varint::take_u32(&mut payload)?);
                if id >= self.state.next_family {
                    return None;
                }
                if let Some(at) = self.families.iter().position(|family| family.family.id == id) {
                    self.families.remove(at);
                    self.ingestions.retain(|(_, ingestion)| ingestion.family != id);
                    self.written.remove(&id);
                    apply(&mut self.state, &[Edit::DropFamily { id }]).ok()?;
                }
                Some(())
            }
        }
    }

    /// Keeps what comes behind the ingestion apart from what was before, which has to be in tables first.
    fn replay_ingestion(&mut self, log: FileNumber, seqno: SeqNo, payload: &[u8]) -> Option<()> {
        let ingestion = Ingestion::decode(payload)?;
        let id = ingestion.family;
        let Some(family) = self.state.families.get(&id) else {
            return (id < self.state.next_family).then_some(());
        };
        if family.flushed_through >= seqno {
            return Some(());
        }
        self.insert_written(id);
        let family = &self.family(id)?.family;
        let active = Arc::clone(&family.view.load().active);
        if !active.is_empty() {
            let next = Arc::new(active.successor(family.options().write_buffer_bytes, 0));
            family.view.update(|view| view.with_active(Arc::clone(&next)));
        }
        self.ingestions.push((seqno, ingestion));
        self.ingestion_logs.insert(log);
        self.replayed.insert(log);
        Some(())
    }

    fn replay_batch(&mut self, log: FileNumber, seqno: SeqNo, payload: &[u8]) -> Option<()> {
        let mut operations = Operations::decode(payload)?;
        let folding = Folding::of(operations.clone());
        let merging = Merging::of(&operations);
        let mut ordinal = 0;
        // A batch stays in one memtable of a family: room is made before its first operation there.
        let mut room: Vec<(FamilyId, Arc<Memtable>)> = Vec::new();
        while let Some(operation) = operations.next_operation() {
            let operation = operation.ok()?;
            let flushed = match self.state.families.get(&operation.family) {
                Some(_) if planted(Bug::SplitBatch) && ordinal > 2 => true,
                Some(family) => family.flushed_through >= seqno,
                None if operation.family < self.state.next_family => true,
                None => return None,
            };
            let is_folded = folding.hides(operation.family, operation.key, ordinal);
            if !flushed {
                if !room.iter().any(|(family, _)| *family == operation.family) {
                    room.push((operation.family, self.make_room(operation.family, payload)?));
                }
                let is_entry = operation.kind != Kind::RangeDelete && !is_folded;
                let memtable = &room.iter().find(|(family, _)| *family == operation.family)?.1;
                let (key, kind) = (operation.key, operation.kind);
                let merges = |merging: &&Merging<'_>| !merging.hides(operation.family, key, ordinal);
                let is_last = merging.is_none() || merging.as_ref().filter(merges).is_some();
                let merged = merging.as_ref().and_then(|merging| merging.value(operation.family, key));
                let value = merged.as_deref().filter(|_| is_last).unwrap_or(operation.value);
                // The operation that says it for others has their room too.
                let words = if is_last { memtable::node_words(key.len(), value.len()) } else { 0 };
                let mut space = memtable.reserve(words)?;
                if is_entry && is_last {
                    let written = memtable.write(&mut space, &Entry { key, value, seqno, kind, ordinal });
                    self.written.entry(operation.family).or_default().push(written);
                }
                memtable.note(log, seqno);
                self.replayed.insert(log);
            }
            ordinal += 1;
        }
        for (id, memtable) in &room {
            let tombstones = folding.tombstones(*id, seqno);
            if !tombstones.is_empty() {
                memtable.delete_ranges(&tombstones);
                self.family(*id)?.family.view.update(|view| view.with_range_tombstones(&tombstones));
            }
        }
        Some(())
    }

    /// The memtable of the family, with room for all that the batch writes to it.
    fn make_room(&mut self, id: FamilyId, payload: &[u8]) -> Option<Arc<Memtable>> {
        let mut operations = Operations::decode(payload)?;
        let mut words = 0;
        while let Some(operation) = operations.next_operation() {
            let operation = operation.ok()?;
            if operation.family == id {
                let value_len = reserved_value_bytes(operation.kind, operation.value.len());
                words += memtable::node_words(operation.key.len(), value_len);
            }
        }
        let active = Arc::clone(&self.family(id)?.family.view.load().active);
        if active.has_room(words) {
            return Some(active);
        }
        self.insert_written(id);
        let family = &self.family(id)?.family;
        let next = Arc::new(active.successor(family.options().write_buffer_bytes, words));
        family.view.update(|view| view.with_active(Arc::clone(&next)));
        Some(next)
    }

    /// Inserts what was written to the memtable of the family.
    fn insert_written(&mut self, id: FamilyId) {
        let written = self.written.remove(&id);
        if let (Some(mut written), Some(family)) = (written, self.family(id)) {
            family.family.view.load().active.insert_sorted(&mut written);
        }
    }
}

/// Refuses another merge operator than the one that the family was written with.
fn check_operator(family: &FamilyState, options: &Options) -> Result<()> {
    let given = options.family(&family.name).merge_operator.as_ref().map(|operator| operator.name());
    match &family.merge_operator {
        Some(written) if given != Some(written.as_str()) => Err(Error::MergeOperatorMismatch {
            family: family.name.clone(),
            written: written.clone(),
            given: given.map(str::to_owned),
        }),
        Some(_) | None => Ok(()),
    }
}
