//! The logs: what is intact of each, up to its first damage.
//!
//! They are read twice. The first time tells which families were created and dropped, which tables were ingested, and where commits
//! may be missing; the second time their operations come behind what the tables had.

#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::known::Known;
use super::losses::Losses;
use super::report::Lost;
use crate::batch::Operations;
use crate::error::{Error, Result};
use crate::event::{Change, Event};
use crate::family::FamilyId;
use crate::file_header::FileHeader;
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, read_whole};
use crate::ingestion::Ingestion;
use crate::key::SeqNo;
use crate::log::{LOG_FILE, LogEnd, RecordKind, scan_log};

/// A log that is taken.
#[derive(Debug)]
pub(super) struct FoundLog {
    number: FileNumber,
    pub(super) path: PathBuf,
    end: LogEnd,
    /// The commit before the first one that it has, or had.
    base: SeqNo,
    /// The last commit that is intact.
    last: SeqNo,
    /// Where its record ends.
    reached: u64,
    /// What is wrong behind that.
    damage: Option<Error>,
}

/// The logs that are taken, in order, and what they tell of.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub(super) logs: Vec<FoundLog>,
    /// The families that have operations in them, or were ingested into.
    pub(super) families: BTreeSet<FamilyId>,
    /// The families that have operands in them.
    pub(super) merging: BTreeSet<FamilyId>,
    pub(super) ingestions: BTreeMap<SeqNo, Ingestion>,
}

impl Logs {
    /// Takes a log, if there is anything in it.
    pub(super) fn take(&mut self, fs: &dyn Fs, directory: &Path, number: FileNumber, known: &mut Known) {
        let path = file_name::path(directory, FileKind::Log, number);
        let state = known.logs.get(&number).copied();
        let end = state.and_then(|log| log.end).map_or(LogEnd::Cut, LogEnd::At);
        let base = state.map_or(SeqNo::ZERO, |log| log.base);
        let mut log = FoundLog { number, path, end, base, last: base, reached: 0, damage: None };
        if let Err(damage) = self.look_into(fs, &mut log, known) {
            log.damage = Some(damage);
        }
        known.last = known.last.max(log.last);
        self.logs.push(log);
    }

    fn look_into(&mut self, fs: &dyn Fs, log: &mut FoundLog, known: &mut Known) -> Result<()> {
        if !fs.exists(&log.path)? {
            let why = "the manifest names it".to_owned();
            return Err(Error::MissingFile { file: log.path.clone(), why });
        }
        let (bytes, number) = (read_whole(fs, &log.path)?, log.number);
        log.base = FileHeader::decode(&bytes, LOG_FILE, number, &log.path)?.base;
        log.last = log.base;
        let scan = scan_log(&bytes, number, &log.path, log.end)?;
        log.reached = scan.end;
        for record in &scan.records {
            let payload = bytes.get(record.payload.clone()).unwrap_or_default();
            let Some(event) = Event::decode(record.kind, record.seqno, payload) else {
                let expected = "a record that this version knows";
                return Err(Error::corrupt(&log.path, record.offset, expected, "other bytes"));
            };
            match event.change {
                Change::Batch(batch) => {
                    for operation in batch.operations() {
                        self.families.insert(operation.family);
                        if operation.kind == crate::key::Kind::Merge {
                            self.merging.insert(operation.family);
                        }
                    }
                }
                Change::FamilyCreated { id, name } => known.create(FamilyId(id), name.to_owned()),
                Change::FamilyDropped { id } => known.drop_family(FamilyId(id)),
                Change::Ingested(_) => {
                    let ingestion = Ingestion::decode(payload);
                    self.families.extend(ingestion.iter().map(|ingestion| ingestion.family));
                    self.ingestions.extend(ingestion.map(|ingestion| (record.seqno, ingestion)));
                }
            }
            log.last = record.seqno;
        }
        scan.damage.map_or(Ok(()), Err)
    }

    /// Tells where commits are missing of families whose tables do not have them.
    pub(super) fn tell_losses(&mut self, known: &Known, losses: &mut Losses) {
        let flushed = known.families.values().map(|family| family.flushed_through).max();
        let flushed = flushed.unwrap_or(SeqNo::ZERO);
        // The last log was durable as far as any table reaches.
        let last = self.logs.last_mut().filter(|last| last.last < flushed && last.damage.is_none());
        let is_short = last.is_some();
        if let Some(last) = last {
            let expected = format!("a log that reaches what is in tables: {flushed}");
            let found = format!("one that ends at {}", last.last);
            last.damage = Some(Error::corrupt(&last.path, last.reached, &expected, &found));
        }
        let end = if is_short { flushed } else { SeqNo::MAX };
        let ends = self.logs.iter().skip(1).map(|next| next.base).chain([end]);
        for (log, end) in self.logs.iter().zip(ends) {
            let Some(damage) = &log.damage else { continue };
            let mut is_loss = false;
            for (id, family) in &known.families {
                if family.flushed_through < end {
                    is_loss = true;
                    let last = log.last.max(family.flushed_through);
                    losses.miss(Some(*id), None, (last.next().unwrap_or(SeqNo::MAX), end));
                }
            }
            if is_loss {
                losses.tell(Lost::Log, &log.path, damage);
            }
        }
    }

    /// The commit behind which the logs have every one; none if the last log is damaged.
    pub(super) fn complete_behind(&self) -> Option<SeqNo> {
        let (mut behind, mut last) = (None, None);
        for log in &self.logs {
            if last != Some(log.base) {
                behind = Some(log.base);
            }
            (behind, last) = match &log.damage {
                None => (behind, Some(log.last)),
                Some(_) => (None, None),
            };
        }
        behind
    }

    /// The last ingestion into the family at or before this commit.
    pub(super) fn ingested_through(&self, family: FamilyId, seqno: SeqNo) -> SeqNo {
        let before = self.ingestions.range(..=seqno).rev();
        before.into_iter().find(|(_, one)| one.family == family).map_or(SeqNo::ZERO, |(seqno, _)| *seqno)
    }
}

/// Something that a log says was done.
pub(super) enum Done<'a> {
    Batch(Operations<'a>),
    Ingested,
}

impl FoundLog {
    /// Reads the log again, and tells `visit` what was done.
    pub(super) fn replay(
        &self,
        fs: &dyn Fs,
        mut visit: impl FnMut(SeqNo, Done<'_>) -> Result<()>,
    ) -> Result<()> {
        // What cannot be read now could not be read before, and was told.
        let Ok(bytes) = read_whole(fs, &self.path) else { return Ok(()) };
        let Ok(scan) = scan_log(&bytes, self.number, &self.path, self.end) else { return Ok(()) };
        for record in scan.records.iter().filter(|record| record.seqno <= self.last) {
            let payload = bytes.get(record.payload.clone()).unwrap_or_default();
            match record.kind {
                RecordKind::Batch => {
                    if let Some(operations) = Operations::decode(payload) {
                        visit(record.seqno, Done::Batch(operations))?;
                    }
                }
                RecordKind::Ingest => visit(record.seqno, Done::Ingested)?,
                RecordKind::CreateFamily | RecordKind::DropFamily => {}
            }
        }
        Ok(())
    }
}
