//! Scans of many ranges with one cursor, each a piece at a time.
//!
//! Invariants: (1) the entries of a lane come in the order of its key, forward or backward, each once; (2) a piece of
//! a lane ends where ties end, if ties matter.

use std::ops::Bound;

use ordinum::{Cursor, KeyRange};
use ormdb_proto::Result;
use ormdb_proto::schema::FieldType;

use super::run::{Entry, Run};
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::plan::{Served, Source};
use crate::store::key::{Direction, KeyReader};
use crate::store::layout;

/// Ranges that are read one behind the other.
#[derive(Debug)]
pub(super) struct Lane {
    ranges: std::vec::IntoIter<KeyRange>,
    current: Option<KeyRange>,
    /// The last key that was read of the current range.
    last: Option<Vec<u8>>,
}

impl Lane {
    pub(super) fn new(ranges: Vec<KeyRange>) -> Lane {
        let mut ranges = ranges.into_iter();
        Lane { current: ranges.next(), ranges, last: None }
    }

    /// Whether everything was read.
    pub(super) const fn is_done(&self) -> bool {
        self.current.is_none()
    }

    fn advance(&mut self) {
        self.current = self.ranges.next();
        self.last = None;
    }
}

/// One cursor for many lanes.
pub(super) struct Scanner {
    cursor: Cursor,
    reverse: bool,
    /// The columns in which entries tie, with their types; none if ties do not matter.
    ties: Option<Vec<(FieldType, Direction)>>,
    /// The lane whose next entry the cursor stands on.
    stands_for: Option<usize>,
}

impl Scanner {
    pub(super) fn new(
        run: &Run<'_>,
        entity: &EntityInfo,
        source: Source,
        served: Served,
        reverse: bool,
    ) -> Result<Scanner> {
        let ties = match (source, served) {
            (Source::Index(id), Served::UpToTies { columns }) => {
                let format = entity.store().index(id)?;
                Some(format.columns().iter().take(columns).map(|c| (c.ty, c.direction)).collect())
            }
            _ => None,
        };
        Ok(Scanner { cursor: run.cursor(entity, source)?, reverse, ties, stands_for: None })
    }

    /// Reads up to `want` further entries of a lane; more if ties go on behind them, all if there is no bound.
    pub(super) fn read(
        &mut self,
        run: &Run<'_>,
        step: usize,
        lane_number: usize,
        lane: &mut Lane,
        want: Option<usize>,
    ) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = 0usize;
        while let Some(range) = &lane.current {
            let mut valid = match (&lane.last, self.stands_for == Some(lane_number)) {
                (Some(_), true) => self.cursor.valid(),
                (Some(last), false) => self.behind(last)?,
                (None, _) => self.begin(range)?,
            };
            self.stands_for = None;
            let before = entries.len();
            while valid && range.contains(self.cursor.key()) {
                run.budget.tick()?;
                seen += 1;
                let enough = want.is_some_and(|want| entries.len() >= want);
                let stop = enough && !self.ties_with(entries.last())?;
                if stop {
                    self.stands_for = Some(lane_number);
                } else {
                    entries.push(Entry {
                        key: self.cursor.key().to_vec(),
                        value: self.cursor.value_slice().engine()?,
                    });
                }
                // What cannot tie with what was read is not looked at.
                let full = self.ties.is_none() && want.is_some_and(|want| entries.len() >= want);
                if stop || full {
                    if let Some(last) = entries.get(before..).and_then(<[Entry]>::last) {
                        lane.last = Some(last.key.clone());
                    }
                    run.count(step, |stats| stats.entries += seen);
                    return Ok(entries);
                }
                valid = self.step()?;
            }
            lane.advance();
        }
        run.count(step, |stats| stats.entries += seen);
        Ok(entries)
    }

    /// How many entries a range has; no more than `most` are read.
    pub(super) fn count(
        &mut self,
        run: &Run<'_>,
        step: usize,
        range: &KeyRange,
        most: usize,
    ) -> Result<usize> {
        self.stands_for = None;
        let mut count = 0;
        let mut valid = self.begin(range)?;
        while valid && range.contains(self.cursor.key()) {
            run.budget.tick()?;
            count += 1;
            valid = count < most && self.step()?;
        }
        run.count(step, |stats| stats.entries += count);
        Ok(count)
    }

    /// Whether the entry that the cursor stands on is equal to another in the columns that matter.
    fn ties_with(&self, entry: Option<&Entry>) -> Result<bool> {
        let (Some(ties), Some(entry)) = (&self.ties, entry) else { return Ok(false) };
        let columns = tie_columns(ties, &entry.key)?;
        Ok(self.cursor.key().starts_with(columns))
    }

    fn step(&mut self) -> Result<bool> {
        if self.reverse { self.cursor.prev().engine() } else { self.cursor.next().engine() }
    }

    /// Moves behind a key that was read.
    fn behind(&mut self, last: &[u8]) -> Result<bool> {
        let valid =
            if self.reverse { self.cursor.seek_back(last) } else { self.cursor.seek(last) }.engine()?;
        if valid && self.cursor.key() == last { self.step() } else { Ok(valid) }
    }

    /// Moves to the first entry of a range.
    fn begin(&mut self, range: &KeyRange) -> Result<bool> {
        match (self.reverse, &range.start, &range.end) {
            (false, Bound::Unbounded, _) => self.cursor.first().engine(),
            (false, Bound::Included(start), _) => self.cursor.seek(start).engine(),
            (false, Bound::Excluded(start), _) => self.behind(start),
            (true, _, Bound::Unbounded) => self.cursor.last().engine(),
            (true, _, Bound::Included(end)) => self.cursor.seek_back(end).engine(),
            (true, _, Bound::Excluded(end)) => self.behind(end),
        }
    }
}

/// The bytes of a key up to the end of the columns that matter for ties.
fn tie_columns<'k>(ties: &[(FieldType, Direction)], key: &'k [u8]) -> Result<&'k [u8]> {
    let columns = key.get(layout::ID_BYTES..).unwrap_or_default();
    let mut reader = KeyReader::new(columns);
    for (ty, direction) in ties {
        reader.skip_column(*ty, *direction)?;
    }
    Ok(key.get(..key.len() - reader.rest().len()).unwrap_or_default())
}
