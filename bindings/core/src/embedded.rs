//! Databases of this process, each open once however many connections it has.
//!
//! Invariant: a database is closed when the last connection to it is, and its directory is free for others then.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use ormdb::{Database, Options, RetentionWindow, Session};
use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::Mutex;

use crate::options::{Create, OpenOptions};
use crate::origin::{Origin, PerProcess};

/// A database that is open in this process.
pub(crate) struct Embedded {
    database: Origin<Database>,
}

/// The open databases by their directories.
type Opened = Mutex<HashMap<PathBuf, Weak<Embedded>>>;

static OPENED: PerProcess<Opened> = PerProcess::new();

impl Embedded {
    /// The database in a directory; the one that is open already, if this process has it open. That one keeps its retention, and
    /// who asks for another is told.
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Arc<Embedded>> {
        let opened = OPENED.get(|| Ok(Opened::default()))?;
        // Held until it is open, so that two threads do not open it side by side.
        let mut opened = opened.lock();
        if let Ok(directory) = path.canonicalize()
            && let Some(embedded) = opened.get(&directory).and_then(Weak::upgrade)
        {
            return embedded.with_retention(options.retention);
        }
        if options.create == Create::Never && !path.is_dir() {
            let message = format!("there is no database at {}", path.display());
            return Err(Error::new(ErrorCode::InvalidValue, message));
        }
        let mut engine = Options::default();
        engine.engine.create_if_missing = options.create == Create::IfMissing;
        engine.engine.retention = options.retention;
        let database = Origin::new(Database::open_with(path, engine)?);
        let embedded = Arc::new(Embedded { database });
        let directory = path.canonicalize().map_err(|error| {
            Error::new(ErrorCode::Io, format!("the directory {} is gone: {error}", path.display()))
        })?;
        opened.retain(|_, open| open.strong_count() > 0);
        opened.insert(directory, Arc::downgrade(&embedded));
        Ok(embedded)
    }

    fn with_retention(self: Arc<Embedded>, asked: Option<RetentionWindow>) -> Result<Arc<Embedded>> {
        let retention = self.database()?.engine_stats().retention;
        if asked.is_some_and(|asked| asked.rounded() != retention) {
            let message = "this process has the database open with another retention";
            return Err(Error::new(ErrorCode::InvalidValue, message)
                .hint("give it where the database is opened first, or close the other connections"));
        }
        Ok(self)
    }

    pub(crate) fn database(&self) -> Result<&Database> {
        self.database.get()
    }

    /// A session for one statement, or one transaction: what stops it stops nothing else.
    pub(crate) fn session(&self) -> Result<Session> {
        Ok(self.database()?.session())
    }
}
