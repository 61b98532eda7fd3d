//! Spans of months, days and microseconds, which `timedelta` cannot hold.

use ormdb_proto::value;
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDeltaAccess};

/// A span whose parts do not convert into each other: a month is no number of days.
#[pyclass(frozen, eq, hash, from_py_object, module = "ormdb")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Interval(pub(crate) value::Interval);

#[pymethods]
impl Interval {
    #[new]
    #[pyo3(signature = (months = 0, days = 0, microseconds = 0))]
    const fn new(months: i32, days: i32, microseconds: i64) -> Interval {
        Interval(value::Interval { months, days, micros: microseconds })
    }

    /// Reads `P1Y2M3DT4H5M6S` or `1 year 3 days 04:05:06`.
    #[staticmethod]
    fn parse(text: &str) -> PyResult<Interval> {
        text.parse()
            .map(Interval)
            .map_err(|error: value::ParseIntervalError| PyValueError::new_err(error.to_string()))
    }

    /// The span of a `timedelta`, in days and microseconds.
    #[staticmethod]
    fn of(delta: &Bound<'_, PyDelta>) -> Interval {
        Interval(of_delta(delta))
    }

    #[getter]
    const fn months(&self) -> i32 {
        self.0.months
    }

    #[getter]
    const fn days(&self) -> i32 {
        self.0.days
    }

    #[getter]
    const fn microseconds(&self) -> i64 {
        self.0.micros
    }

    /// As a `timedelta`, if there are no months.
    fn timedelta<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDelta>> {
        if self.0.months != 0 {
            return Err(PyValueError::new_err("a month is no number of days"));
        }
        let too_long = |_| PyOverflowError::new_err("the interval is too long for a timedelta");
        let seconds = self.0.micros.div_euclid(1_000_000);
        let days = i64::from(self.0.days) + seconds.div_euclid(86_400);
        let days = i32::try_from(days).map_err(too_long)?;
        let seconds = i32::try_from(seconds.rem_euclid(86_400)).map_err(too_long)?;
        let micros = i32::try_from(self.0.micros.rem_euclid(1_000_000)).map_err(too_long)?;
        PyDelta::new(py, days, seconds, micros, false)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        let value::Interval { months, days, micros } = self.0;
        format!("Interval(months={months}, days={days}, microseconds={micros})")
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, (i32, i32, i64))> {
        let class = py.get_type::<Interval>().into_any().unbind();
        Ok((class, (self.0.months, self.0.days, self.0.micros)))
    }
}

/// The interval of a `timedelta`.
pub(crate) fn of_delta(delta: &Bound<'_, PyDelta>) -> value::Interval {
    let micros = i64::from(delta.get_seconds()) * 1_000_000 + i64::from(delta.get_microseconds());
    value::Interval { months: 0, days: delta.get_days(), micros }
}
