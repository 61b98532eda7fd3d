//! Which files are taken, and for which families.
//!
//! Invariants: (1) what an intact record of the manifest has dropped is not taken; (2) where the manifest is whole, what it does not
//! name is not taken; (3) else what it does not name is taken, if the file itself tells its family.

#![deny(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::known::Known;
use super::logs::Logs;
use super::losses::{ALL_SEQNOS, Losses, SeqNos};
use super::report::Lost;
use super::table::OpenTable;
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::Fs;
use crate::key::{SeqNo, split_internal};
use crate::log::first_record;
use crate::table::{Origin, Properties};
use crate::version::FileMeta;

/// A table that is taken.
#[derive(Debug)]
pub(super) struct FoundTable {
    pub(super) path: PathBuf,
    pub(super) table: OpenTable,
    pub(super) seqnos: SeqNos,
    pub(super) keys: Option<(Vec<u8>, Vec<u8>)>,
}

/// The files that are taken.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) known: Known,
    pub(super) logs: Logs,
    pub(super) tables: BTreeMap<FamilyId, Vec<FoundTable>>,
    pub(super) unnamed: Vec<PathBuf>,
    pub(super) left_out: Vec<PathBuf>,
    /// The families whose name was made up.
    pub(super) nameless: BTreeSet<FamilyId>,
}

/// Who takes the files of a directory.
struct Surveyor<'a> {
    fs: &'a dyn Fs,
    directory: &'a Path,
    files: Vec<(FileKind, FileNumber)>,
    losses: &'a mut Losses,
    survey: Survey,
}

impl Survey {
    /// Looks at every file of the directory, which has these names.
    ///
    /// # Errors
    /// [`Error::UnknownFormat`] of a manifest.
    pub(super) fn of(fs: &dyn Fs, directory: &Path, names: &[String], losses: &mut Losses) -> Result<Survey> {
        let mut files: Vec<(FileKind, FileNumber)> =
            names.iter().filter_map(|name| file_name::parse(name)).collect();
        files.sort_unstable_by_key(|(_, number)| *number);
        let known = Known::read(fs, directory, names, losses)?;
        let survey = Survey { known, ..Survey::default() };
        let mut surveyor = Surveyor { fs, directory, files, losses, survey };
        let misses_records = !surveyor.survey.known.is_whole;
        let has_all_files = surveyor.has_all_files();
        surveyor.survey.known.is_whole &= has_all_files;
        surveyor.take_logs();
        surveyor.take_tables();
        // A record that is known to be missing may have dropped a file that another one names. Where only the end may be cut off, a
        // file that no record names tells of it.
        let is_cut_off = !has_all_files && !surveyor.survey.unnamed.is_empty();
        surveyor.survey.known.is_in_doubt = misses_records || is_cut_off;
        if is_cut_off && !misses_records {
            surveyor.tell_of_cut();
        }
        surveyor.settle_families();
        Ok(surveyor.survey)
    }
}

impl Surveyor<'_> {
    fn numbers(&self, kind: FileKind) -> Vec<FileNumber> {
        let of_kind = self.files.iter().filter(|(found, _)| *found == kind);
        of_kind.map(|(_, number)| *number).collect()
    }

    fn path(&self, kind: FileKind, number: FileNumber) -> PathBuf {
        file_name::path(self.directory, kind, number)
    }

    /// Whether every file that the manifest names is there, and none that it would name: a part of a manifest that was cut off leaves
    /// no other trace.
    fn has_all_files(&self) -> bool {
        let known = &self.survey.known;
        let has = |kind, number| self.files.contains(&(kind, number));
        let newest = known.logs.last_key_value().map(|(number, _)| *number);
        let is_unnamed = |number: &FileNumber| {
            let path = self.path(FileKind::Log, *number);
            let first = self.fs.open(&path).and_then(|file| first_record(&*file, *number, &path));
            // Without one the record that begins the manifest is lost, which had it.
            newest.is_some_and(|newest| *number > newest) && !matches!(first, Ok(None))
        };
        known.tables.keys().all(|number| has(FileKind::Table, *number))
            && known.logs.keys().all(|number| has(FileKind::Log, *number))
            && !self.numbers(FileKind::Log).iter().any(is_unnamed)
    }

    /// Tells that the end of the manifest is not there: it was cut off between two records, which shows no damage.
    fn tell_of_cut(&mut self) {
        if let Some((file, bytes)) = &self.survey.known.manifest {
            let damage =
                Error::corrupt(file, *bytes, "records that name the files which are there", "its end");
            self.losses.tell(Lost::Manifest, file, &damage);
        }
    }

    fn take_logs(&mut self) {
        let mut logs: BTreeSet<FileNumber> = self.survey.known.logs.keys().copied().collect();
        for number in self.numbers(FileKind::Log) {
            let known = &self.survey.known;
            if known.logs.contains_key(&number) {
                continue;
            }
            let path = self.path(FileKind::Log, number);
            if known.is_whole || known.dropped_logs.contains(&number) {
                self.survey.left_out.push(path);
            } else {
                self.survey.unnamed.push(path);
                logs.insert(number);
            }
        }
        for number in logs {
            self.survey.logs.take(self.fs, self.directory, number, &mut self.survey.known);
        }
    }

    fn take_tables(&mut self) {
        let named: Vec<(FileNumber, FamilyId, FileMeta)> = (self.survey.known.tables.iter())
            .map(|(number, (family, meta))| (*number, *family, meta.clone()))
            .collect();
        for (number, family, meta) in named {
            self.take_named(number, family, &meta);
        }
        let ingested = self.ingested();
        let mut ingested_unnamed = Vec::new();
        for number in self.numbers(FileKind::Table) {
            let known = &self.survey.known;
            if known.tables.contains_key(&number) {
                continue;
            }
            let path = self.path(FileKind::Table, number);
            match ingested.get(&number) {
                _ if known.dropped_tables.contains(&number) => self.survey.left_out.push(path),
                // What was ingested was in the manifest then, and a compaction has dropped it.
                Some((family, origin)) if known.is_whole && self.is_in_tables(*family, origin.seqno) => {
                    self.survey.left_out.push(path);
                }
                Some((family, origin)) => ingested_unnamed.push((path, number, *origin, *family)),
                None if known.is_whole => self.survey.left_out.push(path),
                None => self.take_unnamed(path, number, Origin::here(number), None),
            }
        }
        // Others are read where the log tells of the ingestion.
        ingested_unnamed.retain(|(_, _, origin, family)| self.is_in_tables(*family, origin.seqno));
        for (path, number, origin, family) in ingested_unnamed {
            self.take_unnamed(path, number, origin, Some(family));
        }
    }

    /// The tables that logs say were ingested.
    fn ingested(&self) -> BTreeMap<FileNumber, (FamilyId, Origin)> {
        let ingestions = self.survey.logs.ingestions.iter();
        let tables = ingestions.flat_map(|(seqno, ingestion)| {
            ingestion.tables.iter().map(|table| {
                (table.number, (ingestion.family, Origin { sealed_as: table.sealed_as, seqno: *seqno }))
            })
        });
        tables.collect()
    }

    fn is_in_tables(&self, family: FamilyId, seqno: SeqNo) -> bool {
        self.survey.known.families.get(&family).is_some_and(|family| family.flushed_through >= seqno)
    }

    fn take_named(&mut self, number: FileNumber, family: FamilyId, meta: &FileMeta) {
        let path = self.path(FileKind::Table, number);
        if self.survey.known.is_dropped(family) {
            self.survey.left_out.push(path);
            return;
        }
        let known = self.survey.known.families.entry(family).or_default();
        if meta.origin.is_none() {
            known.flushed_through = known.flushed_through.max(meta.max_seqno);
        }
        let name = known.name.clone();
        let keys = split_internal(&meta.smallest).zip(split_internal(&meta.largest));
        let keys = keys.map(|((first, _), (last, _))| (first.to_vec(), last.to_vec()));
        let seqnos = (meta.min_seqno, meta.max_seqno);
        let origin = meta.origin.unwrap_or(Origin::here(number));
        let opened = if self.files.contains(&(FileKind::Table, number)) {
            OpenTable::open(self.fs, &path, number, origin)
        } else {
            Err(Error::MissingFile { file: path.clone(), why: "the manifest names it".to_owned() })
        };
        match opened {
            // What the properties say of the entries, the manifest says too.
            Ok((table, _)) => self.take(family, FoundTable { path, table, seqnos, keys }),
            Err(damage) => {
                // What its range deletes hid may have been dropped unread, from below operands that are there.
                let first = if meta.range_tombstones > 0 { SeqNo::ZERO } else { seqnos.0 };
                self.losses.miss(Some(family), keys.clone(), (first, seqnos.1));
                self.losses.tell_of(Lost::Table, &path, name.as_deref(), keys, &damage);
            }
        }
    }

    fn take_unnamed(&mut self, path: PathBuf, number: FileNumber, origin: Origin, family: Option<FamilyId>) {
        let opened = OpenTable::open(self.fs, &path, number, origin);
        let opened = opened.and_then(|(table, properties)| properties.map(|()| table));
        let told = opened.and_then(|table| match table.properties.clone() {
            Some(properties) => Ok((table, properties)),
            None => Err(Error::Bug { message: "properties without damage are not there".to_owned() }),
        });
        let (table, properties) = match told {
            Ok(told) => told,
            Err(damage) => {
                self.losses.miss(family, None, ALL_SEQNOS);
                self.losses.tell(Lost::Table, &path, &damage);
                return;
            }
        };
        let Properties { family: told, min_seqno, max_seqno, smallest, largest, .. } = properties;
        let known = &mut self.survey.known;
        let id = family.or(told.as_ref().map(|told| told.id));
        let Some(id) = id else {
            let (expected, found) = ("a manifest that tells its column family", "none that is intact");
            self.losses.miss(None, None, (min_seqno, max_seqno));
            self.losses.tell(Lost::Table, &path, &Error::corrupt(&path, 0, expected, found));
            return;
        };
        if known.is_dropped(id) {
            self.survey.left_out.push(path);
            return;
        }
        if let Some(told) = told {
            known.create(id, told.name);
        }
        let of_family = known.families.entry(id).or_default();
        if family.is_none() {
            of_family.flushed_through = of_family.flushed_through.max(max_seqno);
        }
        known.last = known.last.max(max_seqno);
        self.survey.unnamed.push(path.clone());
        let keys = split_internal(&smallest).zip(split_internal(&largest));
        let keys = keys.map(|((first, _), (last, _))| (first.to_vec(), last.to_vec()));
        self.take(id, FoundTable { path, table, seqnos: (min_seqno, max_seqno), keys });
    }

    fn take(&mut self, family: FamilyId, table: FoundTable) {
        let told = table.table.properties.as_ref().and_then(|properties| properties.family.as_ref());
        if let Some(told) = told.filter(|told| told.id == family) {
            self.survey.known.create(family, told.name.clone());
        }
        self.survey.tables.entry(family).or_default().push(table);
    }

    /// Gives every family a name, and lets go of what is of dropped ones.
    fn settle_families(&mut self) {
        let Survey { known, logs, tables, nameless, left_out, .. } = &mut self.survey;
        for id in &logs.families {
            if !known.is_dropped(*id) {
                known.families.entry(*id).or_default();
            }
        }
        known.settle_names();
        let dropped = tables.extract_if(.., |id, _| known.is_dropped(*id));
        left_out.extend(dropped.flat_map(|(_, tables)| tables).map(|table| table.path));
        let taken: BTreeSet<String> =
            known.families.values().filter_map(|family| family.name.clone()).collect();
        for (id, family) in &mut known.families {
            if family.name.is_none() {
                let mut name = format!("unnamed-{}", id.0);
                while taken.contains(&name) {
                    name.push('-');
                }
                family.name = Some(name);
                nameless.insert(*id);
            }
        }
    }
}
