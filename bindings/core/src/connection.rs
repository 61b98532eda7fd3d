//! A connection: a database of this process, or one behind a server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use ormdb::Session;
use ormdb_client::Address;
use ormdb_proto::ir::Params;
use ormdb_proto::{Access, Description, Error, ErrorCode, GraphResult, Isolation, Outcome, Result};
use parking_lot::{Mutex, RwLock};

use crate::changes::Changes;
use crate::embedded::Embedded;
use crate::options::OpenOptions;
use crate::pool::Lane;
use crate::remote::{self, Remote};
use crate::stream::{self, Parts};
use crate::task::{Cancel, Task};
use crate::transaction::Transaction;

/// A connection. Clones are one; statements of many threads run side by side.
#[derive(Clone)]
pub struct Connection {
    /// None once it is closed.
    way: Arc<RwLock<Option<Way>>>,
}

#[derive(Clone)]
enum Way {
    Embedded(Arc<Embedded>, Arc<Begun>),
    Remote(Arc<Remote>),
}

/// What was begun on an embedded connection, and ends with it.
#[derive(Default)]
struct Begun {
    transactions: Open<ormdb::Transaction>,
    changes: Open<ormdb::Changes>,
}

/// Those of what was begun that may be open.
struct Open<T>(Mutex<Vec<Weak<Mutex<Option<T>>>>>);

impl<T> Default for Open<T> {
    fn default() -> Open<T> {
        Open(Mutex::default())
    }
}

impl<T> Open<T> {
    fn keep(&self, held: &Arc<Mutex<Option<T>>>) {
        let mut open = self.0.lock();
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(held));
    }

    fn end(&self) {
        let open = std::mem::take(&mut *self.0.lock());
        for held in open.into_iter().filter_map(|held| held.upgrade()) {
            drop(held.lock().take());
        }
    }
}

/// What became of a schema.
#[derive(Debug)]
pub enum SchemaOutcome {
    /// It holds.
    Applied {
        /// The version of the catalog.
        version: u64,
        /// What changed, in words.
        changes: Vec<String>,
    },
    /// Nothing was changed: everything that is wrong with it.
    Refused(Vec<Error>),
}

impl Connection {
    /// Opens a directory, a URL (`ormdb://host:port`, `ormdb+unix:///path`) or a Unix socket. A process has a database open once,
    /// however many connections it opens to its directory.
    pub fn open(name: &str, options: &OpenOptions) -> Task<Connection> {
        let options = options.clone();
        match address(name) {
            Err(error) => Task::known(Err(error)),
            Ok(None) => {
                let path = PathBuf::from(name);
                Task::here(Lane::Statements, move || {
                    Ok(Connection::of(Way::Embedded(Embedded::open(&path, &options)?, Arc::default())))
                })
            }
            Ok(Some(address)) => match remote::runtime() {
                Err(error) => Task::known(Err(error)),
                Ok(runtime) => Task::there(Arc::clone(&runtime), async move {
                    Ok(Connection::of(Way::Remote(Arc::new(Remote::open(address, options, runtime).await?))))
                }),
            },
        }
    }

    fn of(way: Way) -> Connection {
        Connection { way: Arc::new(RwLock::new(Some(way))) }
    }

    /// Whether the database is in this process.
    pub fn is_embedded(&self) -> bool {
        matches!(&*self.way.read(), Some(Way::Embedded(..)))
    }

    /// Runs one statement of the text language in a transaction of its own.
    pub fn query(&self, text: String, params: Params) -> Task<Outcome> {
        self.statement(
            (text, params),
            |session, (text, params)| session.query(&text, &params),
            |remote, (text, params)| async move { remote.pool()?.query(&text, &params).await },
        )
    }

    /// Runs one statement of the text language that gives rows in a transaction of its own. One that gives none is refused, and not
    /// executed.
    pub fn fetch(&self, text: String, params: Params) -> Task<GraphResult> {
        self.statement(
            (text, params),
            |session, (text, params)| session.fetch(&text, &params),
            |remote, (text, params)| async move { remote.pool()?.fetch(&text, &params).await },
        )
    }

    /// Runs one statement of the text language that gives rows in a transaction of its own, and gives them part by part. One that
    /// gives none is refused, and not executed.
    pub fn stream(&self, text: String, params: Params) -> Task<Parts> {
        self.statement(
            (text, params),
            |session, (text, params)| stream::read(session, &text, params),
            |remote, (text, params)| async move {
                let sent = remote.pool()?.stream(&text, &params).await?;
                Ok(Parts::of_server(sent, remote.runtime()?))
            },
        )
    }

    /// Runs a statement in a session of its own, which can be stopped, or on the server.
    fn statement<T: Send + 'static, F: Future<Output = Result<T>> + Send + 'static>(
        &self,
        statement: (String, Params),
        run_here: impl FnOnce(Session, (String, Params)) -> Result<T> + Send + 'static,
        run_there: impl FnOnce(Arc<Remote>, (String, Params)) -> F,
    ) -> Task<T> {
        match self.way() {
            Err(error) => Task::known(Err(error)),
            Ok(Way::Embedded(embedded, _)) => match embedded.session() {
                Err(error) => Task::known(Err(error)),
                Ok(session) => {
                    let cancel = Cancel::embedded(session.cancel_handle());
                    Task::here(Lane::Statements, move || run_here(session, statement)).stopped_by(cancel)
                }
            },
            Ok(Way::Remote(remote)) => there(&remote, run_there(Arc::clone(&remote), statement)),
        }
    }

    /// What a statement takes and gives, in the schema as it is, without running it.
    pub fn describe(&self, text: String) -> Task<Description> {
        match self.way() {
            Err(error) => Task::known(Err(error)),
            Ok(Way::Embedded(embedded, _)) => Task::here(Lane::Statements, move || {
                let session = embedded.session()?;
                session.describe(&session.prepare(&text)?)
            }),
            Ok(Way::Remote(remote)) => {
                there(&remote.clone(), async move { remote.pool()?.describe(&text).await })
            }
        }
    }

    /// Is told of commits from now on that write rows of these entities; of every entity where none is named.
    pub fn subscribe(&self, entities: Vec<String>) -> Task<Changes> {
        match self.way() {
            Err(error) => Task::known(Err(error)),
            Ok(Way::Embedded(embedded, begun)) => Task::here(Lane::Statements, move || {
                Changes::begin_here(&embedded, &entities, |held| begun.changes.keep(held))
            }),
            Ok(Way::Remote(remote)) => {
                there(&remote.clone(), async move { Changes::begin_there(&remote, &entities).await })
            }
        }
    }

    /// Begins a transaction of several statements.
    pub fn begin(&self, isolation: Isolation, access: Access) -> Task<Transaction> {
        match self.way() {
            Err(error) => Task::known(Err(error)),
            Ok(Way::Embedded(embedded, begun)) => Task::here(Lane::Transactions, move || {
                Transaction::begin_here(&embedded, isolation, access, |held| begun.transactions.keep(held))
            }),
            Ok(Way::Remote(remote)) => {
                there(
                    &remote.clone(),
                    async move { Transaction::begin_there(&remote, isolation, access).await },
                )
            }
        }
    }

    /// The text of the schema; empty if none was applied.
    pub fn schema(&self) -> Task<String> {
        match self.way() {
            Err(error) => Task::known(Err(error)),
            Ok(Way::Embedded(embedded, _)) => {
                Task::here(Lane::Statements, move || Ok(embedded.database()?.catalog().text().to_owned()))
            }
            Ok(Way::Remote(remote)) => there(&remote.clone(), async move { remote.pool()?.schema().await }),
        }
    }

    /// Applies a schema. Durable when it is done.
    pub fn apply_schema(&self, text: String) -> Task<SchemaOutcome> {
        match self.way() {
            Err(error) => Task::known(Err(error)),
            Ok(Way::Embedded(embedded, _)) => Task::here(Lane::Statements, move || {
                Ok(match embedded.database()?.apply_schema(&text) {
                    Ok(applied) => SchemaOutcome::Applied {
                        version: applied.catalog.version(),
                        changes: applied.changes.iter().map(ToString::to_string).collect(),
                    },
                    Err(errors) => SchemaOutcome::Refused(errors),
                })
            }),
            Ok(Way::Remote(remote)) => there(&remote.clone(), async move {
                Ok(match remote.pool()?.apply_schema(&text).await {
                    Ok(applied) => {
                        SchemaOutcome::Applied { version: applied.version, changes: applied.changes }
                    }
                    Err(errors) => SchemaOutcome::Refused(errors),
                })
            }),
        }
    }

    /// Takes no further statements, and rolls back the transactions that are open. Statements that run go on; the database, or the connection to the server, is closed when nothing
    /// uses it any more.
    pub fn close(&self) -> Task<()> {
        let way = Arc::clone(&self.way);
        Task::here(Lane::Statements, move || {
            let closed = way.write().take();
            match &closed {
                Some(Way::Embedded(embedded, begun)) if embedded.database().is_ok() => {
                    begun.transactions.end();
                    begun.changes.end();
                }
                Some(Way::Remote(remote)) => {
                    if let Ok(pool) = remote.pool() {
                        pool.close();
                    }
                }
                Some(Way::Embedded(..)) | None => {}
            }
            drop(closed);
            Ok(())
        })
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.way.read().is_none()
    }

    fn way(&self) -> Result<Way> {
        let closed = || Error::new(ErrorCode::ConnectionFailed, "the connection is closed");
        self.way.read().clone().ok_or_else(closed)
    }
}

fn there<T: Send + 'static>(
    remote: &Remote,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Task<T> {
    match remote.runtime() {
        Ok(runtime) => Task::there(runtime, work),
        Err(error) => Task::known(Err(error)),
    }
}

/// The address of a server, if the name is one.
fn address(name: &str) -> Result<Option<Address>> {
    if name.contains("://") {
        return name.parse::<Address>().map(Some);
    }
    Ok(is_socket(Path::new(name)).then(|| Address::unix(name)))
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(not(unix))]
const fn is_socket(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests;
