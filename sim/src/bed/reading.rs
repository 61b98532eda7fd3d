//! Reads of a script, compared with the model.

use std::rc::Rc;

use ordinum::{ColumnFamily, Cursor, Error, KeyRange, Reader, Result as Answer, SeqNo};

use super::{Bed, Done, Stop, key_range};
use crate::ensure;
use crate::model::{FAMILIES, Row};
use crate::script::{Key, Move, Range, Way};

/// A cursor that is open, what it must show, and where it stands.
pub(super) struct OpenCursor {
    pub(super) family: usize,
    cursor: Cursor,
    rows: Vec<Row>,
    at: Option<usize>,
}

/// Every row of each family.
pub(crate) fn read_all(reader: &dyn Reader, families: &[ColumnFamily]) -> Answer<Vec<Vec<Row>>> {
    families.iter().map(|family| rows_of(reader, family, Way::Forward)).collect()
}

/// Every row of the family, in order of their keys.
pub(crate) fn rows_of(reader: &dyn Reader, family: &ColumnFamily, way: Way) -> Answer<Vec<Row>> {
    let mut cursor = reader.cursor(family, KeyRange::all())?;
    let mut rows = Vec::new();
    let mut more = match way {
        Way::Forward => cursor.first()?,
        Way::Back => cursor.last()?,
    };
    while more {
        rows.push((cursor.key().to_vec(), cursor.seqno(), Rc::from(cursor.value()?)));
        more = match way {
            Way::Forward => cursor.next()?,
            Way::Back => cursor.prev()?,
        };
    }
    if way == Way::Back {
        rows.reverse();
    }
    Ok(rows)
}

pub(super) fn show(key: &[u8]) -> String {
    key.escape_ascii().take(40).collect::<Vec<u8>>().escape_ascii().to_string()
}

/// The first difference.
fn difference(found: &[Row], expected: &[Row]) -> String {
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let at = differs.unwrap_or(found.len().min(expected.len()));
    let tell = |row: Option<&Row>| match row {
        None => "nothing".to_owned(),
        Some((key, written, value)) => format!("{} by {written} with {} bytes", show(key), value.len()),
    };
    format!("row {at} is {}, and should be {}", tell(found.get(at)), tell(expected.get(at)))
}

impl Bed {
    /// A reader, and the sequence number that it reads at.
    fn reader(&self, slot: u8) -> Result<(&dyn Reader, SeqNo), Stop> {
        match self.snapshots.get(&slot) {
            Some(snapshot) => Ok((snapshot, snapshot.seqno())),
            None => Ok((self.db()?, self.model.last())),
        }
    }

    pub(super) fn get(&self, slot: u8, family: u8, keys: &[Key]) -> Done {
        let (reader, at) = self.reader(slot)?;
        let (place, family) = (usize::from(family) % FAMILIES.len(), self.family(family)?);
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.bytes()).collect();
        let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let many = reader.multi_get(family, &slices)?;
        for (key, from_many) in keys.iter().zip(many) {
            let one = reader.get_versioned(family, key)?;
            let expected = self.model.get(place, key, at);
            let found = one.as_ref().map(|(value, written)| (*written, Rc::from(&**value)));
            ensure!(
                found == expected,
                "get of {} at {at} found {:?}, expected {:?}",
                show(key),
                found.map(|(written, value)| (written, value.len())),
                expected.map(|(written, value)| (written, value.len()))
            );
            let expected = expected.as_ref().map(|(_, value)| &**value);
            ensure!(
                from_many.as_deref() == expected,
                "multi_get of {} at {at} found something else",
                show(key)
            );
            self.answers.add(expected.unwrap_or(b"none"));
        }
        Ok(())
    }

    pub(super) fn scan(&self, slot: u8, family: u8, way: Way) -> Done {
        let (reader, at) = self.reader(slot)?;
        let found = rows_of(reader, self.family(family)?, way)?;
        for (key, _, value) in &found {
            self.answers.add(key);
            self.answers.add(value);
        }
        self.compare(usize::from(family) % FAMILIES.len(), at, &found)
    }

    fn compare(&self, family: usize, at: SeqNo, found: &[Row]) -> Done {
        let expected = self.model.range(family, at, &KeyRange::all());
        ensure!(found == expected, "family {family} at {at}: {}", difference(found, &expected));
        Ok(())
    }

    /// Compares all that can be read.
    pub(super) fn check_all(&self) -> Done {
        for (place, family) in self.families.iter().enumerate() {
            self.compare(place, self.model.last(), &rows_of(self.db()?, family, Way::Forward)?)?;
            for snapshot in self.snapshots.values() {
                self.compare(place, snapshot.seqno(), &rows_of(snapshot, family, Way::Back)?)?;
            }
        }
        Ok(())
    }

    pub(super) fn cursor(&mut self, name: u8, slot: u8, family: u8, range: Range) -> Done {
        let (reader, at) = self.reader(slot)?;
        let (place, range) = (usize::from(family) % FAMILIES.len(), key_range(range));
        let cursor = reader.cursor(self.family(family)?, range.clone())?;
        let rows = self.model.range(place, at, &range);
        self.cursors.insert(name, OpenCursor { family: place, cursor, rows, at: None });
        Ok(())
    }

    pub(super) fn move_cursor(&mut self, name: u8, moves: &[Move]) -> Done {
        let Some(open) = self.cursors.get_mut(&name) else { return Ok(()) };
        for movement in moves {
            open.go(*movement)?;
            if open.cursor.valid() {
                self.answers.add(open.cursor.key());
            }
        }
        Ok(())
    }

    /// Reads at a commit of the past, if that is still possible.
    pub(super) fn read_past(&self, back: u16, family: u8) -> Done {
        let commits = &self.model.commits;
        let Some(at) = commits.len().checked_sub(usize::from(back) + 1).and_then(|at| commits.get(at)) else {
            return Ok(());
        };
        match self.db()?.snapshot_at(*at) {
            Ok(snapshot) => {
                let found = rows_of(&snapshot, self.family(family)?, Way::Forward)?;
                self.compare(usize::from(family) % FAMILIES.len(), *at, &found)
            }
            Err(Error::TooOld { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl OpenCursor {
    fn go(&mut self, movement: Move) -> Done {
        let rows = &self.rows;
        let (found, at) = match movement {
            Move::First => (self.cursor.first()?, Some(0)),
            Move::Last => (self.cursor.last()?, rows.len().checked_sub(1)),
            Move::Seek(key) => {
                let key = key.bytes();
                (self.cursor.seek(&key)?, Some(rows.partition_point(|row| row.0 < key)))
            }
            Move::SeekBack(key) => {
                let key = key.bytes();
                (self.cursor.seek_back(&key)?, rows.partition_point(|row| row.0 <= key).checked_sub(1))
            }
            Move::Next | Move::Prev if self.at.is_none() => return Ok(()),
            Move::Next => (self.cursor.next()?, self.at.map(|at| at + 1)),
            Move::Prev => (self.cursor.prev()?, self.at.and_then(|at| at.checked_sub(1))),
        };
        self.at = at.filter(|at| *at < rows.len());
        let expected = self.at.and_then(|at| rows.get(at));
        ensure!(found == expected.is_some(), "{movement}: found a row is {found}, of {} rows", rows.len());
        ensure!(self.cursor.valid() == found, "{movement}: it is not valid as it says");
        if let Some((key, written, value)) = expected {
            ensure!(
                self.cursor.key() == key,
                "{movement}: at {}, not {}",
                show(self.cursor.key()),
                show(key)
            );
            ensure!(self.cursor.value()? == &**value, "{movement}: {} has another value", show(key));
            ensure!(self.cursor.seqno() == *written, "{movement}: {} by {}", show(key), self.cursor.seqno());
        }
        Ok(())
    }
}
