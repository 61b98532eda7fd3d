//! Waiting with the GIL released, such that Ctrl-C ends it.
//!
//! Python runs handlers of signals in its main thread alone, which therefore must not be lost in a statement of the engine. A
//! statement that is not known to be short is carried out on another thread, while this one looks after signals; one that was
//! short the last time is carried out here, which saves some microseconds.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ormdb_bindings::Task;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::error::OrRaise;

/// What took longer is not short.
const SHORT_MAX: Duration = Duration::from_millis(20);
/// How many statements are known to be short.
const KNOWN_MAX: usize = 4096;

/// The statements that were short the last time.
static SHORT: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// Waits for an operation that may take long.
pub(crate) fn wait<T: Send + 'static>(py: Python<'_>, source: Option<&str>, task: Task<T>) -> PyResult<T> {
    let mut raised = None;
    let result = py.detach(|| {
        task.wait_unless(|| {
            // Handlers of signals run in here, and Ctrl-C's raises.
            let handled = Python::attach(|py| py.check_signals());
            handled.map_err(|error| raised = Some(error)).is_err()
        })
    });
    match raised {
        Some(error) => Err(error),
        None => result.or_raise(py, source),
    }
}

/// Waits for a statement.
#[expect(
    clippy::disallowed_methods,
    reason = "the time decides on which thread a statement runs, and nothing else"
)]
pub(crate) fn statement<T: Send + 'static>(py: Python<'_>, text: &str, task: Task<T>) -> PyResult<T> {
    if !task.runs_here() {
        return wait(py, Some(text), task);
    }
    let is_short = SHORT.lock().as_ref().is_some_and(|short| short.contains(text));
    let started = Instant::now();
    let result = if is_short {
        py.detach(|| task.wait()).or_raise(py, Some(text))
    } else {
        wait(py, Some(text), task)
    };
    let was_short = started.elapsed() <= SHORT_MAX;
    if was_short != is_short {
        let mut short = SHORT.lock();
        let short = short.get_or_insert_default();
        if !was_short {
            short.remove(text);
        } else {
            if short.len() >= KNOWN_MAX {
                short.clear();
            }
            short.insert(text.to_owned());
        }
    }
    result
}
