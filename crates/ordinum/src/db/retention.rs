//! How far back can be read: the horizon.
//!
//! One sequence number, durable in the manifest, rules which versions flushes and compactions may drop, which logs may
//! go, and from where on a snapshot can be had. Only pins reach beyond it.
//!
//! Invariants:
//! (1) it is raised in memory before a version is dropped for it, and every edit of the manifest takes the raised one
//!     along, so that no durable state lacks a version that its horizon promises;
//! (2) it never goes back, and never reaches beyond what is visible;
//! (3) marks tell when a sequence number was the newest. Their number is bounded: they stand a part of the window apart.

use std::collections::BTreeMap;
use std::time::Duration;

use super::core::Core;
use crate::compaction::Retention;
use crate::error::{Error, Result};
use crate::key::SeqNo;
use crate::manifest::{Edit, Mark, State};
use crate::options::{Options, RetentionWindow};
use crate::snapshot::Pin;

/// Into how many parts the marks divide the window.
const MARKS_PER_WINDOW: u64 = 64;

/// When which sequence number was the newest.
#[derive(Debug)]
pub(super) struct History {
    window: RetentionWindow,
    marks: BTreeMap<SeqNo, Mark>,
    /// The bytes of log before this opening.
    log_bytes_before: u64,
}

impl History {
    /// What the manifest knows, and the bytes of log behind its last mark.
    pub(super) fn new(state: &State, log_bytes_behind: u64) -> History {
        let marked = state.marks.values().map(|mark| mark.log_bytes).max().unwrap_or(0);
        History {
            window: state.retention,
            marks: state.marks.clone(),
            log_bytes_before: marked.saturating_add(log_bytes_behind),
        }
    }

    /// The horizon that the window asks for, if `newest` is the newest sequence number now and this many bytes of log
    /// were written since the opening.
    pub(super) fn horizon(&mut self, options: &Options, newest: SeqNo, log_bytes: u64) -> SeqNo {
        if self.window.age == Duration::ZERO {
            return newest;
        }
        let RetentionWindow { bytes, .. } = self.window;
        let age = self.window.age_ms();
        let now = Mark {
            unix_millis: u64::try_from(options.clock.unix().as_millis()).unwrap_or(u64::MAX),
            log_bytes: self.log_bytes_before.saturating_add(log_bytes),
        };
        self.add(newest, now, age, bytes);
        let gone = |mark: &Mark| {
            now.unix_millis.saturating_sub(mark.unix_millis) >= age
                || now.log_bytes.saturating_sub(mark.log_bytes) > bytes
        };
        let horizon =
            self.marks.iter().rev().find(|(_, mark)| gone(mark)).map_or(SeqNo::ZERO, |(seqno, _)| *seqno);
        self.marks.retain(|seqno, _| *seqno > horizon);
        horizon
    }

    fn add(&mut self, newest: SeqNo, now: Mark, age: u64, bytes: u64) {
        let far = self.marks.last_key_value().is_none_or(|(seqno, last)| {
            *seqno < newest
                && (now.unix_millis.saturating_sub(last.unix_millis) >= age.div_ceil(MARKS_PER_WINDOW)
                    || now.log_bytes.saturating_sub(last.log_bytes) >= bytes.div_ceil(MARKS_PER_WINDOW))
        });
        if far {
            self.marks.insert(newest, now);
        }
    }
}

impl Core {
    /// What may be read from now on; nobody reads below, unless it is pinned.
    pub(super) fn retention(&self) -> Retention {
        let (pins, oldest) = self.pins.raise(|| {
            let log_bytes = self.counters.log_bytes.get();
            self.history.lock().horizon(&self.options, self.visible(), log_bytes)
        });
        Retention::new(pins, oldest)
    }

    /// How far back can be read.
    pub(crate) fn retention_window(&self) -> RetentionWindow {
        self.history.lock().window
    }

    /// What the manifest does not know yet of the horizon.
    pub(super) fn horizon_edits(&self, state: &State) -> Vec<Edit> {
        let known = state.marks.last_key_value().map_or(SeqNo::ZERO, |(seqno, _)| *seqno);
        let marks = self.history.lock().marks.clone();
        let new = marks.into_iter().filter(|(seqno, _)| *seqno > known);
        let mut edits: Vec<Edit> = new.map(|(seqno, mark)| Edit::AddMark { seqno, mark }).collect();
        let oldest = self.pins.oldest();
        edits.extend((oldest > state.oldest_readable).then_some(Edit::RaiseHorizon { oldest }));
        edits
    }

    /// Pins a sequence number of the past.
    pub(super) fn pin_past(&self, asked: SeqNo) -> Result<Pin> {
        let newest = self.visible();
        if asked > newest {
            let message = format!("sequence number {asked} is not there yet; the newest is {newest}");
            return Err(Error::InvalidArgument { message });
        }
        self.pins.pin_at(asked)
    }
}
