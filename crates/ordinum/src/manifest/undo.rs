//! Takes back edits that were applied to a state and did not become durable. An installation costs what it changes, and
//! not what there is: the state is changed in place, and what was there before is kept aside.

use std::collections::BTreeMap;

use super::edit::Edit;
use super::state::{FamilyState, LogState, Mark, State};
use crate::family::FamilyId;
use crate::file_name::FileNumber;
use crate::history::Histories;
use crate::key::SeqNo;
use crate::options::RetentionWindow;
use crate::value_log::ValueLogMeta;
use crate::version::FileMeta;

/// What was there before.
#[derive(Debug)]
enum Before {
    Family(FamilyId, Option<FamilyState>),
    Flushed(FamilyId, SeqNo),
    Table(FamilyId, usize, FileNumber, Option<FileMeta>),
    MergeOperator(FamilyId, Option<String>),
    Log(FileNumber, Option<LogState>),
    ValueLog(FamilyId, FileNumber, Option<ValueLogMeta>),
    Marks(BTreeMap<SeqNo, Mark>),
    Histories(Histories),
    Features(u64),
    Retention(RetentionWindow),
    Options(FamilyId, Option<Vec<u8>>),
}

/// What takes a state back to where it began.
#[derive(Debug)]
pub(super) struct Undo {
    next_family: FamilyId,
    next_file: u64,
    reserved: SeqNo,
    oldest_readable: SeqNo,
    /// In the order of the edits.
    before: Vec<Before>,
}

impl State {
    /// What takes the state back to now.
    pub(super) fn begin(&self) -> Undo {
        Undo {
            next_family: self.next_family,
            next_file: self.next_file,
            reserved: self.reserved,
            oldest_readable: self.oldest_readable,
            before: Vec::new(),
        }
    }

    /// Applies the edit, and notes what was there before.
    pub(super) fn apply_undoably(&mut self, edit: &Edit, undo: &mut Undo) -> Result<(), &'static str> {
        let before = match edit {
            Edit::CreateFamily { id, .. } | Edit::DropFamily { id } => {
                Some(Before::Family(*id, self.families.get(id).cloned()))
            }
            Edit::AddTable { family, level, meta } => Some(self.table_before(*family, *level, meta.number)),
            Edit::RemoveTable { family, level, number } => Some(self.table_before(*family, *level, *number)),
            Edit::Flushed { family, .. } => {
                self.families.get(family).map(|before| Before::Flushed(*family, before.flushed_through))
            }
            Edit::SetMergeOperator { family: id, .. } => {
                let family = self.families.get(id);
                family.map(|family| Before::MergeOperator(*id, family.merge_operator.clone()))
            }
            Edit::AddLog { number, .. } | Edit::CloseLog { number, .. } | Edit::RemoveLog { number } => {
                Some(Before::Log(*number, self.logs.get(number).copied()))
            }
            Edit::AddValueLog { family, meta: ValueLogMeta { number, .. } }
            | Edit::RemoveValueLog { family, number } => {
                let files = self.families.get(family).map(|family| &family.value_logs);
                let before = files.and_then(|files| files.get(number));
                Some(Before::ValueLog(*family, *number, before.copied()))
            }
            Edit::RaiseHorizon { .. } | Edit::AddMark { .. } => Some(Before::Marks(self.marks.clone())),
            Edit::SetOptions { family, .. } => {
                self.families.get(family).map(|before| Before::Options(*family, before.options.clone()))
            }
            Edit::Use { .. } => Some(Before::Features(self.features)),
            Edit::SetRetention { .. } => Some(Before::Retention(self.retention)),
            Edit::BeginHistory { .. } => Some(Before::Histories(self.histories.clone())),
            Edit::NextFile { .. } | Edit::ReserveSeqNos { .. } => None,
        };
        undo.before.extend(before);
        self.apply(edit)
    }

    fn table_before(&self, family: FamilyId, level: usize, number: FileNumber) -> Before {
        let tables = self.families.get(&family).and_then(|family| family.levels.get(level));
        Before::Table(family, level, number, tables.and_then(|tables| tables.get(&number)).cloned())
    }

    /// Takes the state back.
    pub(super) fn undo(&mut self, undo: Undo) {
        let Undo { next_family, next_file, reserved, oldest_readable, before } = undo;
        (self.next_family, self.next_file) = (next_family, next_file);
        (self.reserved, self.oldest_readable) = (reserved, oldest_readable);
        for before in before.into_iter().rev() {
            match before {
                Before::Family(id, Some(family)) => drop(self.families.insert(id, family)),
                Before::Family(id, None) => drop(self.families.remove(&id)),
                Before::Options(id, options) => {
                    if let Some(family) = self.families.get_mut(&id) {
                        family.options = options;
                    }
                }
                Before::Flushed(id, through) => {
                    if let Some(family) = self.families.get_mut(&id) {
                        family.flushed_through = through;
                    }
                }
                Before::Table(id, level, number, meta) => {
                    let tables = self.families.get_mut(&id).and_then(|family| family.levels.get_mut(level));
                    match (tables, meta) {
                        (Some(tables), Some(meta)) => drop(tables.insert(number, meta)),
                        (Some(tables), None) => drop(tables.remove(&number)),
                        (None, _) => {}
                    }
                }
                Before::MergeOperator(id, name) => {
                    if let Some(family) = self.families.get_mut(&id) {
                        family.merge_operator = name;
                    }
                }
                Before::Log(number, Some(log)) => drop(self.logs.insert(number, log)),
                Before::Log(number, None) => drop(self.logs.remove(&number)),
                Before::ValueLog(id, number, meta) => {
                    if let Some(family) = self.families.get_mut(&id) {
                        match meta {
                            Some(meta) => drop(family.value_logs.insert(number, meta)),
                            None => drop(family.value_logs.remove(&number)),
                        }
                    }
                }
                Before::Marks(marks) => self.marks = marks,
                Before::Features(features) => self.features = features,
                Before::Retention(window) => self.retention = window,
                Before::Histories(histories) => self.histories = histories,
            }
        }
    }
}
