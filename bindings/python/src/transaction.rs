//! Transactions: what Python's `ormdb.Transaction` and `ormdb.aio.Transaction` stand on.

use ormdb_bindings::Task;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict};

use crate::connection::{begin, begin_fetch, run, run_fetch};
use crate::error::OrRaise;
use crate::mailbox::{Call, Mailbox};
use crate::params::params;

/// A transaction of several statements.
#[pyclass(frozen, subclass, module = "ormdb._native")]
pub(crate) struct Transaction(pub(crate) ormdb_bindings::Transaction);

#[pymethods]
impl Transaction {
    /// Runs one statement; it sees what the transaction wrote.
    #[pyo3(signature = (text, params = None, /, **keywords))]
    fn query<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        params: Option<&Bound<'py, PyDict>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        run(py, text, self.0.query(text.to_owned(), self::params(params, keywords)?))
    }

    /// Begins to run one statement.
    #[pyo3(signature = (mailbox, future, text, params = None, keywords = None))]
    fn start_query(
        &self,
        mailbox: &Mailbox,
        future: &Bound<'_, PyAny>,
        text: &str,
        params: Option<&Bound<'_, PyDict>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Call> {
        let task = self.0.query(text.to_owned(), self::params(params, keywords)?);
        Ok(begin(mailbox, future, text, task))
    }

    /// Runs one statement that gives rows; one that gives none is refused, and not executed.
    #[pyo3(signature = (text, params = None, /, **keywords))]
    fn fetch_rows<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        params: Option<&Bound<'py, PyDict>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        run_fetch(py, text, self.0.fetch(text.to_owned(), self::params(params, keywords)?))
    }

    /// Begins to run one statement that gives rows.
    #[pyo3(signature = (mailbox, future, text, params = None, keywords = None))]
    fn start_fetch(
        &self,
        mailbox: &Mailbox,
        future: &Bound<'_, PyAny>,
        text: &str,
        params: Option<&Bound<'_, PyDict>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Call> {
        let task = self.0.fetch(text.to_owned(), self::params(params, keywords)?);
        Ok(begin_fetch(mailbox, future, text, task))
    }

    /// Sets a savepoint.
    fn savepoint(&self, py: Python<'_>, name: String) -> PyResult<()> {
        done(py, self.0.savepoint(name))
    }

    /// Takes back what was written since the savepoint, which stays.
    fn rollback_to(&self, py: Python<'_>, name: String) -> PyResult<()> {
        done(py, self.0.rollback_to(name))
    }

    /// Forgets the savepoint and those after it; what was written stays.
    fn release(&self, py: Python<'_>, name: String) -> PyResult<()> {
        done(py, self.0.release(name))
    }

    /// Commits, and returns the version token of what was written.
    fn commit(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let task = self.0.commit();
        let token = py.detach(|| task.wait()).or_raise(py, None)?;
        Ok(token.map(|token| token.to_string()))
    }

    /// Rolls back. A transaction that has ended is left as it is.
    fn rollback(&self, py: Python<'_>) -> PyResult<()> {
        done(py, self.0.rollback())
    }

    /// Begins to set a savepoint.
    fn start_savepoint(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>, name: String) -> Call {
        begin_done(mailbox, future, self.0.savepoint(name))
    }

    /// Begins to roll back to a savepoint.
    fn start_rollback_to(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>, name: String) -> Call {
        begin_done(mailbox, future, self.0.rollback_to(name))
    }

    /// Begins to release a savepoint.
    fn start_release(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>, name: String) -> Call {
        begin_done(mailbox, future, self.0.release(name))
    }

    /// Begins to commit.
    fn start_commit(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>) -> Call {
        mailbox.begin(future, self.0.commit(), |py, token| {
            let token = token.or_raise(py, None)?.map(|token| token.to_string());
            Ok(token.into_pyobject(py)?.into_any().unbind())
        })
    }

    /// Begins to roll back.
    fn start_rollback(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>) -> Call {
        begin_done(mailbox, future, self.0.rollback())
    }
}

fn done(py: Python<'_>, task: Task<()>) -> PyResult<()> {
    py.detach(|| task.wait()).or_raise(py, None)
}

fn begin_done(mailbox: &Mailbox, future: &Bound<'_, PyAny>, task: Task<()>) -> Call {
    mailbox.begin(future, task, |py, done| {
        done.or_raise(py, None)?;
        Ok(py.None())
    })
}
