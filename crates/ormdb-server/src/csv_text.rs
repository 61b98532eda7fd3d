//! The records of CSV files, read one by one and written.
//!
//! Invariants: (1) a cell tells whether quotes stood around it, because nothing between commas is null and `""` is a
//! text; (2) a record is kept as it stands in its file too, its line break as `\n`; (3) memory holds one record, which
//! has a bound.
//!
//! Lines end with `\n`, `\r\n` or `\r`. Empty lines are passed over, but where a record has one column: there, one is a
//! null.

use std::io::{self, BufRead};

use crate::exit::Failure;

/// The longest record, in bytes.
const RECORD_BYTES_MAX: usize = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A record of a CSV file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// The line that it begins on.
    pub(crate) line: u64,
    /// As it stands in the file, with a line break.
    pub(crate) raw: Vec<u8>,
    /// Whether the quotes of every cell are closed; the file ends where they are not.
    pub(crate) closed: bool,
    /// The contents of all cells, one behind the other.
    contents: Vec<u8>,
    /// Where the contents of each cell end, and whether quotes stood around them.
    ends: Vec<(usize, bool)>,
}

/// A cell of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell<'r> {
    /// What stands in it.
    pub(crate) content: &'r [u8],
    /// Whether quotes stand around it.
    pub(crate) quoted: bool,
}

impl Record {
    /// What is wrong with a record that is not closed.
    pub(crate) const NOT_CLOSED: &str = "a quote that opens is not closed before the end of the file";

    /// How many cells there are.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The cells.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let mut start = 0;
        self.ends.iter().map(move |(end, quoted)| {
            let content = self.contents.get(start..*end).unwrap_or_default();
            start = *end;
            Cell { content, quoted: *quoted }
        })
    }

    fn clear(&mut self) {
        self.raw.clear();
        self.contents.clear();
        self.ends.clear();
    }
}

/// A place in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte of a cell.
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote that closes, or that is the first of two.
    BehindQuote,
}

/// Reads records.
pub(crate) struct Records<R> {
    input: R,
    line: u64,
    bytes_read: u64,
    /// Whether the byte before was `\r`, so that a `\n` belongs to it.
    behind_return: bool,
    /// Whether an empty line is a record.
    one_column: bool,
}

impl<R: BufRead> Records<R> {
    /// Reads the first record, which names the columns; it has no cells in an empty file.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub(crate) fn new(mut input: R) -> io::Result<(Records<R>, Record)> {
        let marked = input.fill_buf()?.starts_with(BYTE_ORDER_MARK);
        if marked {
            input.consume(BYTE_ORDER_MARK.len());
        }
        let bytes_read = if marked { BYTE_ORDER_MARK.len() as u64 } else { 0 };
        let mut records = Records { input, line: 1, bytes_read, behind_return: false, one_column: false };
        let mut header = Record::default();
        records.read(&mut header)?;
        records.one_column = header.len() == 1;
        Ok((records, header))
    }

    /// Reads the next record; false at the end.
    ///
    /// # Errors
    /// If the file cannot be read, or a record is too long.
    pub(crate) fn read(&mut self, record: &mut Record) -> io::Result<bool> {
        record.clear();
        record.line = self.line;
        let mut place = Place::Start;
        loop {
            let input = self.input.fill_buf()?;
            if input.is_empty() {
                record.closed = place != Place::Quoted;
                let found = !record.raw.is_empty();
                if found {
                    end_record(record, place);
                }
                return Ok(found);
            }
            let mut taken = 0;
            let mut ended = false;
            for &byte in input {
                taken += 1;
                let is_rest = byte == b'\n' && self.behind_return;
                self.behind_return = byte == b'\r';
                let breaks = matches!(byte, b'\r' | b'\n');
                self.line += u64::from(breaks && !is_rest);
                if !breaks || place == Place::Quoted {
                    record.raw.push(byte);
                    place = step(record, place, byte);
                } else if !is_rest && (self.one_column || !record.raw.is_empty()) {
                    ended = true;
                    break;
                } else if record.raw.is_empty() {
                    record.line = self.line;
                }
            }
            self.input.consume(taken);
            self.bytes_read += taken as u64;
            if ended {
                record.closed = true;
                end_record(record, place);
                return Ok(true);
            }
            if record.raw.len() > RECORD_BYTES_MAX {
                let line = record.line;
                let message = format!("the row at line {line} is longer than {RECORD_BYTES_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
    }

    /// How much of the file is read, in bytes.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

/// Takes one byte that ends no record.
fn step(record: &mut Record, place: Place, byte: u8) -> Place {
    match (place, byte) {
        (Place::Start, b'"') => Place::Quoted,
        (Place::Quoted, b'"') => Place::BehindQuote,
        (Place::Start | Place::Plain | Place::BehindQuote, b',') => {
            end_cell(record, place);
            Place::Start
        }
        (Place::Quoted, _) | (Place::BehindQuote, b'"') => {
            record.contents.push(byte);
            Place::Quoted
        }
        // What stands behind a closed quote belongs to the cell, as other programs read it.
        (Place::BehindQuote, _) => {
            record.contents.push(byte);
            Place::BehindQuote
        }
        (Place::Start | Place::Plain, _) => {
            record.contents.push(byte);
            Place::Plain
        }
    }
}

fn end_cell(record: &mut Record, place: Place) {
    record.ends.push((record.contents.len(), matches!(place, Place::Quoted | Place::BehindQuote)));
}

fn end_record(record: &mut Record, place: Place) {
    end_cell(record, place);
    record.raw.push(b'\n');
}

/// The failure to read a file.
pub(crate) fn failure(name: &str, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => Failure::Request(format!("{name}: {error}")),
        _ => Failure::File { name: name.to_owned(), error },
    }
}

/// Writes a record to `out`; a cell that is none is null.
pub(crate) fn write(out: &mut Vec<u8>, cells: impl Iterator<Item = Option<String>>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let Some(cell) = cell else { continue };
        if cell.is_empty() || cell.contains([',', '"', '\r', '\n']) {
            out.extend_from_slice(format!("\"{}\"", cell.replace('"', "\"\"")).as_bytes());
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
