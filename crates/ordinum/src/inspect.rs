//! What the files of a database hold, as lines of text: for people who look into a directory that nobody has open, or at one
//! file of it.
//!
//! Invariants: (1) nothing is written, and no lock is taken; (2) what stands before a damage is told, and then the damage, with
//! file and offset. The number of a file is part of its checksums: it must have its name still.
//!
//! ```text
//! ormdb storage dump log 000003.log
//!   log 000003, behind 0
//!   64: #1 batch of 2, header of 0 bytes
//!     put 0 "apple" "red"
//!     delete 0 "pear"
//!   end at 110
//! ```

#![deny(clippy::indexing_slicing)]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::cache::{BlockCache, CacheUse};
use crate::error::{Error, Result};
use crate::event::{Change, Event};
use crate::file_header::FileHeader;
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, read_whole};
use crate::iter::InternalIterator;
use crate::key::{Kind, split_trailer};
use crate::log::{LOG_FILE, LogEnd, scan_log};
use crate::manifest::read_edits;
use crate::table::TableReader;
use crate::value_log::ValueLogReader;

/// The most bytes of a key or value that are shown.
const SHOWN_BYTES_MAX: usize = 64;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileContents {
    /// A sorted table: its entries in order, and its range tombstones.
    Table,
    /// A log: its records with their operations.
    Log,
    /// A manifest: its edits.
    Manifest,
    /// A file of the value log: its values.
    ValueLog,
}

/// Who reads the lines; it breaks off when nobody does any more.
type Lines<'a> = &'a mut dyn FnMut(&str) -> ControlFlow<()>;

/// Tells what the file holds, line by line, until `line` breaks off.
///
/// # Errors
/// [`Error::InvalidArgument`] if the name is not one of such a file; [`Error::Io`]; [`Error::Corrupt`] at the first damage;
/// [`Error::UnknownFormat`].
pub fn dump(
    fs: &dyn Fs,
    contents: FileContents,
    path: &Path,
    mut line: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<()> {
    let number = number_of(contents, path)?;
    match contents {
        FileContents::Table => table(fs, path, number, &mut line),
        FileContents::Log => log(fs, path, number, &mut line),
        FileContents::Manifest => manifest(fs, path, number, &mut line),
        FileContents::ValueLog => value_log(fs, path, number, &mut line),
    }
}

fn number_of(contents: FileContents, path: &Path) -> Result<FileNumber> {
    let (kind, example) = match contents {
        FileContents::Table => (FileKind::Table, "000001.sst"),
        FileContents::Log => (FileKind::Log, "000001.log"),
        FileContents::Manifest => (FileKind::Manifest, "MANIFEST-000001"),
        FileContents::ValueLog => (FileKind::ValueLog, "000001.val"),
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match file_name::parse(name) {
        Some((found, number)) if found == kind => Ok(number),
        Some(_) | None => Err(Error::InvalidArgument {
            message: format!(
                "{name:?} is no name of such a file; {example} is one: its number is part of its checksums"
            ),
        }),
    }
}

/// Bytes as text, as far as they are shown.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN_BYTES_MAX) {
        Some(start) if bytes.len() > SHOWN_BYTES_MAX => {
            format!("\"{}\"… of {} bytes", start.escape_ascii(), bytes.len())
        }
        Some(_) | None => format!("\"{}\"", bytes.escape_ascii()),
    }
}

fn table(fs: &dyn Fs, path: &Path, number: FileNumber, line: Lines<'_>) -> Result<()> {
    let cache = Arc::new(BlockCache::new(0));
    let table = Arc::new(TableReader::open(fs.open(path)?, number, path.into(), cache)?);
    let mut entries = table.iter(CacheUse::Peek);
    if line(&format!("table {number}")).is_break() {
        return Ok(());
    }
    let mut count: u64 = 0;
    let mut found = entries.first()?;
    while found {
        let (seqno, kind) = split_trailer(entries.trailer());
        let (key, value) = (shown(entries.user_key()), shown(entries.value()));
        let told = match Kind::from_byte(kind) {
            Some(Kind::Put) => format!("{key} {seqno:?} put {value}"),
            Some(Kind::Delete) => format!("{key} {seqno:?} delete"),
            Some(Kind::Merge) => format!("{key} {seqno:?} merge {value}"),
            Some(Kind::Pointer) => format!("{key} {seqno:?} pointer {value}"),
            Some(Kind::RangeDelete) | None => format!("{key} {seqno:?} of kind {kind} {value}"),
        };
        if line(&told).is_break() {
            return Ok(());
        }
        count += 1;
        found = entries.next()?;
    }
    for range in table.read_range_tombstones()? {
        let (start, end, seqno) = (shown(&range.start), shown(&range.end), range.seqno);
        if line(&format!("{start}..{end} {seqno:?} range delete")).is_break() {
            return Ok(());
        }
    }
    table.verify()?;
    // Whether anybody reads the last line changes nothing.
    let _last = line(&format!("{count} entries, every checksum is right"));
    Ok(())
}

fn log(fs: &dyn Fs, path: &Path, number: FileNumber, line: Lines<'_>) -> Result<()> {
    let bytes = read_whole(fs, path)?;
    let header = FileHeader::decode(&bytes, LOG_FILE, number, path)?;
    if line(&format!("log {number}, behind {}", header.base)).is_break() {
        return Ok(());
    }
    let scan = scan_log(&bytes, number, path, LogEnd::Cut)?;
    for record in &scan.records {
        let payload = bytes.get(record.payload.clone()).unwrap_or_default();
        let event = Event::decode(record.kind, record.seqno, payload).ok_or_else(|| {
            Error::corrupt(path, record.offset, "a record that this version knows", "other bytes")
        })?;
        if record_lines(record.offset, &event, line).is_break() {
            return Ok(());
        }
    }
    if let Some(damage) = scan.damage {
        return Err(damage);
    }
    let _last = line(&format!("end at {}", scan.end));
    Ok(())
}

fn record_lines(offset: u64, event: &Event<'_>, line: Lines<'_>) -> ControlFlow<()> {
    let seqno = event.seqno;
    match &event.change {
        Change::FamilyCreated { id, name } => {
            line(&format!("{offset}: {seqno:?} family {id} {name:?} created"))
        }
        Change::Ingested(ingested) => {
            let (family, entries) = (ingested.family(), ingested.entries());
            let (first, last) = ingested.range();
            let (first, last) = (shown(first), shown(last));
            line(&format!("{offset}: {seqno:?} ingested {entries} entries into {family}: {first} to {last}"))
        }
        Change::FamilyDropped { id } => line(&format!("{offset}: {seqno:?} family {id} dropped")),
        Change::Batch(batch) => {
            let count = batch.operations().count();
            let header = batch.header().len();
            line(&format!("{offset}: {seqno:?} batch of {count}, header of {header} bytes"))?;
            for operation in batch.operations() {
                let (family, key, value) = (operation.family.0, shown(operation.key), shown(operation.value));
                line(&match operation.kind {
                    Kind::Put => format!("  put {family} {key} {value}"),
                    Kind::Delete => format!("  delete {family} {key}"),
                    Kind::Merge => format!("  merge {family} {key} {value}"),
                    Kind::RangeDelete => format!("  delete range {family} {key}..{value}"),
                    Kind::Pointer => format!("  pointer {family} {key} {value}"),
                })?;
            }
            ControlFlow::Continue(())
        }
    }
}

fn manifest(fs: &dyn Fs, path: &Path, number: FileNumber, line: Lines<'_>) -> Result<()> {
    if line(&format!("manifest {number}")).is_break() {
        return Ok(());
    }
    let mut broken_off = false;
    read_edits(&read_whole(fs, path)?, number, path, |offset, edit| {
        broken_off = broken_off || line(&format!("{offset}: {edit}")).is_break();
        Ok(())
    })
}

fn value_log(fs: &dyn Fs, path: &Path, number: FileNumber, line: Lines<'_>) -> Result<()> {
    let file = ValueLogReader::open(fs.open(path)?, number, path.into())?;
    if line(&format!("value log {number}")).is_break() {
        return Ok(());
    }
    let mut broken_off = false;
    let count = file.walk(&mut |offset, value| {
        broken_off = broken_off || line(&format!("{offset}: {}", shown(value))).is_break();
    })?;
    if !broken_off {
        let _last = line(&format!("{count} values, every checksum is right"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
