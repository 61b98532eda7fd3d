//! What comes over: first the newest version of every key of the tables, then the operations of the logs, in their order.
//!
//! Invariants: (1) a key gets a value that it had once: where a version may be missing below an operand, the operand is left out, and
//! told; (2) the operations of a log come behind all that the tables of their family have, or, where the logs have every commit since
//! then, behind an older commit: what the tables lost is there again.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;

use super::keys::{Keys, Versions};
use super::logs::Done;
use super::losses::Losses;
use super::output::Output;
use super::report::Lost;
use super::settled::Settled;
use super::survey::{FoundTable, Survey};
use super::table::OpenTable;
use super::values::Values;
use crate::batch::{Operation, Operations};
use crate::error::{Error, Result};
use crate::family::FamilyId;
use crate::file_name::{self, FileKind};
use crate::fs::Fs;
use crate::ingestion::Ingestion;
use crate::key::{Kind, SeqNo};
use crate::merge_operator::{Base, Entry, Merging};
use crate::range_delete::RangeTombstones;
use crate::table::Origin;
use crate::value_log::ValuePointer;

/// What is taken where.
pub(super) struct Transfer<'a> {
    fs: &'a dyn Fs,
    from: &'a Path,
    values: Values<'a>,
    losses: &'a mut Losses,
    output: &'a mut Output,
    /// Whether tables and logs may be among those that are read which were dropped.
    is_in_doubt: bool,
}

/// What a chain of operands is applied to.
enum Bottom {
    Absent,
    Value(Vec<u8>),
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        fs: &'a dyn Fs,
        from: &'a Path,
        losses: &'a mut Losses,
        output: &'a mut Output,
        is_in_doubt: bool,
    ) -> Transfer<'a> {
        Transfer { fs, from, values: Values::new(fs, from), losses, output, is_in_doubt }
    }

    fn name(&self, id: FamilyId) -> String {
        self.output.families.get(&id).map_or_else(String::new, |family| family.told.name.clone())
    }

    /// Takes over the newest version of every key of the tables.
    pub(super) fn tables(&mut self, id: FamilyId, tables: Vec<FoundTable>) -> Result<()> {
        let name = self.name(id);
        let mut tombstones = Vec::new();
        let mut entries = Vec::with_capacity(tables.len());
        for FoundTable { path, table, seqnos, keys } in tables {
            match table.range_tombstones() {
                Ok(found) => tombstones.extend(found),
                Err(damage) => {
                    self.losses.miss(Some(id), keys.clone(), (SeqNo::ZERO, seqnos.1));
                    self.losses.tell_of(Lost::RangeDeletes, &path, Some(&name), keys, &damage);
                }
            }
            entries.push(table.entries((id, name.clone()), seqnos));
        }
        let tombstones = RangeTombstones::of(tombstones);
        let mut keys = Keys::new(entries, self.losses);
        let mut found = Versions::default();
        while keys.next(&mut found, self.losses) {
            let deleted = tombstones.newest(&found.key, SeqNo::MAX);
            found.versions.retain(|version| version.seqno >= deleted);
            self.key(id, &found, deleted)?;
        }
        Ok(())
    }

    fn key(&mut self, id: FamilyId, found: &Versions, deleted: SeqNo) -> Result<()> {
        let Some(newest) = found.versions.first() else { return Ok(()) };
        match newest.kind {
            Kind::Put => self.put(id, &found.key, &newest.value),
            Kind::Pointer => match self.value(&newest.value) {
                Ok(value) => self.put(id, &found.key, &value),
                Err(damage) => {
                    self.lose(Lost::Value, id, &found.key, newest.seqno, &damage);
                    Ok(())
                }
            },
            Kind::Merge => match self.chain(id, found, deleted) {
                Ok((bottom, operands)) => {
                    if let Bottom::Value(value) = &bottom {
                        self.output.push(id, Kind::Put, &found.key, value)?;
                    }
                    for operand in operands {
                        self.output.push(id, Kind::Merge, &found.key, &operand)?;
                    }
                    self.count_key(id);
                    Ok(())
                }
                Err(damage) => {
                    self.lose(Lost::Operand, id, &found.key, newest.seqno, &damage);
                    Ok(())
                }
            },
            Kind::Delete | Kind::RangeDelete => Ok(()),
        }
    }

    fn put(&mut self, id: FamilyId, key: &[u8], value: &[u8]) -> Result<()> {
        self.count_key(id);
        self.output.push(id, Kind::Put, key, value)
    }

    fn count_key(&mut self, id: FamilyId) {
        if let Some(family) = self.output.families.get_mut(&id) {
            family.told.keys += 1;
        }
    }

    fn value(&mut self, pointer: &[u8]) -> Result<Vec<u8>> {
        let pointer = ValuePointer::parse(pointer);
        let pointer = pointer.ok_or_else(|| self.damaged("a pointer into the value log", "other bytes"))?;
        self.values.read(pointer)
    }

    fn damaged(&self, expected: &str, found: &str) -> Error {
        Error::corrupt(self.from, 0, expected, found)
    }

    /// Tells that the value of the key, as this commit left it, is lost.
    fn lose(&mut self, lost: Lost, id: FamilyId, key: &[u8], seqno: SeqNo, damage: &Error) {
        let keys = Some((key.to_vec(), key.to_vec()));
        let file = match damage {
            Error::Corrupt { file, .. } | Error::MissingFile { file, .. } => file.clone(),
            Error::Io { path, .. } => path.clone(),
            _ => self.from.to_path_buf(),
        };
        let name = self.name(id);
        // Nobody asks about single keys of a family without operands.
        if self.output.families.get(&id).is_some_and(|family| family.merges) {
            self.losses.miss(Some(id), keys.clone(), (SeqNo::ZERO, seqno));
        }
        self.losses.tell_of(lost, &file, Some(&name), keys, damage);
    }

    /// The operands that make the value, oldest first, and what they are applied to.
    ///
    /// # Errors
    /// Why that cannot be told.
    fn chain(&mut self, id: FamilyId, found: &Versions, deleted: SeqNo) -> Result<(Bottom, Vec<Vec<u8>>)> {
        if !self.output.families.get(&id).is_some_and(|family| family.merges) {
            return Err(self.damaged("the merge operator of the family in the options", "none, or another"));
        }
        if found.is_ambiguous {
            return Err(self.damaged("one entry of a commit", "two, one of which has others folded in"));
        }
        let mut operands: Vec<Vec<u8>> = Vec::new();
        let mut bottom = Bottom::Absent;
        // A range delete leaves what its own commit has behind it: one entry of the key, which may be missing too.
        let has_commit = found.versions.iter().any(|version| version.seqno == deleted);
        let mut bottom_seqno = if has_commit { deleted } else { deleted.before() };
        let newest = found.versions.first().map_or(SeqNo::ZERO, |newest| newest.seqno);
        // Of one table the versions of a key follow one another; a table that was dropped has others than those that came since.
        let mut is_followed = !self.is_in_doubt;
        for version in &found.versions {
            if self.is_in_doubt && found.versions.first().is_some_and(|newest| newest.table != version.table)
            {
                break;
            }
            match version.kind {
                Kind::Merge => {
                    let entry = Entry::parse(&version.value);
                    let entry = entry.ok_or_else(|| self.damaged("operands", "other bytes"))?;
                    let older: Vec<Vec<u8>> = entry.operands().map(<[u8]>::to_vec).collect();
                    operands.splice(0..0, older);
                    match entry.base {
                        Base::Below => continue,
                        Base::Absent => bottom = Bottom::Absent,
                        Base::Value(value) => bottom = Bottom::Value(value.to_vec()),
                    }
                }
                Kind::Put => bottom = Bottom::Value(version.value.clone()),
                Kind::Pointer => bottom = Bottom::Value(self.value(&version.value)?),
                Kind::Delete | Kind::RangeDelete => bottom = Bottom::Absent,
            }
            bottom_seqno = version.seqno;
            is_followed = true;
            break;
        }
        if !is_followed {
            let expected = "a manifest that tells which tables have what was before an operand";
            return Err(self.damaged(expected, "damage where it may have dropped some"));
        }
        if self.losses.may_have(id, &found.key, bottom_seqno, newest) {
            return Err(self.damaged("all operands of the key", "damage where more of them may have been"));
        }
        Ok((bottom, operands))
    }

    /// Takes over what the logs have behind the tables.
    pub(super) fn logs(&mut self, survey: &Survey) -> Result<()> {
        let complete = survey.logs.complete_behind();
        let mut from: BTreeMap<FamilyId, SeqNo> = BTreeMap::new();
        for (id, family) in &survey.known.families {
            let flushed = family.flushed_through;
            let older = complete.filter(|_| self.losses.touch(*id) && !survey.logs.merging.contains(id));
            let older = older.map(|older| older.max(survey.logs.ingested_through(*id, flushed)));
            from.insert(*id, older.map_or(flushed, |older| older.min(flushed)));
        }
        let is_behind = |id: &FamilyId, seqno: SeqNo| from.get(id).is_some_and(|from| seqno > *from);
        let mut settled = Settled::default();
        for log in &survey.logs.logs {
            log.replay(self.fs, |seqno, done| match done {
                Done::Batch(operations) => {
                    self.batch(seqno, operations, &mut settled, &|id| is_behind(id, seqno))
                }
                Done::Ingested => match survey.logs.ingestions.get(&seqno) {
                    Some(ingestion) if is_behind(&ingestion.family, seqno) => {
                        self.ingestion(seqno, ingestion)
                    }
                    Some(_) | None => Ok(()),
                },
            })?;
        }
        Ok(())
    }

    fn batch(
        &mut self,
        seqno: SeqNo,
        mut operations: Operations<'_>,
        settled: &mut Settled,
        is_behind: &dyn Fn(&FamilyId) -> bool,
    ) -> Result<()> {
        let merging = Merging::of(&operations);
        while let Some(Ok(operation)) = operations.next_operation() {
            if is_behind(&operation.family) && !self.is_half(&operation, merging.as_ref()) {
                self.operation(seqno, &operation, settled)?;
            }
        }
        Ok(())
    }

    /// Whether the batch has operands behind this put that cannot be told: the value alone no commit left.
    fn is_half(&self, operation: &Operation<'_>, merging: Option<&Merging<'_>>) -> bool {
        let Operation { kind, family: id, key, .. } = *operation;
        let merges = self.output.families.get(&id).is_some_and(|family| family.merges);
        let is_put = matches!(kind, Kind::Put | Kind::Pointer);
        is_put && !merges && merging.is_some_and(|merging| merging.has_operands(id, key))
    }

    fn operation(&mut self, seqno: SeqNo, operation: &Operation<'_>, settled: &mut Settled) -> Result<()> {
        let Operation { kind, family: id, key, value } = *operation;
        let Some(family) = self.output.families.get_mut(&id) else { return Ok(()) };
        let merges = family.merges;
        if kind == Kind::Merge {
            let damage = if !merges {
                Some(self.damaged("the merge operator of the family in the options", "none, or another"))
            } else if self.is_unsettled(id, key, settled.at(id, key), seqno) {
                Some(self.damaged("all that was before an operand", "damage where more may have been"))
            } else {
                None
            };
            if let Some(damage) = damage {
                self.lose(Lost::Operand, id, key, seqno, &damage);
                return Ok(());
            }
        } else if merges && (self.is_in_doubt || self.losses.touch(id)) {
            settled.write(id, kind, key, value, seqno);
        }
        if let Some(family) = self.output.families.get_mut(&id) {
            family.told.operations += 1;
        }
        self.output.push(id, kind, key, value)
    }

    /// Whether it is not known what an operand is applied to, of a key that was put or deleted last at `settled`.
    fn is_unsettled(&self, id: FamilyId, key: &[u8], settled: SeqNo, seqno: SeqNo) -> bool {
        (self.is_in_doubt && settled == SeqNo::ZERO) || self.losses.may_have(id, key, settled, seqno)
    }

    /// Takes over tables that no manifest names yet.
    fn ingestion(&mut self, seqno: SeqNo, ingestion: &Ingestion) -> Result<()> {
        let (id, seqnos) = (ingestion.family, (seqno, seqno));
        let name = self.name(id);
        for table in &ingestion.tables {
            let path = file_name::path(self.from, FileKind::Table, table.number);
            let origin = Origin { sealed_as: table.sealed_as, seqno };
            match OpenTable::open(self.fs, &path, table.number, origin) {
                Ok((open, _)) => {
                    let mut entries = open.entries((id, name.clone()), seqnos);
                    while entries.next(self.losses) {
                        let (key, _, value) = entries.entry();
                        self.output.push(id, Kind::Put, key, value)?;
                        self.count_key(id);
                    }
                }
                Err(damage) => {
                    let keys = Some((table.smallest.clone(), table.largest.clone()));
                    self.losses.miss(Some(id), keys.clone(), seqnos);
                    self.losses.tell_of(Lost::Table, &path, Some(&name), keys, &damage);
                }
            }
        }
        Ok(())
    }
}
