//! What statements give, as Python sees it.

use std::sync::Arc;

use ormdb_bindings::{MutationResult, Outcome};
use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::layout::Layout;
use crate::result::{Node, Result};

/// What a write did.
#[pyclass(frozen, get_all, module = "ormdb")]
pub(crate) struct Written {
    /// How many rows it created, nested writes included.
    created: u64,
    /// How many rows it updated.
    updated: u64,
    /// How many rows it deleted.
    deleted: u64,
    /// The version that has the write.
    token: String,
    /// The rows that the statement returns, where it has a `return`.
    returned: Option<Py<Result>>,
}

/// A statement about a transaction was carried out.
#[pyclass(frozen, get_all, module = "ormdb")]
pub(crate) struct Done {
    /// The version of a commit that wrote.
    token: Option<String>,
}

/// The plan of a fetch.
#[pyclass(frozen, get_all, module = "ormdb")]
pub(crate) struct Explanation {
    /// For people.
    text: String,
    /// For tools: a JSON document.
    json: String,
}

/// What a statement takes and gives.
#[pyclass(frozen, module = "ormdb")]
pub(crate) struct Description {
    params: Vec<(String, Option<String>)>,
    layout: Option<Arc<Layout>>,
}

impl Description {
    pub(crate) fn of(py: Python<'_>, text: &str, described: ormdb_bindings::Description) -> Description {
        let ormdb_bindings::Description { params, shape } = described;
        let params = params.into_iter().map(|param| (param.name, param.ty)).collect();
        // The first result of the statement finds it there.
        let layout = shape.map(|shape| Layout::of(py, text, &Arc::new(shape)));
        Description { params, layout }
    }
}

#[pymethods]
impl Description {
    /// The parameters: name, and type as a schema writes it, or `None` where the place takes several types.
    #[getter]
    fn params(&self) -> Vec<(String, Option<String>)> {
        self.params.clone()
    }

    /// The nodes of the rows, as `Result.shape` has them; `None` where there are none, or a parameter decides.
    #[getter]
    fn shape(&self, py: Python<'_>) -> Option<Vec<Node>> {
        self.layout.as_ref().map(|layout| Node::all(py, layout))
    }

    fn __repr__(&self) -> String {
        let params =
            self.params.iter().map(|(name, ty)| format!("${name}: {}", ty.as_deref().unwrap_or("?")));
        format!("<ormdb.Description: {}>", params.collect::<Vec<_>>().join(", "))
    }
}

#[pymethods]
impl Written {
    fn __repr__(&self) -> String {
        let Written { created, updated, deleted, .. } = self;
        format!("<ormdb.Written: {created} created, {updated} updated, {deleted} deleted>")
    }
}

#[pymethods]
impl Done {
    const fn __repr__(&self) -> &'static str {
        "<ormdb.Done>"
    }
}

#[pymethods]
impl Explanation {
    fn __str__(&self) -> &str {
        &self.text
    }

    const fn __repr__(&self) -> &'static str {
        "<ormdb.Explanation>"
    }
}

/// The object of an outcome.
pub(crate) fn object<'py>(py: Python<'py>, text: &str, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
    Ok(match outcome {
        Outcome::Fetched(result) => Bound::new(py, Result::whole(py, text, result))?.into_any(),
        Outcome::Written(MutationResult { created, updated, deleted, token, returned }) => {
            let returned = returned.map(|result| Py::new(py, Result::whole(py, text, result))).transpose()?;
            let token = token.to_string();
            Bound::new(py, Written { created, updated, deleted, token, returned })?.into_any()
        }
        Outcome::Explained(plan) => {
            Bound::new(py, Explanation { text: plan.text, json: plan.json })?.into_any()
        }
        Outcome::Done { token } => {
            Bound::new(py, Done { token: token.map(|token| token.to_string()) })?.into_any()
        }
    })
}
