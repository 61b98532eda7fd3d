//! Transactions of several statements.
//!
//! Invariants: (1) the statements of a transaction run one after the other, in whatever order threads bring them; (2) a
//! transaction that is dropped, or whose connection is closed, is rolled back.

use std::sync::Arc;

use ormdb_proto::ir::Params;
use ormdb_proto::{Access, Error, ErrorCode, GraphResult, Isolation, Outcome, Result, Token};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::embedded::Embedded;
use crate::origin::Origin;
use crate::pool::Lane;
use crate::remote::Remote;
use crate::task::{Cancel, Task};

/// A transaction with read-your-writes.
#[derive(Clone)]
pub struct Transaction(Arc<Origin<Kind>>);

enum Kind {
    Embedded(Here),
    Remote(There),
}

struct Here {
    /// Taken out by its end.
    transaction: HeldHere,
    cancel: Cancel,
}

struct There {
    transaction: Held,
    runtime: Arc<Runtime>,
}

/// A transaction of this process, taken out by its end.
pub(crate) type HeldHere = Arc<Mutex<Option<ormdb::Transaction>>>;

/// A transaction of a server, taken out by its end.
type Held = Arc<tokio::sync::Mutex<Option<ormdb_client::Transaction>>>;

impl Transaction {
    /// Begins one, and shows it to `see` as well, for the end of the connection.
    pub(crate) fn begin_here(
        embedded: &Embedded,
        isolation: Isolation,
        access: Access,
        see: impl FnOnce(&HeldHere),
    ) -> Result<Transaction> {
        let session = embedded.session()?;
        let cancel = Cancel::embedded(session.cancel_handle());
        let transaction = Arc::new(Mutex::new(Some(session.begin(isolation, access)?)));
        see(&transaction);
        Ok(Transaction(Arc::new(Origin::new(Kind::Embedded(Here { transaction, cancel })))))
    }

    pub(crate) async fn begin_there(
        remote: &Remote,
        isolation: Isolation,
        access: Access,
    ) -> Result<Transaction> {
        let begun = remote.pool()?.begin_as(isolation, access).await?;
        let transaction = Arc::new(tokio::sync::Mutex::new(Some(begun)));
        let there = There { transaction, runtime: remote.runtime()? };
        Ok(Transaction(Arc::new(Origin::new(Kind::Remote(there)))))
    }

    /// Runs one statement; it sees what the transaction wrote.
    pub fn query(&self, text: String, params: Params) -> Task<Outcome> {
        match self.0.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind::Embedded(here)) => here.task(move |transaction| transaction.query(&text, &params)),
            Ok(Kind::Remote(there)) => {
                let held = there.held();
                there.task(async move { of(held.lock().await.as_ref())?.query(&text, &params).await })
            }
        }
    }

    /// Runs one statement that gives rows. One that gives none is refused, and not executed.
    pub fn fetch(&self, text: String, params: Params) -> Task<GraphResult> {
        match self.0.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind::Embedded(here)) => here.task(move |transaction| transaction.fetch(&text, &params)),
            Ok(Kind::Remote(there)) => {
                let held = there.held();
                there.task(async move { of(held.lock().await.as_ref())?.fetch(&text, &params).await })
            }
        }
    }

    /// Sets a savepoint.
    pub fn savepoint(&self, name: String) -> Task<()> {
        match self.0.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind::Embedded(here)) => here.task(move |transaction| transaction.savepoint(&name)),
            Ok(Kind::Remote(there)) => {
                let held = there.held();
                there.task(async move { of(held.lock().await.as_ref())?.savepoint(&name).await })
            }
        }
    }

    /// Takes back what was written since the savepoint, which stays.
    pub fn rollback_to(&self, name: String) -> Task<()> {
        match self.0.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind::Embedded(here)) => here.task(move |transaction| transaction.rollback_to(&name)),
            Ok(Kind::Remote(there)) => {
                let held = there.held();
                there.task(async move { of(held.lock().await.as_ref())?.rollback_to(&name).await })
            }
        }
    }

    /// Forgets the savepoint and those after it; what was written stays.
    pub fn release(&self, name: String) -> Task<()> {
        match self.0.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind::Embedded(here)) => here.task(move |transaction| transaction.release(&name)),
            Ok(Kind::Remote(there)) => {
                let held = there.held();
                there.task(async move { of(held.lock().await.as_ref())?.release(&name).await })
            }
        }
    }

    /// Commits; durable when it is done. The transaction has ended, also where it fails.
    pub fn commit(&self) -> Task<Option<Token>> {
        match self.0.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind::Embedded(here)) => here.end(|held| held.ok_or_else(closed)?.commit().map(Some)),
            Ok(Kind::Remote(there)) => {
                let held = there.held();
                there.task(async move { held.lock().await.take().ok_or_else(closed)?.commit().await })
            }
        }
    }

    /// Rolls back. One that has ended is left as it is.
    pub fn rollback(&self) -> Task<()> {
        match self.0.get() {
            Err(error) => Task::known(Err(error)),
            Ok(Kind::Embedded(here)) => here.end(|held| {
                drop(held);
                Ok(())
            }),
            Ok(Kind::Remote(there)) => {
                let held = there.held();
                there.task(async move {
                    match held.lock().await.take() {
                        // A statement may have been `commit` or `rollback`.
                        Some(transaction) => match transaction.rollback().await {
                            Err(error) if error.code == ErrorCode::TransactionClosed => Ok(()),
                            ended => ended,
                        },
                        None => Ok(()),
                    }
                })
            }
        }
    }
}

impl Here {
    fn task<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut ormdb::Transaction) -> Result<T> + Send + 'static,
    ) -> Task<T> {
        let transaction = Arc::clone(&self.transaction);
        let work = move || {
            let mut held = transaction.lock();
            let open = held.as_mut().ok_or_else(closed)?;
            let result = work(open);
            // A statement may have been `commit`.
            if !open.is_open() {
                *held = None;
            }
            result
        };
        Task::here(Lane::Transactions, work).stopped_by(self.cancel.clone())
    }

    fn end<T: Send + 'static>(
        &self,
        work: impl FnOnce(Option<ormdb::Transaction>) -> Result<T> + Send + 'static,
    ) -> Task<T> {
        let transaction = Arc::clone(&self.transaction);
        Task::here(Lane::Transactions, move || work(transaction.lock().take()))
    }
}

impl There {
    fn held(&self) -> Held {
        Arc::clone(&self.transaction)
    }

    fn task<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Task<T> {
        Task::there(Arc::clone(&self.runtime), work)
    }
}

/// The transaction, unless it has ended.
fn of(held: Option<&ormdb_client::Transaction>) -> Result<&ormdb_client::Transaction> {
    held.ok_or_else(closed)
}

fn closed() -> Error {
    Error::new(ErrorCode::TransactionClosed, "the transaction has ended; begin another one")
}
