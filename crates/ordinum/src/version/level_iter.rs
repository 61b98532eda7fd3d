//! An iterator over a level whose tables are disjoint: it opens a table when it comes to it.

use std::sync::Arc;

use crate::cache::CacheUse;
use crate::error::Result;
use crate::iter::InternalIterator;
use crate::key::SeqNo;
use crate::slice::Slice;
use crate::table::{Concat, Opener, TableIter};
use crate::version::level::largest;
use crate::version::{Level, LiveTable, user_range};

/// An iterator over the tables of a level, which ascend.
pub(crate) type LevelIter = Concat<TableList, OpenTable>;

/// An iterator over these tables, which are disjoint and ascend.
pub(crate) fn level_iter(tables: Arc<Level>, cache_use: CacheUse) -> LevelIter {
    Concat::new(TableList { tables, at: None }, OpenTable { cache_use })
}

/// The tables themselves as entries: the key of each is its largest.
#[derive(Debug)]
pub(crate) struct TableList {
    tables: Arc<Level>,
    at: Option<usize>,
}

impl TableList {
    fn go(&mut self, at: Option<usize>) -> Result<bool> {
        self.at = at.filter(|at| *at < self.tables.len());
        Ok(self.at.is_some())
    }

    fn before(&self, user_key: &[u8], trailer: u64) -> usize {
        self.tables.ending_before(user_key, trailer)
    }

    fn current(&self) -> Option<&Arc<LiveTable>> {
        self.tables.get(self.at?)
    }
}

impl InternalIterator for TableList {
    fn first(&mut self) -> Result<bool> {
        self.go(Some(0))
    }

    fn last(&mut self) -> Result<bool> {
        self.go(self.tables.len().checked_sub(1))
    }

    fn seek(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.go(Some(self.before(user_key, trailer)))
    }

    fn seek_before(&mut self, user_key: &[u8], trailer: u64) -> Result<bool> {
        self.go(self.before(user_key, trailer).checked_sub(1))
    }

    fn next(&mut self) -> Result<bool> {
        self.go(self.at.map(|at| at + 1))
    }

    fn skip_on(&mut self, end: Option<&[u8]>, seqno: SeqNo) -> Result<bool> {
        let mut more = self.next()?;
        while more
            && self.current().is_some_and(|table| {
                table.meta().max_seqno < seqno && end.is_none_or(|end| user_range(table).1 < end)
            })
        {
            more = self.next()?;
        }
        Ok(more)
    }

    fn skip_back(&mut self, start: &[u8], seqno: SeqNo) -> Result<bool> {
        let mut more = self.prev()?;
        while more
            && self
                .current()
                .is_some_and(|table| table.meta().max_seqno < seqno && user_range(table).0 >= start)
        {
            more = self.prev()?;
        }
        Ok(more)
    }

    fn prev(&mut self) -> Result<bool> {
        self.go(self.at.and_then(|at| at.checked_sub(1)))
    }

    fn valid(&self) -> bool {
        self.at.is_some()
    }

    fn user_key(&self) -> &[u8] {
        self.current().map_or(&[], |table| largest(table).0)
    }

    fn trailer(&self) -> u64 {
        self.current().map_or(0, |table| largest(table).1)
    }

    fn value(&self) -> &[u8] {
        &[]
    }

    fn value_slice(&self) -> Slice {
        Slice::default()
    }
}

/// Opens the table under the list.
#[derive(Debug)]
pub(crate) struct OpenTable {
    cache_use: CacheUse,
}

impl Opener<TableList> for OpenTable {
    type Inner = TableIter;

    fn open(&self, list: &TableList) -> Result<TableIter> {
        match list.current() {
            Some(table) => Ok(table.reader()?.iter(self.cache_use)),
            None => Err(crate::error::Error::Bug { message: "a level iterator without a table".to_owned() }),
        }
    }
}
