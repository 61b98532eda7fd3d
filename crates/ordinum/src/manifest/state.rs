//! The sum of all edits.

use std::collections::BTreeMap;

use super::edit::Edit;
use crate::family::FamilyId;
use crate::file_name::{FileKind, FileNumber};
use crate::history::Histories;
use crate::key::SeqNo;
use crate::options::RetentionWindow;
use crate::value_log::ValueLogMeta;
use crate::version::{FileMeta, LEVELS};

/// What a family consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FamilyState {
    pub(crate) name: String,
    /// Every commit up to this one is in tables: replay leaves it out.
    pub(crate) flushed_through: SeqNo,
    /// The tables by level; level 0 oldest first, by number.
    pub(crate) levels: [BTreeMap<FileNumber, FileMeta>; LEVELS],
    /// The value-log files that its tables point into.
    pub(crate) value_logs: BTreeMap<FileNumber, ValueLogMeta>,
    /// The name of what its operands mean, once it may have some.
    pub(crate) merge_operator: Option<String>,
    /// The options that were chosen while it was open, if there are any.
    pub(crate) options: Option<Vec<u8>>,
}

/// What is known of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    /// The sequence number before its first record.
    pub(crate) base: SeqNo,
    /// Where its records end, once it was closed.
    pub(crate) end: Option<u64>,
}

/// When a sequence number was the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// On the clock, since the Unix epoch.
    pub(crate) unix_millis: u64,
    /// The bytes of log that were written until then, since the first mark.
    pub(crate) log_bytes: u64,
}

/// What the database consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) families: BTreeMap<FamilyId, FamilyState>,
    pub(crate) logs: BTreeMap<FileNumber, LogState>,
    pub(crate) next_family: FamilyId,
    /// The next file number that was never given.
    pub(crate) next_file: u64,
    /// No sequence number above this one was ever given.
    pub(crate) reserved: SeqNo,
    /// The oldest sequence number that can be read without a pin; it never goes back.
    pub(crate) oldest_readable: SeqNo,
    /// Moments since the oldest readable one.
    pub(crate) marks: BTreeMap<SeqNo, Mark>,
    /// How far back can be read.
    pub(crate) retention: RetentionWindow,
    pub(crate) histories: Histories,
    /// Features that are in use, besides those that every manifest tells of.
    pub(crate) features: u64,
}

impl Default for State {
    fn default() -> State {
        State {
            families: BTreeMap::new(),
            logs: BTreeMap::new(),
            next_family: FamilyId(0),
            next_file: 1,
            reserved: SeqNo::ZERO,
            oldest_readable: SeqNo::ZERO,
            marks: BTreeMap::new(),
            retention: RetentionWindow::NONE,
            histories: Histories::default(),
            features: 0,
        }
    }
}

impl State {
    /// Applies the edit; an error says what does not fit.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), &'static str> {
        match edit {
            Edit::CreateFamily { id, name } => {
                if *id < self.next_family {
                    return Err("a family id that was never used");
                }
                self.next_family = FamilyId(id.0.checked_add(1).ok_or("a family id below the last one")?);
                let levels = std::array::from_fn(|_| BTreeMap::new());
                let (name, flushed_through) = (name.clone(), SeqNo::ZERO);
                let family = FamilyState {
                    name,
                    flushed_through,
                    levels,
                    value_logs: BTreeMap::new(),
                    merge_operator: None,
                    options: None,
                };
                self.families.insert(*id, family);
            }
            Edit::DropFamily { id } => {
                // The ids of dropped families stay used: the state that begins a manifest says so by dropping the last.
                if *id >= self.next_family {
                    self.next_family = FamilyId(id.0.checked_add(1).ok_or("a family id below the last one")?);
                }
                self.families.remove(id);
            }
            Edit::AddTable { family, level, meta } => {
                self.next_file = self.next_file.max(meta.number.0.saturating_add(1));
                let levels = &mut self.families.get_mut(family).ok_or("a family that exists")?.levels;
                let level = levels.get_mut(*level).ok_or("a level that exists")?;
                if level.insert(meta.number, meta.clone()).is_some() {
                    return Err("a table that was not there");
                }
            }
            Edit::RemoveTable { family, level, number } => {
                let levels = &mut self.families.get_mut(family).ok_or("a family that exists")?.levels;
                let level = levels.get_mut(*level).ok_or("a level that exists")?;
                level.remove(number).ok_or("a table that is there")?;
            }
            Edit::Flushed { family, through } => {
                let family = self.families.get_mut(family).ok_or("a family that exists")?;
                family.flushed_through = family.flushed_through.max(*through);
            }
            Edit::AddLog { number, base } => {
                self.next_file = self.next_file.max(number.0.saturating_add(1));
                self.logs.insert(*number, LogState { base: *base, end: None });
            }
            Edit::CloseLog { number, end } => {
                self.logs.get_mut(number).ok_or("a log that exists")?.end = Some(*end);
            }
            Edit::RemoveLog { number } => {
                self.logs.remove(number).ok_or("a log that exists")?;
            }
            Edit::NextFile { number } => self.next_file = self.next_file.max(*number),
            Edit::ReserveSeqNos { through } => self.reserved = *through,
            Edit::RaiseHorizon { oldest } => {
                self.oldest_readable = self.oldest_readable.max(*oldest);
                self.marks.retain(|seqno, _| *seqno > self.oldest_readable);
            }
            Edit::AddMark { seqno, mark } => drop(self.marks.insert(*seqno, *mark)),
            Edit::SetOptions { family, options } => {
                let family = self.families.get_mut(family).ok_or("a family that exists")?;
                family.options = Some(options.clone());
            }
            Edit::SetRetention { window } => self.retention = *window,
            Edit::Use { features } => self.features |= features,
            Edit::BeginHistory { id, behind } => {
                if !self.histories.begin(*id, *behind) {
                    return Err("a history that begins behind the one before it");
                }
            }
            Edit::AddValueLog { family, meta } => {
                self.next_file = self.next_file.max(meta.number.0.saturating_add(1));
                let family = self.families.get_mut(family).ok_or("a family that exists")?;
                if family.value_logs.insert(meta.number, *meta).is_some() {
                    return Err("a value-log file that was not there");
                }
            }
            Edit::SetMergeOperator { family, name } => {
                let family = self.families.get_mut(family).ok_or("a family that exists")?;
                family.merge_operator = Some(name.clone());
            }
            Edit::RemoveValueLog { family, number } => {
                let family = self.families.get_mut(family).ok_or("a family that exists")?;
                family.value_logs.remove(number).ok_or("a value-log file that is there")?;
            }
        }
        Ok(())
    }

    /// Whether nothing but the manifest would tell of the edit. A file that an edit removes is missed, a log that one adds is
    /// found with its records, and what a record of a log says is replayed.
    pub(super) fn is_told_nowhere_else(&self, edit: &Edit) -> bool {
        match edit {
            Edit::ReserveSeqNos { through } => *through > self.reserved,
            Edit::BeginHistory { .. }
            | Edit::Use { .. }
            | Edit::SetMergeOperator { .. }
            | Edit::SetOptions { .. }
            | Edit::SetRetention { .. } => true,
            Edit::CreateFamily { .. }
            | Edit::DropFamily { .. }
            | Edit::AddTable { .. }
            | Edit::RemoveTable { .. }
            | Edit::Flushed { .. }
            | Edit::AddLog { .. }
            | Edit::CloseLog { .. }
            | Edit::RemoveLog { .. }
            | Edit::NextFile { .. }
            | Edit::RaiseHorizon { .. }
            | Edit::AddMark { .. }
            | Edit::AddValueLog { .. }
            | Edit::RemoveValueLog { .. } => false,
        }
    }

    /// Every file that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = (FileKind, FileNumber)> {
        let of_families = self.families.values().flat_map(|family| {
            let tables = family.levels.iter().flat_map(|level| level.keys());
            let value_logs = family.value_logs.keys().map(|number| (FileKind::ValueLog, *number));
            tables.map(|number| (FileKind::Table, *number)).chain(value_logs)
        });
        of_families.chain(self.logs.keys().map(|number| (FileKind::Log, *number)))
    }

    /// The closed logs whose last record is at or below `horizon`.
    pub(crate) fn logs_through(&self, horizon: SeqNo) -> impl Iterator<Item = FileNumber> {
        let next = self.logs.values().skip(1).map(|next| next.base);
        let closed = self.logs.iter().zip(next).filter(|((_, log), _)| log.end.is_some());
        closed.filter(move |(_, last)| *last <= horizon).map(|((number, _), _)| *number)
    }

    /// The edits that make this state out of nothing.
    pub(crate) fn as_edits(&self) -> Vec<Edit> {
        let mut edits = vec![
            Edit::NextFile { number: self.next_file },
            Edit::ReserveSeqNos { through: self.reserved },
            Edit::RaiseHorizon { oldest: self.oldest_readable },
        ];
        if self.features != 0 {
            edits.push(Edit::Use { features: self.features });
        }
        if self.retention != RetentionWindow::NONE {
            edits.push(Edit::SetRetention { window: self.retention });
        }
        edits.extend(self.histories.iter().map(|(behind, id)| Edit::BeginHistory { id, behind }));
        edits.extend(self.marks.iter().map(|(&seqno, &mark)| Edit::AddMark { seqno, mark }));
        for (&id, family) in &self.families {
            edits.push(Edit::CreateFamily { id, name: family.name.clone() });
            edits.push(Edit::Flushed { family: id, through: family.flushed_through });
            let operator = family.merge_operator.clone();
            edits.extend(operator.map(|name| Edit::SetMergeOperator { family: id, name }));
            let options = family.options.clone();
            edits.extend(options.map(|options| Edit::SetOptions { family: id, options }));
            edits
                .extend(family.value_logs.values().map(|meta| Edit::AddValueLog { family: id, meta: *meta }));
            for (level, tables) in family.levels.iter().enumerate() {
                edits.extend(tables.values().map(|meta| Edit::AddTable {
                    family: id,
                    level,
                    meta: meta.clone(),
                }));
            }
        }
        if let Some(last) = self.next_family.0.checked_sub(1).map(FamilyId)
            && !self.families.contains_key(&last)
        {
            edits.push(Edit::DropFamily { id: last });
        }
        for (&number, log) in &self.logs {
            edits.push(Edit::AddLog { number, base: log.base });
            edits.extend(log.end.map(|end| Edit::CloseLog { number, end }));
        }
        edits
    }
}
