//! Scans of many ranges with one cursor, each a piece at a time.
//!
//! Invariants: (1) the entries of a lane come in the order of its key, forward or backward, each once; (2) a piece of
//! a lane ends where ties end, if ties matter; (3) a cursor that ran forward over the end of one prefix stands on the
//! first entry behind it, so that the next prefix needs a search only if that entry stands before it.

use std::ops::{Bound, ControlFlow};

use ordinum::{Cursor, KeyRange, Slice};
use ormdb_proto::Result;
use ormdb_proto::schema::FieldType;
use smallvec::SmallVec;

use super::rows::{Key, copy_of};
use super::run::{Entry, Run};
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::plan::{Served, Source};
use crate::store::key::{Direction, KeyReader};
use crate::store::layout;

/// Keys that stand side by side.
#[derive(Clone, Debug)]
enum Span<'k> {
    Prefix(&'k [u8]),
    Range(KeyRange),
    /// All that the cursor is over.
    All,
}

/// Ranges that are read one behind the other.
#[derive(Debug)]
pub(super) struct Lane<'k> {
    current: Option<Span<'k>>,
    rest: std::vec::IntoIter<KeyRange>,
    /// The last key that was read of the current range.
    last: Option<Key>,
}

impl<'k> Lane<'k> {
    pub(super) fn new(ranges: Vec<KeyRange>) -> Lane<'k> {
        let mut rest = ranges.into_iter();
        Lane { current: rest.next().map(Span::Range), rest, last: None }
    }

    /// The keys that begin with these bytes, which are some.
    pub(super) fn prefix(prefix: &'k [u8]) -> Lane<'k> {
        Lane { current: Some(Span::Prefix(prefix)), rest: Vec::new().into_iter(), last: None }
    }

    /// All that a scanner is [over](Scanner::over).
    fn all() -> Lane<'k> {
        Lane { current: Some(Span::All), rest: Vec::new().into_iter(), last: None }
    }

    /// Whether everything was read.
    pub(super) const fn is_done(&self) -> bool {
        self.current.is_none()
    }

    fn advance(&mut self) {
        self.current = self.rest.next().map(Span::Range);
        self.last = None;
    }
}

/// So many prefixes are announced at once.
pub(super) const ANNOUNCED_AT_ONCE: usize = 12;
/// So many entries are read before the next look at what the statement may hold.
const ENTRIES_AT_ONCE: usize = 8192;

/// Where a cursor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Nobody knows.
    Anywhere,
    /// On the next entry of a lane.
    OnNext(usize),
    /// On the entry of a lane that was read last.
    OnLast(usize),
}

/// One cursor for many lanes.
pub(super) struct Scanner {
    cursor: Cursor,
    reverse: bool,
    /// The columns in which entries tie, with their types; none if ties do not matter.
    ties: Option<Vec<(FieldType, Direction)>>,
    /// Whether the values of entries are read.
    reads_values: bool,
    /// Where the cursor stands, and for which lane.
    stands: Stands,
    /// The prefix behind whose last entry the cursor stands.
    passed: Option<Key>,
}

impl Scanner {
    pub(super) fn new(
        run: &Run<'_>,
        entity: &EntityInfo,
        source: Source,
        covered: bool,
        served: Served,
        reverse: bool,
    ) -> Result<Scanner> {
        let cursor = run.cursor(entity, source, None)?;
        Scanner::of(cursor, entity, source, covered, served, reverse)
    }

    /// A scanner over ranges that are read one behind the other, and the lane of these.
    pub(super) fn over<'k>(
        run: &Run<'_>,
        entity: &EntityInfo,
        source: Source,
        (covered, served): (bool, Served),
        ranges: &[KeyRange],
        reverse: bool,
    ) -> Result<(Scanner, Lane<'k>)> {
        // Where the cursor ends with the one range, no entry needs to be looked at for that.
        let (range, lane) = match ranges {
            [only] => (Some(only), Lane::all()),
            ranges => (None, Lane::new(ranges.to_vec())),
        };
        let cursor = run.cursor(entity, source, range)?;
        Ok((Scanner::of(cursor, entity, source, covered, served, reverse)?, lane))
    }

    fn of(
        cursor: Cursor,
        entity: &EntityInfo,
        source: Source,
        covered: bool,
        served: Served,
        reverse: bool,
    ) -> Result<Scanner> {
        let (mut ties, mut reads_values) = (None, true);
        if let Source::Index(id) = source {
            let format = entity.store().index(id)?;
            // The key of such an entry ends in the primary key, and its value has nothing more.
            reads_values = covered || format.is_unique();
            if let Served::UpToTies { columns } = served {
                ties = Some(format.columns().iter().take(columns).map(|c| (c.ty, c.direction)).collect());
            }
        }
        Ok(Scanner { cursor, reverse, ties, reads_values, stands: Stands::Anywhere, passed: None })
    }

    /// Reads up to `want` further entries of a lane; more if ties go on behind them, all if there is no bound.
    pub(super) fn read(
        &mut self,
        run: &Run<'_>,
        step: usize,
        lane_number: usize,
        lane: &mut Lane<'_>,
        want: Option<usize>,
        entries: &mut Vec<Entry>,
    ) -> Result<()> {
        self.read_where(run, step, lane_number, lane, want, entries, &mut |_| Ok(true))
    }

    /// As [`Scanner::read`], of those entries that are wanted; the cursor stands on the one that is asked about.
    #[allow(clippy::too_many_arguments, reason = "those of `read`, and which")]
    #[inline]
    pub(super) fn read_where(
        &mut self,
        run: &Run<'_>,
        step: usize,
        lane_number: usize,
        lane: &mut Lane<'_>,
        want: Option<usize>,
        entries: &mut Vec<Entry>,
        is_wanted: &mut impl FnMut(&Cursor) -> Result<bool>,
    ) -> Result<()> {
        let first = entries.len();
        let mut seen = 0usize;
        while let Some(span) = &lane.current {
            let mut valid = match (&lane.last, self.stands) {
                (Some(_), Stands::OnNext(lane)) if lane == lane_number => self.cursor.valid(),
                (Some(_), Stands::OnLast(lane)) if lane == lane_number => self.step()?,
                (Some(last), _) => self.behind(last)?,
                (None, _) => self.begin(span)?,
            };
            self.stands = Stands::Anywhere;
            let before = entries.len();
            while valid && self.is_before_end_of(span) {
                run.budget.tick()?;
                seen += 1;
                let enough = want.is_some_and(|want| entries.len() - first >= want);
                let stop = enough && !self.ties_with(entries.get(first..).and_then(<[Entry]>::last))?;
                if stop {
                    self.stands = Stands::OnNext(lane_number);
                } else if is_wanted(&self.cursor)? {
                    let value = if self.reads_values {
                        self.cursor.value_slice().engine()?
                    } else {
                        Slice::default()
                    };
                    entries.push(Entry { key: Key::from_slice(self.cursor.key()), value });
                    if entries.len().is_multiple_of(ENTRIES_AT_ONCE) {
                        run.budget.fits(entries.iter().map(Entry::held_bytes).sum())?;
                    }
                }
                // What cannot tie with what was read is not looked at.
                let full = self.ties.is_none() && want.is_some_and(|want| entries.len() - first >= want);
                if stop || full {
                    if !stop {
                        self.stands = Stands::OnLast(lane_number);
                    }
                    if let Some(last) = entries.get(before..).and_then(<[Entry]>::last) {
                        lane.last = Some(copy_of(&last.key));
                    }
                    run.count(step, |stats| stats.entries += seen);
                    return Ok(());
                }
                valid = self.step()?;
            }
            if let (Span::Prefix(prefix), false) = (span, self.reverse) {
                self.passed = Some(Key::from_slice(prefix));
            }
            lane.advance();
        }
        run.count(step, |stats| stats.entries += seen);
        Ok(())
    }

    /// How many entries begin with these bytes; no more than `most` are read.
    pub(super) fn count(&mut self, run: &Run<'_>, step: usize, prefix: &[u8], most: usize) -> Result<usize> {
        self.stands = Stands::Anywhere;
        let mut count = 0;
        let mut valid = self.begin(&Span::Prefix(prefix))?;
        while valid && self.cursor.is_within(prefix) {
            run.budget.tick()?;
            count += 1;
            if count >= most {
                run.count(step, |stats| stats.entries += count);
                return Ok(count);
            }
            valid = self.step()?;
        }
        if !self.reverse {
            self.passed = Some(Key::from_slice(prefix));
        }
        run.count(step, |stats| stats.entries += count);
        Ok(count)
    }

    /// Whether an entry begins with these bytes, of a scanner that goes forward and is asked of nothing else: what it was asked of
    /// before did not stand behind this.
    #[inline]
    pub(super) fn has(&mut self, run: &Run<'_>, step: usize, prefix: &[u8]) -> Result<bool> {
        let found = self.cursor.seek_ahead(prefix).engine()? && self.cursor.is_within(prefix);
        run.count(step, |stats| stats.entries += usize::from(found));
        Ok(found)
    }

    /// Shows the values of all entries that begin with these bytes, of a scanner that goes forward; gives their number. What they will
    /// be asked of next is told ahead.
    pub(super) fn each_value(
        &mut self,
        run: &Run<'_>,
        step: usize,
        prefix: &[u8],
        next: Option<&[u8]>,
        see: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        self.stands = Stands::Anywhere;
        let (mut count, mut seen) = (0, Ok(()));
        if self.begin(&Span::Prefix(prefix))? {
            next.into_iter().for_each(|next| self.cursor.announce(next));
            let walked = self.cursor.each_value(prefix, |value| {
                count += 1;
                seen = run.budget.tick().and_then(|()| see(value));
                if seen.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            seen?;
            let _all_were_shown = walked.engine()?;
        }
        self.passed = Some(Key::from_slice(prefix));
        run.count(step, |stats| stats.entries += count);
        Ok(count)
    }

    /// Shows all entries of a lane: the cursor, on each of them.
    pub(super) fn each_in(
        &mut self,
        run: &Run<'_>,
        step: usize,
        lane: &mut Lane<'_>,
        see: &mut impl FnMut(&Cursor) -> Result<()>,
    ) -> Result<()> {
        let mut count = 0;
        while let Some(span) = &lane.current {
            let mut valid = self.begin(span)?;
            while valid && self.is_before_end_of(span) {
                run.budget.tick()?;
                count += 1;
                see(&self.cursor)?;
                valid = self.step()?;
            }
            lane.advance();
        }
        (self.stands, self.passed) = (Stands::Anywhere, None);
        run.count(step, |stats| stats.entries += count);
        Ok(())
    }

    /// Whether the entry that the cursor stands on, which has come from the begin of a span, is in it.
    fn is_before_end_of(&self, span: &Span<'_>) -> bool {
        match span {
            Span::Prefix(prefix) => self.cursor.is_within(prefix),
            Span::Range(range) => self.is_before_end(range),
            Span::All => true,
        }
    }

    /// As [`Scanner::is_before_end_of`], of a range.
    fn is_before_end(&self, range: &KeyRange) -> bool {
        let key = self.cursor.key();
        !if self.reverse { range.before(key) } else { range.behind(key) }
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

    /// Says that these prefixes, which ascend, are read next: what searches wait for is fetched side by side.
    pub(super) fn announce(&mut self, prefixes: &[Key]) {
        if self.reverse {
            return;
        }
        let prefixes: SmallVec<[&[u8]; ANNOUNCED_AT_ONCE]> = prefixes.iter().map(Key::as_slice).collect();
        self.cursor.announce_each(&prefixes);
    }

    /// Moves behind a key that was read.
    fn behind(&mut self, last: &[u8]) -> Result<bool> {
        self.passed = None;
        let valid =
            if self.reverse { self.cursor.seek_back(last) } else { self.cursor.seek(last) }.engine()?;
        if valid && self.cursor.key() == last { self.step() } else { Ok(valid) }
    }

    /// Moves to the first entry of a range, or to where it would stand.
    fn begin(&mut self, span: &Span<'_>) -> Result<bool> {
        let passed = self.passed.take();
        match span {
            Span::Prefix(prefix) if self.reverse => match KeyRange::prefix(prefix).end {
                Bound::Excluded(end) => self.behind(&end),
                Bound::Included(_) | Bound::Unbounded => self.cursor.last().engine(),
            },
            Span::Prefix(prefix) => {
                if passed.is_some_and(|passed| passed.as_slice() < *prefix)
                    && (!self.cursor.valid() || self.cursor.key() >= *prefix)
                {
                    return Ok(self.cursor.valid());
                }
                self.cursor.seek(prefix).engine()
            }
            Span::All if self.reverse => self.cursor.last().engine(),
            Span::All => self.cursor.first().engine(),
            Span::Range(range) => match (self.reverse, &range.start, &range.end) {
                (false, Bound::Unbounded, _) => self.cursor.first().engine(),
                (false, Bound::Included(start), _) => self.cursor.seek(start).engine(),
                (false, Bound::Excluded(start), _) => self.behind(start),
                (true, _, Bound::Unbounded) => self.cursor.last().engine(),
                (true, _, Bound::Included(end)) => self.cursor.seek_back(end).engine(),
                (true, _, Bound::Excluded(end)) => self.behind(end),
            },
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
