//! What brings the results of asynchronous operations to the event loop that awaits them.
//!
//! A thread that finishes an operation puts the result in and writes one byte if nothing lay there: it needs no GIL. The
//! event loop reads the other end, and takes all that lies there at once.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use ormdb_bindings::{Cancel, Task};
use parking_lot::Mutex;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyAny;

/// Makes the object of a result, with the GIL.
type Finish = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// The results that wait for one event loop.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct Mailbox {
    shared: Arc<Shared>,
    reader: PipeReader,
}

struct Shared {
    ready: Mutex<Vec<Ready>>,
    writer: PipeWriter,
}

struct Ready {
    future: Py<PyAny>,
    end: Arc<Mutex<Option<Py<PyAny>>>>,
    finish: Finish,
}

/// An operation that was begun.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct Call {
    /// The future that will have its result.
    #[pyo3(get)]
    future: Py<PyAny>,
    cancel: Cancel,
    /// The future that waits for the end of what was stopped.
    end: Arc<Mutex<Option<Py<PyAny>>>>,
}

#[pymethods]
impl Call {
    /// Stops it; `end`, a future, gets None when it is over. False where it cannot be stopped.
    fn cancel(&self, end: Py<PyAny>) -> bool {
        *self.end.lock() = Some(end);
        self.cancel.cancel();
        self.cancel.can_stop()
    }
}

#[pymethods]
impl Mailbox {
    #[new]
    fn new() -> PyResult<Mailbox> {
        let (reader, writer) = std::io::pipe().map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Mailbox { shared: Arc::new(Shared { ready: Mutex::default(), writer }), reader })
    }

    /// What the event loop watches for reading.
    fn fileno(&self) -> i32 {
        self.reader.as_raw_fd()
    }

    /// Gives what lies here to the futures that wait for it. To be called when there is something to read.
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        let mut signs = [0; 64];
        let read = (&self.reader).read(&mut signs).map_err(|error| PyOSError::new_err(error.to_string()))?;
        if read == 0 {
            return Ok(());
        }
        for Ready { future, end, finish } in std::mem::take(&mut *self.shared.ready.lock()) {
            let future = future.bind(py);
            // Cancelled, or of an event loop that was closed.
            if is_done(future)? {
                let end = end.lock().take();
                if let Some(end) = end.as_ref().map(|end| end.bind(py))
                    && !is_done(end)?
                {
                    end.call_method1(pyo3::intern!(py, "set_result"), (py.None(),))?;
                }
                continue;
            }
            match finish(py) {
                Ok(object) => future.call_method1(pyo3::intern!(py, "set_result"), (object,))?,
                Err(error) => {
                    future.call_method1(pyo3::intern!(py, "set_exception"), (error.into_value(py),))?
                }
            };
        }
        Ok(())
    }
}

impl Mailbox {
    /// Begins an operation, whose result `finish` makes an object of.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        future: &Bound<'_, PyAny>,
        task: Task<T>,
        finish: impl FnOnce(Python<'_>, ormdb_proto::Result<T>) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Call {
        let cancel = task.cancel_handle();
        let shared = Arc::clone(&self.shared);
        let end = Arc::default();
        let (kept, kept_end) = (future.clone().unbind(), Arc::clone(&end));
        task.then(move |result| {
            shared.put(Ready { future: kept, end: kept_end, finish: Box::new(move |py| finish(py, result)) });
        });
        Call { future: future.clone().unbind(), cancel, end }
    }
}

fn is_done(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    future.call_method0(pyo3::intern!(future.py(), "done"))?.is_truthy()
}

impl Shared {
    fn put(&self, operation: Ready) {
        let mut ready = self.ready.lock();
        let was_empty = ready.is_empty();
        ready.push(operation);
        drop(ready);
        if was_empty {
            // The event loop that would read it is gone where this fails, and nobody waits.
            drop((&self.writer).write(&[1]));
        }
    }
}
