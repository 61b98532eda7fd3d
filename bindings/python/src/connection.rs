//! Connections: what Python's `ormdb.Connection` and `ormdb.aio.Connection` stand on.
//!
//! Each operation is there twice: waited for, with the GIL released, and begun for an event loop's mailbox.

use std::time::Duration;

use ormdb_bindings::{
    Access, Create, GraphResult, Isolation, OpenOptions, Outcome, SchemaOutcome, Task, retention_of,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict};

use crate::changes::Changes;
use crate::error::{OrRaise, exceptions};
use crate::mailbox::{Call, Mailbox};
use crate::outcome::{self, Description};
use crate::params::params;
use crate::result::Stream;
use crate::transaction::Transaction;
use crate::wait;

/// A connection to a database: of this process, or of a server.
#[pyclass(frozen, subclass, module = "ormdb._native")]
pub(crate) struct Connection(pub(crate) ormdb_bindings::Connection);

#[pymethods]
impl Connection {
    #[new]
    #[pyo3(signature = (location, *, create = true, retention_age = None, retention_bytes = None, timeout = 10.0))]
    fn new(
        py: Python<'_>,
        location: &str,
        create: bool,
        retention_age: Option<f64>,
        retention_bytes: Option<u64>,
        timeout: f64,
    ) -> PyResult<Connection> {
        let options = open_options(py, create, retention_age, retention_bytes, timeout)?;
        wait::wait(py, None, ormdb_bindings::Connection::open(location, &options)).map(Connection)
    }

    /// Begins to open a connection; the future will have a `Connection` of this module.
    #[staticmethod]
    #[pyo3(signature = (mailbox, future, location, *, create = true, retention_age = None, retention_bytes = None, timeout = 10.0))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords of Python")]
    fn start_open(
        py: Python<'_>,
        mailbox: &Mailbox,
        future: &Bound<'_, PyAny>,
        location: &str,
        create: bool,
        retention_age: Option<f64>,
        retention_bytes: Option<u64>,
        timeout: f64,
    ) -> PyResult<Call> {
        let options = open_options(py, create, retention_age, retention_bytes, timeout)?;
        Ok(mailbox.begin(future, ormdb_bindings::Connection::open(location, &options), |py, opened| {
            let opened = Connection(opened.or_raise(py, None)?);
            Ok(Py::new(py, opened)?.into_any())
        }))
    }

    /// Runs one statement in a transaction of its own, and returns what it gives: a `Result`, `Written` or `Explanation`.
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

    /// Runs a fetch whose rows are taken part by part.
    #[pyo3(signature = (text, params = None, /, **keywords))]
    fn stream_parts<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        params: Option<&Bound<'py, PyDict>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Stream>> {
        let task = self.0.stream(text.to_owned(), self::params(params, keywords)?);
        let parts = wait::wait(py, Some(text), task)?;
        Bound::new(py, Stream::new(text.to_owned(), parts))
    }

    /// Begins to run a fetch whose rows are taken part by part.
    #[pyo3(signature = (mailbox, future, text, params = None, keywords = None))]
    fn start_stream(
        &self,
        mailbox: &Mailbox,
        future: &Bound<'_, PyAny>,
        text: &str,
        params: Option<&Bound<'_, PyDict>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Call> {
        let task = self.0.stream(text.to_owned(), self::params(params, keywords)?);
        let text = text.to_owned();
        Ok(mailbox.begin(future, task, move |py, parts| {
            let parts = parts.or_raise(py, Some(&text))?;
            Ok(Py::new(py, Stream::new(text, parts))?.into_any())
        }))
    }

    /// What a statement takes and gives, in the schema as it is, without running it.
    fn describe(&self, py: Python<'_>, text: &str) -> PyResult<Description> {
        let task = self.0.describe(text.to_owned());
        wait::wait(py, Some(text), task).map(|described| Description::of(py, text, described))
    }

    /// Begins to describe a statement.
    fn start_describe(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>, text: String) -> Call {
        mailbox.begin(future, self.0.describe(text.clone()), move |py, described| {
            let described = Description::of(py, &text, described.or_raise(py, Some(&text))?);
            Ok(Py::new(py, described)?.into_any())
        })
    }

    /// Is told of commits from now on.
    fn subscribe_to(&self, py: Python<'_>, entities: Vec<String>) -> PyResult<Changes> {
        let task = self.0.subscribe(entities);
        wait::wait(py, None, task).map(Changes)
    }

    /// Begins to be told of commits.
    fn start_subscribe(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>, entities: Vec<String>) -> Call {
        mailbox.begin(future, self.0.subscribe(entities), |py, begun| {
            Ok(Py::new(py, Changes(begun.or_raise(py, None)?))?.into_any())
        })
    }

    /// Begins a transaction of several statements.
    #[pyo3(signature = (isolation = "serializable", read_only = false))]
    fn begin(&self, py: Python<'_>, isolation: &str, read_only: bool) -> PyResult<Transaction> {
        let task = self.0.begin(level(py, isolation)?, access(read_only));
        py.detach(|| task.wait()).map(Transaction).or_raise(py, None)
    }

    /// Begins to begin a transaction.
    fn start_begin(
        &self,
        py: Python<'_>,
        mailbox: &Mailbox,
        future: &Bound<'_, PyAny>,
        isolation: &str,
        read_only: bool,
    ) -> PyResult<Call> {
        let task = self.0.begin(level(py, isolation)?, access(read_only));
        Ok(mailbox.begin(future, task, |py, begun| {
            Ok(Py::new(py, Transaction(begun.or_raise(py, None)?))?.into_any())
        }))
    }

    /// The text of the schema; empty if none was applied.
    fn schema(&self, py: Python<'_>) -> PyResult<String> {
        let task = self.0.schema();
        py.detach(|| task.wait()).or_raise(py, None)
    }

    /// Begins to ask for the text of the schema.
    fn start_schema(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>) -> Call {
        mailbox.begin(future, self.0.schema(), |py, text| {
            Ok(text.or_raise(py, None)?.into_pyobject(py)?.into_any().unbind())
        })
    }

    /// Applies a schema, and returns what changed, in words.
    fn apply_schema(&self, py: Python<'_>, text: &str) -> PyResult<Vec<String>> {
        let task = self.0.apply_schema(text.to_owned());
        applied(py, text, wait::wait(py, Some(text), task))
    }

    /// Begins to apply a schema.
    fn start_apply_schema(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>, text: String) -> Call {
        mailbox.begin(future, self.0.apply_schema(text.clone()), move |py, outcome| {
            Ok(applied(py, &text, outcome.or_raise(py, Some(&text)))?.into_pyobject(py)?.into_any().unbind())
        })
    }

    /// Takes no further statements, and rolls back open transactions.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let task = self.0.close();
        py.detach(|| task.wait()).or_raise(py, None)
    }

    /// Begins to close.
    fn start_close(&self, mailbox: &Mailbox, future: &Bound<'_, PyAny>) -> Call {
        mailbox.begin(future, self.0.close(), |py, closed| {
            closed.or_raise(py, None)?;
            Ok(py.None())
        })
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Whether the database is in this process.
    #[getter]
    fn embedded(&self) -> bool {
        self.0.is_embedded()
    }
}

fn open_options(
    py: Python<'_>,
    create: bool,
    retention_age: Option<f64>,
    retention_bytes: Option<u64>,
    timeout: f64,
) -> PyResult<OpenOptions> {
    let seconds = |name: &str, given: f64| {
        Duration::try_from_secs_f64(given).map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
    };
    let retention_age = retention_age.map(|age| seconds("retention_age", age)).transpose()?;
    Ok(OpenOptions {
        create: if create { Create::IfMissing } else { Create::Never },
        retention: retention_of(retention_age, retention_bytes).or_raise(py, None)?,
        connect_timeout: seconds("timeout", timeout)?,
        name: concat!("ormdb-python ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

fn level(py: Python<'_>, isolation: &str) -> PyResult<Isolation> {
    isolation.parse::<Isolation>().or_raise(py, None)
}

const fn access(read_only: bool) -> Access {
    if read_only { Access::ReadOnly } else { Access::ReadWrite }
}

/// Waits for a statement with the GIL released.
pub(crate) fn run<'py>(py: Python<'py>, text: &str, task: Task<Outcome>) -> PyResult<Bound<'py, PyAny>> {
    outcome::object(py, text, wait::statement(py, text, task)?)
}

/// Begins a statement for an event loop.
pub(crate) fn begin(mailbox: &Mailbox, future: &Bound<'_, PyAny>, text: &str, task: Task<Outcome>) -> Call {
    let text = text.to_owned();
    mailbox.begin(future, task, move |py, outcome| {
        outcome::object(py, &text, outcome.or_raise(py, Some(&text))?).map(Bound::unbind)
    })
}

/// Waits for a statement that gives rows, with the GIL released.
pub(crate) fn run_fetch<'py>(
    py: Python<'py>,
    text: &str,
    task: Task<GraphResult>,
) -> PyResult<Bound<'py, PyAny>> {
    outcome::object(py, text, Outcome::Fetched(wait::statement(py, text, task)?))
}

/// Begins a statement that gives rows for an event loop.
pub(crate) fn begin_fetch(
    mailbox: &Mailbox,
    future: &Bound<'_, PyAny>,
    text: &str,
    task: Task<GraphResult>,
) -> Call {
    let text = text.to_owned();
    mailbox.begin(future, task, move |py, result| {
        let fetched = Outcome::Fetched(result.or_raise(py, Some(&text))?);
        outcome::object(py, &text, fetched).map(Bound::unbind)
    })
}

fn applied(py: Python<'_>, text: &str, outcome: PyResult<SchemaOutcome>) -> PyResult<Vec<String>> {
    match outcome? {
        SchemaOutcome::Applied { changes, .. } => Ok(changes),
        SchemaOutcome::Refused(errors) => Err(exceptions(py, &errors, text)),
    }
}
