//! Opening a database, and recovering what was durable.
//!
//! Invariants:
//! (1) nothing is removed, and nothing is written but new files, before the new manifest is live: an opening that fails
//!     or is cut off leaves everything as it was;
//! (2) the end that a crash left in the last log is fixed by the new manifest, and what stands before it is synced,
//!     before any new commit;
//! (3) sequence numbers go on behind all that were ever given, lost ones included;
//! (4) ingestions that are in the log only are repeated before anybody reads;
//! (5) openings leave a bounded number of files behind: logs that nothing is needed of are let go, and where many are still
//!     needed, what was replayed is flushed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::background::{Failures, Room};
use super::backpressure::Pace;
use super::checkpoint::Checkpoints;
use super::commit::Commits;
use super::compactions::Compactions;
use super::core::Core;
use super::interval::Deadline;
use super::publication::Publication;
use super::recovery::{Recovery, apply, no_database};
use super::syncing::Syncing;
use super::tailing::Arrivals;
use crate::compaction::Mood;
use crate::error::{Error, Result};
use crate::family::{ColumnFamily, DEFAULT_FAMILY};
use crate::file_name::{self, CHECKPOINT, FileKind, FileNumber, LOCK};
use crate::fs::{Fs, create_directory};
use crate::history::{HistoryId, Position};
use crate::ingestion::Ingestion;
use crate::key::SeqNo;
use crate::latency::Histograms;
use crate::lock::LockTable;
use crate::log::LogWriter;
use crate::manifest::{self, Edit, Manifest, State};
use crate::options::Options;
use crate::padded::Padded;
use crate::snapshot::Pins;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, RwLock};
use crate::transaction::RecentWrites;

/// The most replayed logs that an opening leaves as they are.
const REPLAYED_LOGS_MAX: usize = 4;

impl Core {
    pub(super) fn open(directory: &Path, options: Options) -> Result<Core> {
        options.check()?;
        let fs = Arc::clone(&options.fs);
        if options.create_if_missing {
            create_directory(&*fs, directory)?;
        } else if !fs.list(directory)?.iter().any(|name| file_name::parse(name).is_some()) {
            return Err(no_database(directory));
        }
        let lock = fs.lock(&directory.join(LOCK))?;
        let recovered = Recovery::run(&*fs, directory, &options)?;
        let Recovery { mut state, families, last, names, ingestions, .. } = recovered;
        let replayed = recovered.replayed.iter().filter(|log| state.logs.contains_key(log)).count();

        let mut next_file = state.next_file;
        let mut new_number = || {
            next_file += 1;
            FileNumber(next_file - 1)
        };
        let log = LogWriter::create(&*fs, directory, new_number(), last, None, options.log_writing)?;
        let manifest_number = new_number();
        let edits = [
            Edit::AddLog { number: log.number(), base: last },
            Edit::NextFile { number: next_file },
            Edit::ReserveSeqNos { through: last },
        ];
        apply(&mut state, &edits)?;
        let operators = new_operators(&state, &options);
        apply(&mut state, &operators)?;
        let history_id = settle_history(&mut state, &options, directory, last)?;
        let (reserved, oldest) = (state.reserved, state.oldest_readable);
        let manifest = Manifest::create(&*fs, directory, manifest_number, state)?;
        manifest::write_current(&*fs, directory, manifest_number)?;
        remove_strangers(&*fs, directory, &names, &manifest, &ingestions);

        let default_family = families.iter().find(|family| family.name() == DEFAULT_FAMILY).cloned();
        let default_family =
            default_family.ok_or_else(|| Error::Bug { message: "no default family".to_owned() })?;
        let core = Core {
            owner: recovered.owner,
            directory: directory.to_path_buf(),
            store: recovered.store,
            commits: Padded(Mutex::new(Commits { last, reserved, log, recent: RecentWrites::default() })),
            publication: Padded(Publication::new(last)),
            syncing: Padded(Syncing::new(last)),
            pins: Arc::new(Pins::new(oldest)),
            locks: Arc::new(LockTable::new(Arc::clone(&options.clock))),
            history: Mutex::new(recovered.history),
            history_id: Mutex::new(history_id),
            arrivals: Arrivals::default(),
            log_readers: Arc::default(),
            checkpoints: Checkpoints::default(),
            families: RwLock::new(families.into_iter().map(|family| (family.family.id, family)).collect()),
            default_family,
            family_changes: Mutex::new(()),
            manifest: Mutex::new(manifest),
            next_file: AtomicU64::new(next_file),
            spare_log: Mutex::new(None),
            salvage: recovered.salvage,
            flushing: Mutex::new(()),
            compactions: Compactions::new(),
            pace: Pace::default(),
            memory: Padded::default(),
            stopping: AtomicBool::new(false),
            deadline: Deadline::default(),
            room: Room::default(),
            failures: Failures::default(),
            poison: std::sync::OnceLock::new(),
            closed: AtomicBool::new(false),
            lock: Mutex::new(Some(lock)),
            counters: Padded::default(),
            histograms: Histograms::default(),
            #[cfg(test)]
            sequenced: super::sync_point::SyncPoint::default(),
            options,
        };
        core.repeat_ingestions(&ingestions)?;
        if replayed > REPLAYED_LOGS_MAX {
            core.flush_replayed()?;
        }
        Ok(core)
    }

    /// Writes what was replayed to tables, so that the logs can go; level 0 is not left so long that writes suffer, for
    /// a database that is opened for moments only has no other time to compact.
    fn flush_replayed(&self) -> Result<()> {
        let families = self.live_families();
        families.iter().try_for_each(|family| self.flush(family))?;
        let is_long = |family: &ColumnFamily| {
            let family = &family.family;
            family.view.load().levels.level(0).len() >= family.options().level0_tables_busy
        };
        while families.iter().any(is_long) && self.compact_step(Mood::Quiet)? {}
        Ok(())
    }
}

/// The history of the database: the one that it has, or the one that is asked for, or a new one. A directory that was
/// written before histories had names gets one that begins where it is. A checkpoint has a history of its own, and one of which
/// nothing was written yet can go back to that of the database that it was made of.
fn settle_history(state: &mut State, options: &Options, directory: &Path, last: SeqNo) -> Result<HistoryId> {
    match (state.histories.current(), options.history) {
        (Some(history), Some(asked))
            if history != asked && state.histories.has(Position { history: asked, seqno: last }) =>
        {
            apply(state, &[Edit::BeginHistory { id: asked, behind: last }])?;
            Ok(asked)
        }
        (Some(history), Some(asked)) if history != asked => {
            let message = format!("{} has history {history}, and not {asked}", directory.display());
            Err(Error::InvalidArgument { message })
        }
        (Some(history), _) => Ok(history),
        (None, asked) => {
            let id = asked.map_or_else(|| HistoryId::random(&*options.entropy), Ok)?;
            apply(state, &[Edit::BeginHistory { id, behind: last }])?;
            Ok(id)
        }
    }
}

/// The merge operators that families have from now on.
fn new_operators(state: &State, options: &Options) -> Vec<Edit> {
    let families = state.families.iter().filter(|(_, family)| family.merge_operator.is_none());
    let given = families.filter_map(|(id, family)| {
        let operator = options.family(&family.name).merge_operator.as_ref()?;
        Some(Edit::SetMergeOperator { family: *id, name: operator.name().to_owned() })
    });
    given.collect()
}

/// Removes files that the manifest does not name: left by a crash, or by a removal that failed.
fn remove_strangers(
    fs: &dyn Fs,
    directory: &Path,
    names: &BTreeSet<String>,
    live: &Manifest,
    ingestions: &[(SeqNo, Ingestion)],
) {
    let state = live.state();
    let ingested = ingestions.iter().flat_map(|(_, ingestion)| &ingestion.tables);
    let ingested = ingested.map(|table| (FileKind::Table, table.number));
    let known: BTreeSet<PathBuf> = state
        .files()
        .chain(ingested)
        .map(|(kind, number)| file_name::path(directory, kind, number))
        .collect();
    for name in names {
        let stranger = match file_name::parse(name) {
            Some((FileKind::Log | FileKind::Table | FileKind::ValueLog, _)) => {
                !known.contains(&directory.join(name))
            }
            Some((FileKind::Manifest, number)) => number != live.number(),
            Some((FileKind::Temporary, _)) => true,
            None => name == CHECKPOINT,
        };
        if stranger {
            // It can be tried again at the next opening; the file is in nobody's way.
            drop(fs.remove(&directory.join(name)));
        }
    }
}
