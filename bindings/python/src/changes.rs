//! Being told of commits: what Python's `ormdb.Changes` and `ormdb.aio.Changes` stand on.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::error::OrRaise;
use crate::mailbox::{Call, Mailbox};
use crate::wait;

/// What was committed since the last notice.
#[pyclass(frozen, get_all, module = "ormdb")]
pub(crate) struct Changed {
    /// The newest of these commits; all up to it have been told.
    token: String,
    /// The entities of which rows were written.
    entities: Vec<String>,
    /// The version of the schema, if it changed.
    schema: Option<u64>,
    /// Whether it is not known what was written.
    everything: bool,
}

#[pymethods]
impl Changed {
    fn __repr__(&self) -> String {
        let what = if self.everything { "everything".to_owned() } else { self.entities.join(", ") };
        format!("<ormdb.Changed: {what}>")
    }
}

impl Changed {
    fn of(changed: ormdb_bindings::Changed) -> Changed {
        let ormdb_bindings::Changed { token, entities, schema, everything } = changed;
        Changed { token: token.to_string(), entities, schema, everything }
    }
}

/// A subscription.
#[pyclass(frozen, subclass, module = "ormdb._native")]
pub(crate) struct Changes(pub(crate) ormdb_bindings::Changes);

#[pymethods]
impl Changes {
    /// The version from which on commits are told.
    #[getter]
    fn since(&self) -> String {
        self.0.since().to_string()
    }

    /// The next notice; waits for it, and gives `None` where that takes longer than `timeout` seconds.
    #[pyo3(signature = (timeout = None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Changed>> {
        let task = self.0.next(timeout.map(duration).transpose()?);
        Ok(wait::wait(py, None, task)?.map(Changed::of))
    }

    /// Begins to wait for the next notice.
    #[pyo3(signature = (mailbox, future, timeout = None))]
    fn start_next(
        &self,
        mailbox: &Mailbox,
        future: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<Call> {
        let task = self.0.next(timeout.map(duration).transpose()?);
        Ok(mailbox.begin(future, task, |py, changed| {
            let changed = changed.or_raise(py, None)?.map(Changed::of);
            Ok(changed
                .map(|changed| Py::new(py, changed))
                .transpose()?
                .into_pyobject(py)?
                .into_any()
                .unbind())
        }))
    }

    /// Ends it.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let task = self.0.close();
        py.detach(|| task.wait()).or_raise(py, None)
    }
}

fn duration(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(format!("timeout: {error}")))
}
