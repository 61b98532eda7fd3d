//! Openings, and what comes before them: an orderly end, the end of the process, a power loss.

use std::sync::Arc;

use ordinum::fs::{Fault, FaultFs, MemoryFs, PowerLoss};
use ordinum::{ColumnFamily, Db, Options, SeqNo};

use super::reading::read_all;
use super::{Armed, Bed, DIRECTORY, Done, Stop};
use crate::ensure;
use crate::model::{FAMILIES, Row};
use crate::script::{End, Trouble};
use crate::settings::Settings;

/// How many states of the disk are looked at behind a power loss at a chosen operation, besides the one that the script goes on with.
const OTHER_STATES: u8 = 2;

fn loss(end: End, state: u64) -> PowerLoss {
    match end {
        End::Torn(seed) => PowerLoss::Tear { seed: u64::from(seed) ^ (state << 32) },
        End::Killed | End::Lost => PowerLoss::LoseUnsynced,
    }
}

impl Bed {
    /// Opens the database, and finds or creates its families.
    pub(super) fn open(&mut self, settings: &Settings) -> Done {
        let db = Db::open(DIRECTORY, self.options(settings))?;
        // An opening closes the logs that it finds: no end of theirs is cut any more.
        let position = db.position().seqno;
        self.attested.push((position, position));
        // A commit behind that is gone, and its number, if it was never told, may be given to another.
        if let Some(next) = position.next() {
            drop(self.to_tell.split_off(&next));
        }
        let mut families = Vec::new();
        for name in FAMILIES {
            families.push(match db.column_family(name) {
                Some(family) => family,
                None => db.create_column_family(name, settings.family())?,
            });
        }
        ensure!(db.last_seqno() >= self.given, "{} was given, and will be again", self.given);
        self.settings = settings.clone();
        self.families = families;
        self.open = Some(db);
        Ok(())
    }

    /// Closes the database, if it is open, and opens it with other options.
    pub(super) fn reopen(&mut self, settings: &Settings) -> Done {
        self.disarm();
        self.forget_readers();
        if let Some(db) = self.open.take() {
            self.families.clear();
            let closed = db.close();
            drop(db);
            closed?;
            (self.model.durable, self.model.handed_over) = (self.model.last(), self.model.last());
        }
        self.open(settings)?;
        self.check_all()
    }

    fn disarm(&mut self) {
        self.fs.clear();
        (self.armed, self.armed_read) = (None, None);
    }

    /// Everything that the process had is gone, and nothing of its end reaches the disk.
    pub(super) fn die(&mut self) {
        self.fs.fail_after(1, Fault::PowerCut);
        self.forget_readers();
        self.families.clear();
        self.open = None;
        self.outcome.crashes += 1;
    }

    /// The process ends, and the next one opens the database.
    pub(super) fn crash(&mut self, end: End, states: u8, again: u16, settings: &Settings) -> Done {
        self.die();
        self.disarm();
        let floor = match end {
            End::Killed => self.model.handed_over,
            End::Lost | End::Torn(_) => self.model.durable,
        };
        for state in 1..=u64::from(states) {
            let disk = self.disk.after_power_loss(loss(end, state));
            self.check_state(disk, floor.min(self.model.durable), settings)?;
        }
        self.lose(end, 0);
        if again > 0 {
            // The opening is cut off too. What the first loss left is durable now.
            self.fs.fail_after(u64::from(again), Fault::PowerCut);
            drop(self.open(settings));
            self.die();
            self.disarm();
            self.lose(end, 1 << 20);
        }
        self.outcome.states += 1;
        self.open(settings)?;
        self.find_itself_again(floor)
    }

    pub(super) fn lose(&mut self, end: End, state: u64) {
        match end {
            End::Killed => self.disk.kill_process(),
            End::Lost | End::Torn(_) => self.disk.lose_power(loss(end, state)),
        }
    }

    /// An operation failed by a fault. If the process is alive it answers as before, or as if the operation had been done.
    pub(super) fn fail(&mut self, armed: Armed) -> Done {
        if armed.trouble != Trouble::Power {
            self.disarm();
            let found = read_all(self.db()?, &self.families)?;
            let before = self.model.commits.iter().rev().nth(1).copied().unwrap_or(SeqNo::ZERO);
            let fits = self.model.is(&found, self.model.last()) || self.model.is(&found, before);
            ensure!(fits, "behind a fault, reads answer something else");
        }
        let settings = self.settings.clone();
        let others = if matches!(armed.end, End::Torn(_)) { OTHER_STATES } else { 0 };
        self.crash(armed.end, others, 0, &settings)
    }

    /// What is there must be what one commit left, at or behind the floor.
    fn find_itself_again(&mut self, floor: SeqNo) -> Done {
        let found = read_all(self.db()?, &self.families)?;
        let at = self.found_at(&found, floor)?;
        if let Some(next) = at.next() {
            // What changed nothing may be there or not.
            self.to_tell.range_mut(next..).for_each(|(_, told)| told.certain = false);
        }
        self.model.cut(at);
        Ok(())
    }

    fn found_at(&self, found: &[Vec<Row>], floor: SeqNo) -> Result<SeqNo, Stop> {
        let rows: usize = found.iter().map(Vec::len).sum();
        let newest = found.iter().flatten().map(|(_, written, _)| *written).max();
        self.model.find(found, floor).ok_or_else(|| {
            let last = self.model.last();
            Stop::Wrong(format!(
                "{rows} rows, the newest by {newest:?}: no commit of {floor}..={last} left that"
            ))
        })
    }

    /// Opens a database as another power loss would have left it.
    fn check_state(&mut self, disk: MemoryFs, floor: SeqNo, settings: &Settings) -> Done {
        self.outcome.states += 1;
        let fs = FaultFs::new(Arc::new(disk));
        let options = Options { fs: Arc::new(fs), ..self.options(settings) };
        let db = Db::open(DIRECTORY, options)?;
        let families: Vec<ColumnFamily> = FAMILIES.iter().filter_map(|name| db.column_family(name)).collect();
        if families.len() == FAMILIES.len() {
            self.found_at(&read_all(&db, &families)?, floor)?;
        } else {
            ensure!(floor == SeqNo::ZERO, "a family is gone, and {floor} was durable");
        }
        let damages = db.verify()?.damages;
        ensure!(damages.is_empty(), "behind a power loss: {damages:?}");
        Ok(db.close()?)
    }
}
