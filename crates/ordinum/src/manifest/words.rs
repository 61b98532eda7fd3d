//! Edits in words, a line each: for people who look into a manifest.

use std::fmt;

use super::Edit;
use crate::options::FamilyOptions;
use crate::table::Origin;
use crate::version::FileMeta;

/// The most bytes of a key that are shown.
const KEY_BYTES_SHOWN: usize = 32;

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::CreateFamily { id, name } => write!(f, "family {} {name:?} created", id.0),
            Edit::DropFamily { id } => write!(f, "family {} dropped", id.0),
            Edit::AddTable { family, level, meta } => {
                write!(f, "family {}: table {} added to level {level}, {}", family.0, meta.number, Told(meta))
            }
            Edit::RemoveTable { family, level, number } => {
                write!(f, "family {}: table {number} removed from level {level}", family.0)
            }
            Edit::Flushed { family, through } => {
                write!(f, "family {}: every commit through {through:?} is in tables", family.0)
            }
            Edit::AddLog { number, base } => write!(f, "log {number} added, begins behind {base:?}"),
            Edit::CloseLog { number, end } => write!(f, "log {number} closed, its records end at {end}"),
            Edit::RemoveLog { number } => write!(f, "log {number} removed"),
            Edit::NextFile { number } => write!(f, "file numbers were given below {number}"),
            Edit::ReserveSeqNos { through } => write!(f, "sequence numbers reserved through {through:?}"),
            Edit::RaiseHorizon { oldest } => write!(f, "nothing before {oldest:?} can be read any more"),
            Edit::AddMark { seqno, mark } => {
                let (time, bytes) = (mark.unix_millis, mark.log_bytes);
                write!(f, "{seqno:?} was the newest {time} ms after 1970, with {bytes} bytes of log so far")
            }
            Edit::BeginHistory { id, behind } => write!(f, "history {id} begins behind {behind:?}"),
            Edit::AddValueLog { family, meta } => {
                let (number, entries, bytes) = (meta.number, meta.entries, meta.bytes);
                write!(f, "family {}: value log {number} added, {entries} values, {bytes} bytes", family.0)
            }
            Edit::RemoveValueLog { family, number } => {
                write!(f, "family {}: value log {number} removed", family.0)
            }
            Edit::Use { features } => {
                write!(f, "logs may hold what the feature bits {features:#b} stand for")
            }
            Edit::SetRetention { window } => {
                let (age, bytes) = (window.age_ms(), window.bytes);
                write!(f, "states are kept for {age} ms, and {bytes} bytes of log")
            }
            Edit::SetMergeOperator { family, name } => {
                write!(f, "family {}: operands mean what the operator {name:?} says", family.0)
            }
            Edit::SetOptions { family, options } => {
                write!(f, "family {}: options set, ", family.0)?;
                match FamilyOptions::stored_in_words(options) {
                    Some(words) => f.write_str(&words),
                    None => write!(f, "{} bytes that this version does not know", options.len()),
                }
            }
        }
    }
}

/// What an edit tells of a table.
struct Told<'a>(&'a FileMeta);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meta = self.0;
        let (entries, bytes) = (meta.entries, meta.bytes);
        let (oldest, newest) = (meta.min_seqno, meta.max_seqno);
        let (smallest, largest) = (Key(&meta.smallest), Key(&meta.largest));
        write!(f, "{entries} entries, {bytes} bytes, {smallest} to {largest}, {oldest:?} to {newest:?}")?;
        let tally = &meta.tally;
        if tally.deletions > 0 {
            write!(f, ", {} deletions", tally.deletions)?;
        }
        if tally.shadowed > 0 {
            write!(f, ", {} old versions", tally.shadowed)?;
        }
        if meta.range_tombstones > 0 {
            write!(f, ", {} range deletes", meta.range_tombstones)?;
        }
        for share in &meta.values {
            write!(f, ", {} values of {} bytes in value log {}", share.entries, share.bytes, share.file)?;
        }
        if let Some(Origin { seqno, .. }) = &meta.origin {
            write!(f, ", ingested as {seqno:?}")?;
        }
        Ok(())
    }
}

/// The user key of an internal key.
struct Key<'a>(&'a [u8]);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = crate::key::split_internal(self.0).map_or(self.0, |(key, _)| key);
        match key.get(..KEY_BYTES_SHOWN) {
            Some(start) if key.len() > KEY_BYTES_SHOWN => write!(f, "\"{}\"…", start.escape_ascii()),
            Some(_) | None => write!(f, "\"{}\"", key.escape_ascii()),
        }
    }
}
