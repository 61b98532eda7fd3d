//! Values of parameters, from what Python has.
//!
//! `None`, bool, int, float, Decimal, str, bytes, UUID, datetime (aware: an instant; naive: of no zone), date, time, timedelta and
//! Interval, list and tuple, dict (a JSON document), and the value of an Enum's member.

use ormdb_bindings::Params;
use ormdb_proto::Value;
use ormdb_proto::value::{Decimal, canonical_json};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDate, PyDateTime, PyDelta, PyDeltaAccess, PyDict, PyFloat, PyInt, PyList,
    PyMemoryView, PyString, PyTime, PyTimeAccess, PyTuple, PyTzInfoAccess,
};

use crate::interval::{Interval, of_delta};
use crate::types::Types;

/// The deepest nesting of lists in a parameter.
const LISTS_DEPTH_MAX: u32 = 32;
/// The day 1970-01-01, as `date.toordinal` counts.
const EPOCH_ORDINAL: i32 = 719_163;

/// A value of a type that Python does not tell from others: a JSON document that is no dict, an int16.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct Typed {
    value: Value,
}

#[pymethods]
impl Typed {
    /// A value of the type of this name: `int16`, `int32`, `int64`, `float32`, `float64`, `decimal`, `string`, `json`.
    #[new]
    fn new(kind: &str, value: &Bound<'_, PyAny>) -> PyResult<Typed> {
        let value = match kind {
            "int16" => Value::Int16(value.extract()?),
            "int32" => Value::Int32(value.extract()?),
            "int64" => Value::Int64(value.extract()?),
            "float32" => Value::Float32(value.extract()?),
            "float64" => Value::Float64(value.extract()?),
            "decimal" => decimal(value)?,
            "string" => Value::String(value.extract()?),
            "json" => json(value)?,
            other => return Err(PyValueError::new_err(format!("there is no type `{other}` to choose"))),
        };
        Ok(Typed { value })
    }

    fn __repr__(&self) -> String {
        format!("ormdb.Typed({}, {})", self.value.type_name(), self.value.to_json())
    }
}

/// The parameters of a statement: of a dict, and of keywords.
pub(crate) fn params(
    given: Option<&Bound<'_, PyDict>>,
    keywords: Option<&Bound<'_, PyDict>>,
) -> PyResult<Params> {
    let mut params = Params::none();
    for dict in [given, keywords].into_iter().flatten() {
        params.0.reserve(dict.len());
        for (name, value) in dict.iter() {
            let name = name.cast::<PyString>()?.to_str()?.to_owned();
            if params.get(&name).is_some() {
                return Err(PyTypeError::new_err(format!("the parameter `{name}` is given twice")));
            }
            let value = self::value(&value, 0).map_err(|error| named(value.py(), error, &name))?;
            params.0.push((name, value));
        }
    }
    Ok(params)
}

/// An error with the parameter that it is of.
fn named(py: Python<'_>, error: PyErr, name: &str) -> PyErr {
    let message = format!("parameter `{name}`: {}", error.value(py));
    if error.is_instance_of::<PyTypeError>(py) {
        PyTypeError::new_err(message)
    } else if error.is_instance_of::<PyOverflowError>(py) {
        PyOverflowError::new_err(message)
    } else if error.is_instance_of::<PyValueError>(py) {
        PyValueError::new_err(message)
    } else {
        error
    }
}

fn value(object: &Bound<'_, PyAny>, depth: u32) -> PyResult<Value> {
    // The most frequent ones first, by their exact types.
    if let Ok(text) = object.cast_exact::<PyString>() {
        return Ok(Value::String(text.to_str()?.to_owned()));
    }
    if object.is_exact_instance_of::<PyInt>() {
        return integer(object);
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    let types = Types::get(object.py())?;
    if object.is_instance(types.enumeration.bind(object.py()))? {
        return value(&object.getattr("value")?, depth);
    }
    if let Ok(float) = object.cast::<PyFloat>() {
        return Ok(Value::Float64(float.value()));
    }
    scalar(object, types, depth)
}

fn scalar(object: &Bound<'_, PyAny>, types: &Types, depth: u32) -> PyResult<Value> {
    let py = object.py();
    if let Ok(instant) = object.cast::<PyDateTime>() {
        return datetime(instant, types);
    }
    if let Ok(date) = object.cast::<PyDate>() {
        let ordinal: i32 = date.call_method0("toordinal")?.extract()?;
        return Ok(Value::Date(ordinal - EPOCH_ORDINAL));
    }
    if let Ok(time) = object.cast::<PyTime>() {
        return time_of_day(time);
    }
    if let Ok(delta) = object.cast::<PyDelta>() {
        return Ok(Value::Interval(of_delta(delta)));
    }
    if let Ok(interval) = object.cast::<Interval>() {
        return Ok(Value::Interval(interval.get().0));
    }
    if object.is_instance(types.decimal.bind(py))? {
        return decimal(object);
    }
    if object.is_instance(types.uuid.bind(py))? {
        let bytes: [u8; 16] = object.getattr("bytes")?.extract()?;
        return Ok(Value::Uuid(bytes));
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
    }
    if object.is_instance_of::<PyByteArray>() || object.is_instance_of::<PyMemoryView>() {
        return Ok(Value::Bytes(py.get_type::<PyBytes>().call1((object,))?.extract()?));
    }
    if object.is_instance_of::<PyDict>() {
        return json(object);
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        if depth == LISTS_DEPTH_MAX {
            return Err(PyValueError::new_err(format!("lists nest more than {LISTS_DEPTH_MAX} deep")));
        }
        return object
            .try_iter()?
            .map(|item| value(&item?, depth + 1))
            .collect::<PyResult<_>>()
            .map(Value::Array);
    }
    if let Ok(typed) = object.cast::<Typed>() {
        return Ok(typed.get().value.clone());
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::String(text.to_str()?.to_owned()));
    }
    // Integers of other libraries.
    if let Ok(index) = object.call_method0("__index__") {
        return integer(&index);
    }
    Err(PyTypeError::new_err(format!("`{}` is no type of values", object.get_type().qualname()?)))
}

fn integer(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    match object.extract::<i64>() {
        Ok(small) => Ok(Value::Int64(small)),
        Err(_) => decimal(object),
    }
}

fn decimal(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let text = object.str()?;
    let text = text.to_str()?;
    let decimal = text.parse::<Decimal>();
    decimal.map(Value::Decimal).map_err(|error| PyOverflowError::new_err(format!("{text}: {error}")))
}

/// A document, by Python's own `json`.
fn json(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let types = Types::get(object.py())?;
    let text: String = types.json_dumps.call1(object.py(), (object,))?.extract(object.py())?;
    let canonical = canonical_json(&text).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Value::Json(canonical))
}

fn datetime(instant: &Bound<'_, PyDateTime>, types: &Types) -> PyResult<Value> {
    let py = instant.py();
    let aware = instant.get_tzinfo().is_some();
    let epoch = if aware { &types.epoch } else { &types.local_epoch };
    let since = instant.sub(epoch.bind(py))?;
    let since = since.cast::<PyDelta>()?;
    let seconds = i64::from(since.get_days()) * 86_400 + i64::from(since.get_seconds());
    let micros = seconds * 1_000_000 + i64::from(since.get_microseconds());
    Ok(if aware { Value::DateTime(micros) } else { Value::LocalDateTime(micros) })
}

fn time_of_day(time: &Bound<'_, PyTime>) -> PyResult<Value> {
    if time.get_tzinfo().is_some() {
        return Err(PyValueError::new_err("a time of day has no zone"));
    }
    let (hour, minute, second) = (time.get_hour(), time.get_minute(), time.get_second());
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Ok(Value::Time(seconds * 1_000_000 + i64::from(time.get_microsecond())))
}
