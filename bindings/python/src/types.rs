//! Python's own types that values are made of, looked up once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyAny, PyType};

/// The one value of a cell that the session may not see, which is not `None`.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct Withheld;

#[pymethods]
impl Withheld {
    const fn __bool__(&self) -> bool {
        false
    }

    const fn __repr__(&self) -> &'static str {
        "ormdb.WITHHELD"
    }
}

/// The types and functions of Python's library that values need.
pub(crate) struct Types {
    pub(crate) decimal: Py<PyType>,
    pub(crate) uuid: Py<PyType>,
    pub(crate) enumeration: Py<PyType>,
    pub(crate) utc: Py<PyAny>,
    pub(crate) epoch: Py<PyAny>,
    pub(crate) local_epoch: Py<PyAny>,
    pub(crate) json_loads: Py<PyAny>,
    pub(crate) json_dumps: Py<PyAny>,
    pub(crate) uuid_new: Py<PyAny>,
    pub(crate) uuid_safe: Py<PyAny>,
    pub(crate) set_attribute: Py<PyAny>,
    pub(crate) withheld: Py<PyAny>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

impl Types {
    /// The types, looked up when they are first asked for.
    pub(crate) fn get(py: Python<'_>) -> PyResult<&'static Types> {
        TYPES.get_or_try_init(py, || {
            let datetime = py.import("datetime")?;
            let utc = datetime.getattr("timezone")?.getattr("utc")?;
            let class = datetime.getattr("datetime")?;
            let json = py.import("json")?;
            let uuid = py.import("uuid")?;
            let object = py.import("builtins")?.getattr("object")?;
            Ok(Types {
                decimal: py.import("decimal")?.getattr("Decimal")?.cast_into()?.unbind(),
                uuid: uuid.getattr("UUID")?.cast_into()?.unbind(),
                enumeration: py.import("enum")?.getattr("Enum")?.cast_into()?.unbind(),
                epoch: class.call1((1970, 1, 1, 0, 0, 0, 0, &utc))?.unbind(),
                local_epoch: class.call1((1970, 1, 1))?.unbind(),
                utc: utc.unbind(),
                json_loads: json.getattr("loads")?.unbind(),
                json_dumps: json.getattr("dumps")?.unbind(),
                uuid_new: object.getattr("__new__")?.unbind(),
                uuid_safe: uuid.getattr("SafeUUID")?.getattr("unknown")?.unbind(),
                set_attribute: object.getattr("__setattr__")?.unbind(),
                withheld: Py::new(py, Withheld)?.into_any(),
            })
        })
    }
}

/// The one withheld value.
#[pyfunction]
pub(crate) fn withheld(py: Python<'_>) -> PyResult<Py<PyAny>> {
    Ok(Types::get(py)?.withheld.clone_ref(py))
}
