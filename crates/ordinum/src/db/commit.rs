//! The pipeline of a write.
//!
//! 1. In the ordered section a commit is validated, and gets its sequence number, its place in the log and its space in
//!    the memtables.
//! 2. Outside, it inserts into the memtables, beside others.
//! 3. Commits become visible in the order of their sequence numbers: no reader sees one without all before it.
//! 4. Whoever wants durability waits for the log to be synced through its commit. One of those who wait syncs for all.
//!    Who does not want to wait hands the log to the file system instead, for all that are in it.
//!
//! Invariants:
//! (1) a failed append or sync poisons the database before any other commit can pass: the log has no gap;
//! (2) no sequence number of this database's own is given above the one that the manifest reserved, so that none is ever given
//!     twice. A replica takes numbers as they come, and what it has lost comes again under the same numbers.

use std::sync::Arc;

use super::Db;
use super::core::Core;
use super::publication::Turn;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::family::Family;
use crate::few::Few;
use crate::file_name::{self, FileKind};
use crate::key::{Kind, SeqNo};
use crate::listener::Notice;
use crate::log::{LogWriter, Payload, RecordKind};
use crate::manifest::{Edit, FEATURE_RANGE_DELETES};
use crate::memtable::{self, Entry, Memtable, Reservation, Unlinked};
use crate::merge_operator::Merging;
use crate::options::Durability;
use crate::planted::{Bug, planted};
use crate::range_delete::Folding;
use crate::sync::atomic::Ordering;
use crate::transaction::{Check, RecentWrites};
use crate::varint::Varint;

/// How many sequence numbers the manifest reserves at a time. After a crash, numbering goes on behind them.
pub(super) const SEQNOS_RESERVED: u64 = 1 << 20;

/// From so many operations on, a batch inserts in the order of keys: what is touched is then fetched ahead.
const SORTED_OPERATIONS_MIN: usize = 16;

/// What the ordered section owns.
#[derive(Debug)]
pub(super) struct Commits {
    /// The newest sequence number that was given.
    pub(super) last: SeqNo,
    /// None above this one may be given.
    pub(super) reserved: SeqNo,
    pub(super) log: LogWriter,
    pub(super) recent: RecentWrites,
}

/// Which sequence number a record gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// The next one.
    Own,
    /// This one, which another database gave.
    At(SeqNo),
}

/// A commit that is applied, visible and has its place in the log.
///
/// ```
/// use ordinum::{Batch, Db, Options, Reader};
///
/// # fn main() -> ordinum::Result<()> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let db = Db::open(directory.path().join("data"), Options::default())?;
/// # let family = db.default_column_family();
/// let mut batch = Batch::new();
/// batch.put(&family, b"ada", b"1815")?;
/// let commit = db.write_unsynced(batch)?;
/// // Everybody sees it; a crash may still lose it.
/// assert!(db.get(&family, b"ada")?.is_some());
/// // Now it stays: who says so to others waits until here.
/// commit.wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "the commit is not durable until it is waited for"]
pub struct Commit {
    db: Db,
    seqno: SeqNo,
    written: bool,
}

impl Commit {
    pub(crate) fn nothing_written(db: Db, seqno: SeqNo) -> Commit {
        Commit { db, seqno, written: false }
    }

    /// Its sequence number.
    pub fn seqno(&self) -> SeqNo {
        self.seqno
    }

    /// Returns its sequence number once it is durable. Those who wait at the same time share a sync of the log.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Poisoned`] if the log could not be synced: it is not known whether the commit is durable.
    pub fn wait(&self) -> Result<SeqNo> {
        if self.written {
            self.db.core().sync_through(self.seqno)?;
        }
        Ok(self.seqno)
    }

    /// Returns its sequence number once it is visible and as durable as asked for.
    ///
    /// # Errors
    /// As [`Commit::wait`], or [`Error::Io`] if the log could not be handed over.
    pub fn reach(&self, durability: Durability) -> Result<SeqNo> {
        if self.written {
            let reached = self.db.core().reach(self.seqno, durability);
            self.db.core().publication.wait_for(self.seqno);
            reached?;
        }
        Ok(self.seqno)
    }

    /// Returns the commit once it is visible.
    pub(crate) fn visible(self) -> Commit {
        if self.written {
            self.db.core().publication.wait_for(self.seqno);
        }
        self
    }
}

/// A commit that is applied, and visible as soon as all before it are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committed {
    seqno: SeqNo,
    /// Whether there was anything to write.
    written: bool,
    /// Whether its record is with the file system already: a mapped log has it at once.
    handed_over: bool,
}

/// Where a commit inserts.
struct Place {
    turn: Turn,
    handed_over: bool,
    /// In the order of the batch's shares.
    spaces: Few<(Arc<Memtable>, Reservation)>,
}

impl Db {
    /// Validates, orders, logs and applies the batch. The commit is visible as soon as all before it are:
    /// [`Commit::visible`] and [`Commit::reach`] wait for that.
    pub(crate) fn commit(db: &Db, batch: &Batch, check: Option<&Check<'_>>) -> Result<Commit> {
        let core = db.core();
        let Committed { seqno, written, .. } = core.commit(batch, check, Numbering::Own)?;
        Ok(Commit { db: db.clone(), seqno, written })
    }
}

impl Core {
    /// Validates, orders, logs, applies and publishes the batch, and returns its sequence number when it is as durable as asked
    /// for.
    pub(super) fn write(&self, batch: &Batch, durability: Durability, numbering: Numbering) -> Result<SeqNo> {
        let Committed { seqno, written, handed_over } = self.commit(batch, None, numbering)?;
        if written {
            let enough = handed_over && durability == Durability::Buffered;
            let reached = if enough { Ok(()) } else { self.reach(seqno, durability) };
            // Last: while this one slept, those before it came through.
            self.publication.wait_for(seqno);
            reached?;
        }
        Ok(seqno)
    }

    fn commit(&self, batch: &Batch, check: Option<&Check<'_>>, numbering: Numbering) -> Result<Committed> {
        if self.options.measure_latency {
            return self.measured(&self.histograms.commit, || self.commit_now(batch, check, numbering));
        }
        self.commit_now(batch, check, numbering)
    }

    /// Validates, orders, logs and applies the batch.
    fn commit_now(
        &self,
        batch: &Batch,
        check: Option<&Check<'_>>,
        numbering: Numbering,
    ) -> Result<Committed> {
        self.check_writable()?;
        for share in batch.shares() {
            share.family.family.check(self.owner.id)?;
        }
        if batch.bytes() == 0 && numbering == Numbering::Own {
            return Ok(Committed { seqno: self.visible(), written: false, handed_over: true });
        }
        let merging = batch.merging();
        merging.iter().try_for_each(Merging::check)?;
        self.wait_for_room(batch)?;
        let mut numbers = [Varint::default(); 2];
        let payload = Payload::new(RecordKind::Batch, batch.encode(&mut numbers))?;
        let folding = batch.folding();
        if folding.is_some() {
            self.announce_range_deletes()?;
        }
        let place = self.place(batch, folding.as_ref(), &payload, check, numbering)?;
        let (turn, handed_over) = (place.turn, place.handed_over);
        #[cfg(test)]
        self.sequenced.pass();
        if planted(Bug::PublishBeforeApply) {
            self.publication.applied(turn);
            apply(batch, folding.as_ref(), merging.as_ref(), place);
            return Ok(Committed { seqno: turn.seqno, written: true, handed_over });
        }
        apply(batch, folding.as_ref(), merging.as_ref(), place);
        self.publication.applied(turn);
        Ok(Committed { seqno: turn.seqno, written: true, handed_over })
    }

    /// Makes sure, before the first range delete of the database stands in a log, that the manifest tells of them.
    fn announce_range_deletes(&self) -> Result<()> {
        let mut manifest = self.manifest.lock();
        if manifest.state().features & FEATURE_RANGE_DELETES != 0 {
            return Ok(());
        }
        self.install(&mut manifest, &[Edit::Use { features: FEATURE_RANGE_DELETES }])
    }

    /// Returns when a commit is as durable as asked for.
    fn reach(&self, seqno: SeqNo, durability: Durability) -> Result<()> {
        match durability {
            Durability::Synced => self.sync_through(seqno),
            Durability::Buffered if planted(Bug::AcknowledgeBeforeHandOver) => Ok(()),
            Durability::Buffered => self.hand_over(),
            Durability::Interval(interval) => self.sync_within(interval, seqno),
        }
    }

    /// The ordered section.
    fn place(
        &self,
        batch: &Batch,
        folding: Option<&Folding>,
        payload: &Payload<'_>,
        check: Option<&Check<'_>>,
        numbering: Numbering,
    ) -> Result<Place> {
        let mut commits = self.commits.lock();
        for share in batch.shares() {
            share.family.family.check(self.owner.id)?;
        }
        if let Some(check) = check {
            commits.recent.validate(check, batch)?;
        }
        self.keep_budget();
        let (turn, spaces) = self.append_in_order(&mut commits, payload, numbering, |core, commits| {
            let reserve =
                |share: &crate::batch::Share| core.reserve_space(&share.family.family, share.words, commits);
            let mut spaces = Few::new();
            batch.shares().try_for_each(|share| reserve(share).map(|space| spaces.push(space)))?;
            Ok(spaces)
        })?;
        if let Some(folding) = folding {
            delete_ranges(batch, folding, turn.seqno, &spaces);
        }
        for (memtable, _) in spaces.iter() {
            memtable.note(commits.log.number(), turn.seqno);
        }
        commits.last = turn.seqno;
        let own = check.map(|check| check.read_at);
        commits.recent.remember(turn.seqno, turn.before, own, batch);
        self.counters.commits.add(1);
        self.counters.bytes_written.add(batch.bytes() as u64);
        Ok(Place { turn, handed_over: !commits.log.has_gathered(), spaces })
    }

    /// Gives a sequence number to a record that is no batch, and appends it; nothing is to be applied.
    pub(super) fn append_alone(
        &self,
        commits: &mut Commits,
        payload: &Payload<'_>,
        numbering: Numbering,
    ) -> Result<Turn> {
        let (turn, ()) = self.append_in_order(commits, payload, numbering, |_, _| Ok(()))?;
        commits.last = turn.seqno;
        Ok(turn)
    }

    fn append_in_order<T>(
        &self,
        commits: &mut Commits,
        payload: &Payload<'_>,
        numbering: Numbering,
        prepare: impl FnOnce(&Core, &Commits) -> Result<T>,
    ) -> Result<(Turn, T)> {
        self.check_writable()?;
        let before = commits.last;
        self.publication.make_room(before);
        let seqno = self.number(commits, numbering)?;
        if commits.log.end() >= self.options.log_segment_bytes {
            self.rotate_log(commits)?;
        }
        // Without space on the disk nothing has happened yet.
        commits.log.make_room(payload.record_bytes())?;
        let prepared = prepare(self, commits)?;
        commits.log.append(payload, seqno).map_err(|error| self.poisoned_by(error))?;
        self.counters.log_bytes.add(payload.record_bytes());
        Ok((Turn { before, seqno }, prepared))
    }

    /// The sequence number of the next record.
    fn number(&self, commits: &mut Commits, numbering: Numbering) -> Result<SeqNo> {
        let newest = commits.last;
        match numbering {
            Numbering::At(seqno) if seqno > newest => Ok(seqno),
            Numbering::At(asked) => Err(Error::OutOfOrder { asked, newest }),
            Numbering::Own => {
                let used_up = || Error::Bug { message: "the sequence numbers are used up".to_owned() };
                let seqno = newest.next().ok_or_else(used_up)?;
                if seqno > commits.reserved {
                    self.reserve_seqnos(commits)?;
                }
                Ok(seqno)
            }
        }
    }

    /// Space in the memtable of the family; a full memtable is sealed.
    fn reserve_space(
        &self,
        family: &Family,
        words: u64,
        _ordered: &Commits,
    ) -> Result<(Arc<Memtable>, Reservation)> {
        let active = Arc::clone(&self.view(family)?.active);
        if let Some(space) = active.reserve(words) {
            self.memory.give(memtable::bytes_of(words));
            return Ok((active, space));
        }
        let active = self.seal(family, words);
        let limit = u64::from(u32::MAX);
        let space = active.reserve(words);
        let space = space.ok_or(Error::LimitExceeded {
            what: "the memory of a batch in words",
            actual: words,
            limit,
        })?;
        self.memory.give(memtable::bytes_of(words));
        Ok((active, space))
    }

    /// Seals the active memtable and puts an empty one, with room for `words`, in its place. Within the ordered section.
    pub(super) fn seal(&self, family: &Family, words: u64) -> Arc<Memtable> {
        let before = Arc::clone(&family.view.load().active);
        let bytes = family.options().write_buffer_bytes;
        let active = Arc::new(self.owner.fit(before.successor(bytes, words), bytes));
        family.view.update(|view| view.with_active(Arc::clone(&active)));
        self.weigh(family);
        self.weigh_active();
        self.weigh_sealed();
        self.room.changed();
        active
    }

    fn reserve_seqnos(&self, commits: &mut Commits) -> Result<()> {
        let through = SeqNo::new(commits.last.get().saturating_add(SEQNOS_RESERVED)).unwrap_or(SeqNo::MAX);
        self.install(&mut self.manifest.lock(), &[Edit::ReserveSeqNos { through }])?;
        commits.reserved = through;
        Ok(())
    }

    /// Closes the log and begins the next one. Its records are durable before a record of the next can be.
    pub(super) fn rotate_log(&self, commits: &mut Commits) -> Result<()> {
        let end = commits.log.end();
        commits.log.hand_over().map_err(|error| self.poisoned_by(error))?;
        self.sync_log(commits.log.segment(), end, commits.last)?;
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        let number = self.new_file_number();
        // A failure here leaves the old log as it is: the next write tries again, with another number.
        let spare = self.spare_log.lock().take();
        let next = LogWriter::create(
            &*self.options.fs,
            &self.directory,
            number,
            commits.last,
            spare,
            self.options.log_writing,
        )?;
        let close = Edit::CloseLog { number: commits.log.number(), end };
        let add = Edit::AddLog { number, base: commits.last };
        self.install(&mut self.manifest.lock(), &[close, add])?;
        std::mem::replace(&mut commits.log, next).segment().close();
        self.arrivals.tell();
        self.room.changed();
        let log = || file_name::path(&self.directory, FileKind::Log, number);
        self.store.notices.add(|| Notice::LogRotated { log: log() });
        Ok(())
    }

    /// Hands the log to the file system as far as it goes: what is in it survives the end of the process. Commits that
    /// come here at the same time share a write.
    pub(super) fn hand_over(&self) -> Result<()> {
        let mut commits = self.commits.lock();
        if !commits.log.has_gathered() {
            return Ok(());
        }
        // Not `check_writable`: a database that closes hands over before it says so.
        self.check_poison()?;
        commits.log.hand_over().map_err(|error| self.poisoned_by(error))
    }
}

/// Puts the range tombstones of the batch where readers find them, ahead of the commit: in the order of commits, in which
/// they have to come.
fn delete_ranges(batch: &Batch, folding: &Folding, seqno: SeqNo, spaces: &Few<(Arc<Memtable>, Reservation)>) {
    let shares = batch.shares().zip(spaces.iter());
    for (share, (memtable, _)) in shares.filter(|(share, _)| share.deletes_ranges) {
        let family = &share.family.family;
        let tombstones = folding.tombstones(family.id, seqno);
        memtable.delete_ranges(&tombstones);
        family.view.update(|view| view.with_range_tombstones(&tombstones));
    }
}

/// Inserts the operations, but for range deletes and what one of the same batch takes away, into the memtables.
fn apply(batch: &Batch, folding: Option<&Folding>, merging: Option<&Merging<'_>>, mut place: Place) {
    let mut operations = batch.operations();
    let mut ordinal = 0;
    // For each share what is inserted at the end, sorted.
    let mut written: Vec<Vec<Unlinked>> = Vec::new();
    if batch.len() >= SORTED_OPERATIONS_MIN {
        written.extend(batch.shares().map(|_| Vec::new()));
    }
    while let Some(Ok(operation)) = operations.next_operation() {
        let mut spaces = batch.shares().zip(place.spaces.iter_mut()).enumerate();
        let space = spaces.find(|(_, (share, _))| share.family.family.id == operation.family);
        let is_folded = || {
            folding.is_some_and(|folding| folding.hides(operation.family, operation.key, ordinal))
                || merging.is_some_and(|all| all.hides(operation.family, operation.key, ordinal))
        };
        if let Some((at, (_, (memtable, space)))) = space
            && operation.kind != Kind::RangeDelete
            && !is_folded()
        {
            let merged = merging.and_then(|merging| merging.value(operation.family, operation.key));
            let entry = Entry {
                key: operation.key,
                value: merged.as_deref().unwrap_or(operation.value),
                seqno: place.turn.seqno,
                kind: operation.kind,
                ordinal,
            };
            match written.get_mut(at) {
                Some(written) => written.push(memtable.write(space, &entry)),
                None => memtable.insert(space, &entry),
            }
        }
        ordinal += 1;
    }
    for ((memtable, _), written) in place.spaces.iter().zip(&mut written) {
        memtable.insert_sorted(written);
    }
}
