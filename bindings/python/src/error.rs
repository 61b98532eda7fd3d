//! Errors of ormDB as Python exceptions.
//!
//! The classes are Python's (`ormdb.errors`): a base, a class for each kind, and one for each code that programs catch.

use ormdb_proto::{Error, ErrorCode};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception of an error; `source` is the text of the statement, whose line it shows.
pub(crate) fn exception(py: Python<'_>, error: &Error, source: Option<&str>) -> PyErr {
    make(py, error, source).unwrap_or_else(|failed| failed)
}

/// The exception of everything that is wrong with a schema: the first, which has all of them.
pub(crate) fn exceptions(py: Python<'_>, errors: &[Error], source: &str) -> PyErr {
    let Some(first) = errors.first() else {
        let unknown = Error::new(ErrorCode::Internal, "the schema was refused without a reason");
        return exception(py, &unknown, None);
    };
    let first = exception(py, first, Some(source));
    let others = errors.iter().skip(1).map(|error| exception(py, error, Some(source)).into_value(py));
    let all = std::iter::once(first.value(py).clone().unbind()).chain(others).collect::<Vec<_>>();
    match first.value(py).setattr("errors", all) {
        Ok(()) => first,
        Err(failed) => failed,
    }
}

fn make(py: Python<'_>, error: &Error, source: Option<&str>) -> PyResult<PyErr> {
    let make = MAKE.get_or_try_init(py, || py.import("ormdb.errors")?.getattr("make").map(Bound::unbind))?;
    let detail = PyDict::new(py);
    let of = &error.detail;
    let texts = [
        ("entity", &of.entity),
        ("field", &of.field),
        ("constraint", &of.constraint),
        ("key", &of.key),
        ("suggestion", &of.suggestion),
        ("hint", &of.hint),
        ("file", &of.file),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            detail.set_item(name, text)?;
        }
    }
    if let Some(span) = &of.span {
        detail.set_item("span", (span.start, span.end, span.line, span.column))?;
    }
    if let Some(limit) = &of.limit {
        detail.set_item("limit", (&limit.name, limit.allowed, limit.asked))?;
    }
    if let Some(maybe) = of.maybe_executed {
        detail.set_item("maybe_executed", maybe)?;
    }
    let (code, kind) = (error.code.name(), kind(error));
    let made =
        make.call1(py, (code, kind, error.sqlstate(), &error.message, detail, error.render(source)))?;
    Ok(PyErr::from_value(made.into_bound(py)))
}

const fn kind_name(kind: ormdb_proto::ErrorKind) -> &'static str {
    use ormdb_proto::ErrorKind as K;
    match kind {
        K::Retry => "retry",
        K::FixTheRequest => "fix_the_request",
        K::Denied => "denied",
        K::OverBudget => "over_budget",
        K::Unavailable => "unavailable",
        K::Corrupt => "corrupt",
        K::Bug => "bug",
    }
}

fn kind(error: &Error) -> &'static str {
    kind_name(error.kind())
}

/// An error on its way to Python.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception of the error.
    fn or_raise(self, py: Python<'_>, source: Option<&str>) -> PyResult<T>;
}

impl<T> OrRaise<T> for ormdb_proto::Result<T> {
    fn or_raise(self, py: Python<'_>, source: Option<&str>) -> PyResult<T> {
        self.map_err(|error| exception(py, &error, source))
    }
}
