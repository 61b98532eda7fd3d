//! A pause of Python's cycle collector while many objects are made.
//!
//! Rows hold values and rows below them, never what holds them: there are no cycles to be found among them, and looking for
//! some after every seven hundred of them takes a good part of the time.

use pyo3::prelude::*;
use pyo3::types::PyModule;

/// From how many rows on a pause is worth its calls.
const ROWS_MIN: usize = 500;

/// The collector does not run while this is there. Nothing but the maker of rows runs meanwhile: the GIL is held.
pub(crate) struct Pause<'py> {
    collector: Option<Bound<'py, PyModule>>,
}

impl<'py> Pause<'py> {
    /// Begins a pause, if there are many rows and the collector is on.
    pub(crate) fn of(py: Python<'py>, rows: usize) -> PyResult<Pause<'py>> {
        if rows < ROWS_MIN {
            return Ok(Pause { collector: None });
        }
        let collector = py.import(pyo3::intern!(py, "gc"))?;
        if !collector.call_method0(pyo3::intern!(py, "isenabled"))?.is_truthy()? {
            return Ok(Pause { collector: None });
        }
        collector.call_method0(pyo3::intern!(py, "disable"))?;
        Ok(Pause { collector: Some(collector) })
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        if let Some(collector) = &self.collector {
            // It takes no arguments, and does not fail.
            drop(collector.call_method0(pyo3::intern!(collector.py(), "enable")));
        }
    }
}
