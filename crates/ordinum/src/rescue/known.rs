//! What the intact records of the manifests say.
//!
//! Invariants: (1) a table or log is live or dropped, and never both: the last record that names it decides; (2) a record that
//! begins a manifest has the whole state: what it does not name is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::losses::Losses;
use super::report::Lost;
use crate::error::{Error, Result};
use crate::family::{DEFAULT_FAMILY, FamilyId};
use crate::file_name::{self, CURRENT, FileKind, FileNumber};
use crate::fs::{Fs, read_whole};
use crate::key::SeqNo;
use crate::manifest::{Edit, IntactRecord, LogState, intact_records, read_current};
use crate::version::FileMeta;

/// What is known of a family.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownFamily {
    pub(super) name: Option<String>,
    /// Every commit up to this one is in tables.
    pub(super) flushed_through: SeqNo,
    pub(super) merge_operator: Option<String>,
    pub(super) options: Option<Vec<u8>>,
}

/// What is known of the database.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) families: BTreeMap<FamilyId, KnownFamily>,
    dropped_families: BTreeSet<FamilyId>,
    /// A family below this one that is not known was dropped.
    families_end: FamilyId,
    pub(super) tables: BTreeMap<FileNumber, (FamilyId, FileMeta)>,
    pub(super) dropped_tables: BTreeSet<FileNumber>,
    pub(super) logs: BTreeMap<FileNumber, LogState>,
    pub(super) dropped_logs: BTreeSet<FileNumber>,
    /// No sequence number above this one was ever given.
    pub(super) last: SeqNo,
    /// The manifest that `CURRENT` names, or would name, and its length, if there is one that can be read.
    pub(super) manifest: Option<(PathBuf, u64)>,
    /// Whether this is all that there is to know.
    pub(super) is_whole: bool,
    /// Whether files are taken that records may have dropped which are lost, or that the record which began the manifest left out: one
    /// that was to be removed may be there still.
    pub(super) is_in_doubt: bool,
}

impl Known {
    /// Reads the manifests in the directory, which has these names.
    ///
    /// # Errors
    /// [`Error::UnknownFormat`].
    pub(super) fn read(
        fs: &dyn Fs,
        directory: &Path,
        names: &[String],
        losses: &mut Losses,
    ) -> Result<Known> {
        let mut known = Known::default();
        known.families.insert(FamilyId(0), KnownFamily::named(DEFAULT_FAMILY));
        let mut manifests: Vec<FileNumber> = (names.iter().filter_map(|name| file_name::parse(name)))
            .filter_map(|(kind, number)| (kind == FileKind::Manifest).then_some(number))
            .collect();
        manifests.sort_unstable();
        match read_current(fs, directory) {
            // One that is newer was begun by an opening that did not end.
            Ok(Some(live)) => {
                manifests.retain(|number| *number <= live);
                if manifests.last() != Some(&live) {
                    let file = file_name::path(directory, FileKind::Manifest, live);
                    let why = "CURRENT names it".to_owned();
                    losses.tell(Lost::Manifest, &file, &Error::MissingFile { file: file.clone(), why });
                    manifests.push(live);
                }
            }
            Err(error @ Error::UnknownFormat { .. }) => return Err(error),
            lost => {
                let file = directory.join(CURRENT);
                let missing =
                    Error::MissingFile { file: file.clone(), why: "every database has it".to_owned() };
                losses.tell(Lost::Current, &file, &lost.err().unwrap_or(missing));
                // One that an opening began and did not end says nothing.
                while manifests.len() > 1
                    && manifests.last().is_some_and(|last| !begins(fs, directory, *last))
                {
                    manifests.pop();
                }
            }
        }
        let live = manifests.last().copied();
        for number in manifests {
            let file = file_name::path(directory, FileKind::Manifest, number);
            let bytes = match read_whole(fs, &file) {
                Ok(bytes) => bytes,
                Err(_) if !fs.exists(&file)? => continue,
                Err(error) => {
                    losses.tell(Lost::Manifest, &file, &error);
                    continue;
                }
            };
            let found = intact_records(&bytes, number, &file)?;
            // Of an older one nothing is missed.
            if Some(number) == live {
                found.damages.iter().for_each(|damage| losses.tell(Lost::Manifest, &file, damage));
                known.is_whole = !found.misses_records;
                known.manifest = Some((file, u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
            }
            found.records.into_iter().for_each(|record| known.record(record));
        }
        Ok(known)
    }

    fn record(&mut self, record: IntactRecord) {
        if record.begins {
            self.dropped_tables.extend(std::mem::take(&mut self.tables).into_keys());
            self.dropped_logs.extend(std::mem::take(&mut self.logs).into_keys());
            self.families.clear();
            self.families.insert(FamilyId(0), KnownFamily::named(DEFAULT_FAMILY));
            // It names all that there are; what the manifest before knew says nothing of them.
            self.families_end = FamilyId(0);
        }
        // A table that goes to another level is removed from one and added to the other.
        let removed = record.edits.iter().filter_map(|edit| match edit {
            Edit::RemoveTable { number, .. } => Some(*number),
            _ => None,
        });
        for number in removed {
            self.tables.remove(&number);
            self.dropped_tables.insert(number);
        }
        record.edits.into_iter().for_each(|edit| self.edit(edit));
        if record.begins {
            let last = self.families.keys().chain(&self.dropped_families).max();
            self.families_end = last.map_or(FamilyId(0), |last| FamilyId(last.0.saturating_add(1)));
        }
    }

    fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::CreateFamily { id, name } => self.create(id, name),
            Edit::DropFamily { id } => self.drop_family(id),
            Edit::AddTable { family, meta, .. } => {
                self.last = self.last.max(meta.max_seqno);
                self.dropped_tables.remove(&meta.number);
                self.tables.insert(meta.number, (family, meta));
            }
            Edit::Flushed { family, through } => {
                self.last = self.last.max(through);
                let family = self.family(family);
                family.flushed_through = family.flushed_through.max(through);
            }
            Edit::AddLog { number, base } => {
                self.last = self.last.max(base);
                self.dropped_logs.remove(&number);
                self.logs.insert(number, LogState { base, end: None });
            }
            Edit::CloseLog { number, end } => {
                if let Some(log) = self.logs.get_mut(&number) {
                    log.end = Some(end);
                }
            }
            Edit::RemoveLog { number } => {
                self.logs.remove(&number);
                self.dropped_logs.insert(number);
            }
            Edit::ReserveSeqNos { through } => self.last = self.last.max(through),
            Edit::SetMergeOperator { family, name } => self.family(family).merge_operator = Some(name),
            Edit::SetOptions { family, options } => self.family(family).options = Some(options),
            // Files are numbered anew, and there is no history before the rescue.
            Edit::RemoveTable { .. }
            | Edit::NextFile { .. }
            | Edit::RaiseHorizon { .. }
            | Edit::SetRetention { .. }
            | Edit::AddMark { .. }
            | Edit::BeginHistory { .. }
            | Edit::AddValueLog { .. }
            | Edit::RemoveValueLog { .. }
            | Edit::Use { .. } => {}
        }
    }

    fn family(&mut self, id: FamilyId) -> &mut KnownFamily {
        self.families.entry(id).or_default()
    }

    /// Says that the family has this name, unless it is known to be dropped.
    pub(super) fn create(&mut self, id: FamilyId, name: String) {
        if !self.is_dropped(id) {
            self.family(id).name.get_or_insert(name);
        }
    }

    /// Says that the family was dropped.
    pub(super) fn drop_family(&mut self, id: FamilyId) {
        self.families.remove(&id);
        self.dropped_families.insert(id);
    }

    /// Whether the family is known to be dropped.
    pub(super) fn is_dropped(&self, id: FamilyId) -> bool {
        let is_older = id < self.families_end && !self.families.contains_key(&id);
        is_older || self.dropped_families.contains(&id)
    }

    /// Drops the families whose name a younger one has: a name is given again only when the family that had it was dropped.
    pub(super) fn settle_names(&mut self) {
        let mut newest: BTreeMap<String, FamilyId> = BTreeMap::new();
        let mut dropped = Vec::new();
        for (id, family) in &self.families {
            dropped.extend(family.name.clone().and_then(|name| newest.insert(name, *id)));
        }
        dropped.into_iter().for_each(|id| self.drop_family(id));
    }
}

/// Whether the record that begins the manifest is intact.
fn begins(fs: &dyn Fs, directory: &Path, number: FileNumber) -> bool {
    let file = file_name::path(directory, FileKind::Manifest, number);
    let found = read_whole(fs, &file).and_then(|bytes| intact_records(&bytes, number, &file));
    found.is_ok_and(|found| found.records.first().is_some_and(|first| first.begins))
}

impl KnownFamily {
    fn named(name: &str) -> KnownFamily {
        KnownFamily { name: Some(name.to_owned()), ..KnownFamily::default() }
    }
}
