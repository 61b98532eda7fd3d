//! The database: one directory, one process, any number of sessions.
//!
//! Invariants: (1) no commit happens between the commit of a new schema and its publication, so that no snapshot holds
//! rows of a schema that its catalog does not know; (2) every write transaction reads the catalog's version through
//! its transaction, so that a change of schema conflicts with it; (3) an autocommit write that lost against others
//! [`SHARED_ATTEMPTS`] times runs alone, so that it cannot starve; (4) nobody waits for a lock of data while it
//! holds `commits`, which whoever has that lock may need for its commit.

mod log;
mod reads;
mod schema;
mod unsynced;
mod users;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ordinum::clock::Clock;
use ordinum::{Concurrency, Reader, TransactionOptions, Validation};
use ormdb_proto::ir::{Fetch, Params, Statement};
use ormdb_proto::{Error, ErrorCode, Isolation, MutationResult, Result, Token};
use parking_lot::{Mutex, RwLock};

use crate::catalog::{self, Catalog};
use crate::changes::Hub;
use crate::check::{self, CheckReport};
use crate::context::{Ctx, WriteCtx};
use crate::engine::{EngineResult, engine_error, is_conflict};
use crate::limits::Limits;
use crate::options::{Options, Sampling};
use crate::plan::{PlanCache, PlanStats};
use crate::planted::{self, Bug, planted};
use crate::purge::PurgeState;
use crate::session::{Session, SessionContext};
use crate::statistics::{RowDeltas, Sampler, Statistics};
use crate::store::generate::Generators;
use crate::store::sequence::Sequences;
use crate::store::{Families, identity};
use crate::write::Deferred;
use crate::{mutation, version};

pub use unsynced::UnsyncedWrite;
pub use users::Login;

/// How often an autocommit write runs beside others before it runs alone.
const SHARED_ATTEMPTS: u32 = 4;
/// How often an autocommit write runs at most.
const ATTEMPTS_MAX: u32 = 64;
/// How often an attempt beside others begins again with the locks that it waited for.
const RESTARTS_MAX: u32 = 16;

/// An open database. Cloning it gives another handle of the same; the last one closes it.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    engine: ordinum::Db,
    families: Families,
    history: u64,
    catalog: Arc<RwLock<Arc<Catalog>>>,
    /// Held shared by every commit, alone by a write that would starve and by changes of the schema.
    commits: RwLock<()>,
    sequences: Sequences,
    generators: Generators,
    purge: PurgeState,
    /// Held while users change.
    users: Mutex<()>,
    plans: PlanCache,
    statistics: Arc<Statistics>,
    sampler: Sampler,
    hub: Hub,
    options: Options,
}

impl Database {
    /// Opens the database at `path`, and creates it if there is none.
    ///
    /// # Errors
    /// [`ErrorCode::DatabaseLocked`] if another process has it open, [`ErrorCode::Corrupt`] if it is damaged,
    /// [`ErrorCode::IncompatibleFormat`] if a newer version wrote it, [`ErrorCode::Io`] if the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Database::open_with(path, Options::default())
    }

    /// As [`Database::open`], with options.
    ///
    /// # Errors
    /// As [`Database::open`], and [`ErrorCode::InvalidValue`] of a retention beyond a thousand years.
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Database> {
        planted::opened();
        options.check()?;
        let engine = ordinum::Db::open(path, options.engine.clone()).engine()?;
        let families = Families::open(&engine, &options.engine)?;
        let history = identity::history(&engine, &families, &*options.engine.entropy)?;
        let catalog = Arc::new(catalog::store::load(&engine, &families)?);
        catalog::backfill::sweep(&engine, &families, &catalog)?;
        let sequences = Sequences::new(engine.clone(), families.system.clone());
        let generators = Generators::new(options.engine.entropy.clone());
        let statistics = Arc::new(Statistics::open(&engine, &families, &catalog)?);
        let catalog = Arc::new(RwLock::new(catalog));
        let clock = Arc::clone(&options.engine.clock);
        let sampler =
            Sampler::new(Arc::clone(&statistics), Arc::clone(&catalog), families.rows.clone(), clock);
        let database = Database {
            inner: Arc::new(Inner {
                engine,
                families,
                history,
                catalog,
                commits: RwLock::new(()),
                sequences,
                generators,
                purge: PurgeState::new(),
                users: Mutex::new(()),
                plans: PlanCache::default(),
                statistics,
                sampler,
                hub: Hub::new(),
                options,
            }),
        };
        database.purge_if_due();
        Ok(database)
    }

    /// A session with the database's default limits.
    pub fn session(&self) -> Session {
        Session::new(self.clone(), self.context_of(self.inner.options.limits))
    }

    /// The current catalog: the schema model and its text.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.catalog.read().clone()
    }

    /// Reads everything and compares it: every checksum, every row, every index entry, every foreign key. The report
    /// has the first `findings_max` findings, and the number of all.
    ///
    /// # Errors
    /// Only what keeps the check from going on; damage is in the report.
    pub fn check(&self, findings_max: usize) -> Result<CheckReport> {
        check::check(&self.inner.engine, &self.inner.families, findings_max)
    }

    /// The storage engine's counters.
    pub fn engine_stats(&self) -> ordinum::Stats {
        self.inner.engine.stats()
    }

    /// Does one piece of the storage engine's background work, and returns whether there was any: for an engine whose options
    /// leave that to the caller ([`ordinum::Background::Manual`]).
    ///
    /// # Errors
    /// [`ErrorCode::Io`] and [`ErrorCode::Corrupt`], of the work. It changed nothing then.
    pub fn run_background_step(&self) -> Result<bool> {
        self.inner.engine.run_background_step().engine()
    }

    /// How often fetches found their plan.
    pub fn plan_stats(&self) -> PlanStats {
        self.inner.plans.stats()
    }

    pub(crate) fn plans(&self) -> &PlanCache {
        &self.inner.plans
    }

    pub(crate) fn families(&self) -> &Families {
        &self.inner.families
    }

    pub(crate) fn sequences(&self) -> &Sequences {
        &self.inner.sequences
    }

    pub(crate) fn purge_state(&self) -> &PurgeState {
        &self.inner.purge
    }

    /// The context of work that no session asked for: it takes its time, and waits for nobody.
    pub(crate) fn session_context(&self) -> SessionContext {
        let limits = Limits { time_ms_max: 0, lock_wait_ms_max: 0, ..self.inner.options.limits };
        self.context_of(limits)
    }

    fn context_of(&self, limits: Limits) -> SessionContext {
        SessionContext::new(
            limits,
            self.clock(),
            Arc::clone(&self.inner.statistics),
            self.inner.options.semi_joins,
            self.inner.options.intersections,
        )
    }

    /// Looks at the rows of every entity anew, for the planner. An open database does so by itself, in the background, when a
    /// share of an entity's rows has changed, unless its options say otherwise.
    ///
    /// # Errors
    /// [`ErrorCode::Corrupt`] if a row cannot be read; those of the engine.
    pub fn refresh_statistics(&self) -> Result<()> {
        self.inner.sampler.sample_all()
    }

    /// Grows whenever the statistics have changed so much that plans may be chosen otherwise.
    pub fn statistics_epoch(&self) -> u64 {
        self.inner.statistics.epoch()
    }

    /// Takes over what a commit did to the number of rows.
    pub(crate) fn count_rows(&self, deltas: &RowDeltas) {
        let due = self.inner.statistics.committed(deltas);
        if due && self.inner.options.sampling == Sampling::Background {
            self.inner.sampler.ask();
        }
    }

    pub(crate) fn generators(&self) -> &Generators {
        &self.inner.generators
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.inner.options.engine.clock.clone()
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.clock().unix().as_micros()).unwrap_or(i64::MAX)
    }

    /// A snapshot with the catalog that is current in it: no schema is committed while the catalog is locked. A newer
    /// one would have indexes that the snapshot has no entries of.
    fn snapshot(&self) -> (Arc<Catalog>, ordinum::Snapshot) {
        let catalog = self.inner.catalog.read();
        (Arc::clone(&catalog), self.inner.engine.snapshot())
    }

    /// The snapshot that a fetch reads, with the catalog that was current in it.
    fn snapshot_of(&self, fetch: &Fetch, params: &Params) -> Result<(Arc<Catalog>, ordinum::Snapshot)> {
        let Some(as_of) = &fetch.as_of else { return Ok(self.snapshot()) };
        let placed = |mut error: Error| {
            error.detail.span = error.detail.span.or_else(|| as_of.span()).or(fetch.span);
            error
        };
        let token = version::token(as_of, params, self.inner.history).map_err(placed)?;
        let not_yet = || version::not_yet(token, self.token(self.inner.engine.last_seqno()));
        let seqno = ordinum::SeqNo::new(token.seqno()).ok_or_else(not_yet)?;
        let snapshot = self.inner.engine.snapshot_at(seqno).map_err(|error| match error {
            ordinum::Error::TooOld { oldest, .. } => version::too_old(token, self.token(oldest)),
            ordinum::Error::InvalidArgument { .. } => not_yet(),
            other => engine_error(other),
        })?;
        let current = self.catalog();
        let version = catalog::store::current_version(&snapshot, &self.inner.families)?;
        if version == current.version() {
            return Ok((current, snapshot));
        }
        let past = catalog::store::load(&snapshot, &self.inner.families)?;
        Ok((Arc::new(past), snapshot))
    }

    /// The current catalog with a transaction that conflicts with every change of it.
    pub(crate) fn begin(
        &self,
        isolation: Isolation,
        session: &SessionContext,
    ) -> Result<(Arc<Catalog>, ordinum::Transaction)> {
        let _shared = self.beside_others(session)?;
        self.begin_within(isolation, session, session.lock_wait_max())
    }

    /// As [`Database::begin`], of a caller that holds `commits`.
    fn begin_within(
        &self,
        isolation: Isolation,
        session: &SessionContext,
        lock_wait_max: Duration,
    ) -> Result<(Arc<Catalog>, ordinum::Transaction)> {
        let catalog = self.catalog();
        let validation = match isolation {
            Isolation::ReadCommitted | Isolation::Snapshot => Validation::Snapshot,
            Isolation::Serializable if planted(Bug::SkipReadValidation) => Validation::Snapshot,
            Isolation::Serializable => Validation::Serializable,
        };
        let options = TransactionOptions { validation, concurrency: Concurrency::Pessimistic, lock_wait_max };
        let mut transaction = self.inner.engine.transaction_with(options);
        transaction.set_interrupt(session.interrupt());
        catalog::store::depend_on_version(&transaction, &self.inner.families)?;
        #[cfg(debug_assertions)]
        {
            // The catalog changes with the data, under `commits`.
            let version = catalog::store::current_version(&transaction, &self.inner.families)?;
            debug_assert_eq!(version, catalog.version(), "the schema does not belong to the data");
        }
        Ok((catalog, transaction))
    }

    /// Commits beside others; visible at once, durable after [`Database::durable`].
    pub(crate) fn commit(&self, transaction: ordinum::Transaction) -> Result<ordinum::Commit> {
        let _shared = self.inner.commits.read();
        transaction.commit_unsynced().engine()
    }

    /// Waits until a commit is durable, together with everyone who waits.
    pub(crate) fn durable(&self, commit: ordinum::Commit) -> Result<Token> {
        if planted(Bug::SkipCommitSync) {
            return Ok(self.token(commit.seqno()));
        }
        let reached = commit.reach(self.inner.options.durability).engine()?;
        self.inner.hub.tell();
        Ok(self.token(reached))
    }

    pub(crate) fn history(&self) -> u64 {
        self.inner.history
    }

    pub(crate) fn token(&self, seqno: ordinum::SeqNo) -> Token {
        Token::new(self.inner.history, seqno.get())
    }

    /// Runs a write in a transaction of its own, again while it conflicts.
    pub(crate) fn write(
        &self,
        session: &SessionContext,
        statement: &Statement,
        params: &Params,
    ) -> Result<MutationResult> {
        self.write_unsynced(session, statement, params)?.durable()
    }

    /// As [`Database::write`], and returns when the commit has its place.
    pub(crate) fn write_unsynced(
        &self,
        session: &SessionContext,
        statement: &Statement,
        params: &Params,
    ) -> Result<UnsyncedWrite> {
        let mut attempts = 0;
        loop {
            session.check_cancelled()?;
            let attempt = if attempts < SHARED_ATTEMPTS || attempts % 2 == 1 {
                self.write_beside(session, statement, params)
            } else {
                self.write_alone(session, statement, params)
            };
            attempts += 1;
            match attempt {
                Ok(Attempt::Committed(result, commit, deltas)) => {
                    self.count_rows(&deltas);
                    return Ok(UnsyncedWrite::new(self.clone(), result, commit));
                }
                Ok(Attempt::Hindered(_)) if attempts < ATTEMPTS_MAX => {}
                // To run it again is to give others their time.
                Err(error) if is_conflict(&error) && !session.waits() => return Err(unsynced::would_wait()),
                Err(error) if is_conflict(&error) && attempts < ATTEMPTS_MAX => {}
                Ok(Attempt::Hindered(error)) | Err(error) => return Err(error),
            }
        }
    }

    /// Writes beside others, and waits for their locks.
    fn write_beside(
        &self,
        session: &SessionContext,
        statement: &Statement,
        params: &Params,
    ) -> Result<Attempt> {
        let (catalog, mut transaction) = self.begin(Isolation::Serializable, session)?;
        let mut restarts = 0;
        loop {
            match self.run_write(&catalog, &mut transaction, session, statement, params) {
                Ok((result, deltas)) => {
                    let _shared = self.beside_others(session)?;
                    let commit = transaction.commit_unsynced().engine()?;
                    return Ok(Attempt::Committed(result, commit, deltas));
                }
                Err(error) if error.code == ErrorCode::SerializationConflict && restarts < RESTARTS_MAX => {
                    restarts += 1;
                    session.check_cancelled()?;
                    transaction.begin_again();
                    catalog::store::depend_on_version(&transaction, &self.inner.families)?;
                    if catalog::store::current_version(&transaction, &self.inner.families)?
                        != catalog.version()
                    {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes while nobody commits. Who has a lock by then could not give it back: it is not waited for.
    fn write_alone(
        &self,
        session: &SessionContext,
        statement: &Statement,
        params: &Params,
    ) -> Result<Attempt> {
        let _alone = self.inner.commits.write();
        let (catalog, mut transaction) =
            self.begin_within(Isolation::Serializable, session, Duration::ZERO)?;
        match self.run_write(&catalog, &mut transaction, session, statement, params) {
            Ok((result, deltas)) => {
                Ok(Attempt::Committed(result, transaction.commit_unsynced().engine()?, deltas))
            }
            Err(error) if error.code == ErrorCode::LockNotAvailable => Ok(Attempt::Hindered(error)),
            Err(error) => Err(error),
        }
    }

    fn run_write(
        &self,
        catalog: &Arc<Catalog>,
        transaction: &mut ordinum::Transaction,
        session: &SessionContext,
        statement: &Statement,
        params: &Params,
    ) -> Result<(MutationResult, RowDeltas)> {
        let token = self.token(transaction.seqno());
        let mut ctx = WriteCtx {
            catalog,
            txn: transaction,
            families: self.families(),
            session,
            params,
            now: self.now(),
            history: self.inner.history,
            sequences: self.sequences(),
            generators: self.generators(),
            deferred: &mut Deferred::nothing(),
            plans: self.plans(),
        };
        let written = mutation::run(&mut ctx, statement, token)?;
        // Who was cancelled while waiting for a lock, and got it all the same, does nothing.
        session.check_cancelled()?;
        Ok(written)
    }

    fn context<'a>(
        &'a self,
        catalog: &'a Arc<Catalog>,
        reader: &'a dyn Reader,
        session: &'a SessionContext,
        params: &'a Params,
    ) -> Ctx<'a> {
        Ctx {
            catalog,
            reader,
            families: self.families(),
            session,
            params,
            now: self.now(),
            history: self.inner.history,
            plans: self.plans(),
            slots: &[],
            is_of_now: true,
        }
    }
}

/// How an attempt to write ended.
enum Attempt {
    Committed(MutationResult, ordinum::Commit, RowDeltas),
    /// Somebody has a lock that could not be waited for.
    Hindered(Error),
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Numbers that cannot be given back leave a gap, which sequences may have.
        drop(self.sequences.settle());
        self.hub.stop();
        self.sampler.stop();
        // Statistics that cannot be saved are made again.
        drop(self.statistics.save());
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}
