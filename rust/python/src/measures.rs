//! Ranking measures from ranks.

use hybrid_fast_core::metrics::{Measure, measure as core};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::slice;
use crate::door::enter;

/// Values per query, one array a name. Ranks are float64; infinity is a passage not retrieved.
#[pyfunction]
#[pyo3(signature = (names, indptr, ranks, grades=None))]
#[allow(clippy::needless_pass_by_value)] // pyo3 hands over owned strings
pub(crate) fn measure<'py>(
    py: Python<'py>,
    names: Vec<String>,
    indptr: PyReadonlyArray1<'py, i64>,
    ranks: PyReadonlyArray1<'py, f64>,
    grades: Option<PyReadonlyArray1<'py, i64>>,
) -> PyResult<Vec<Bound<'py, PyArray1<f64>>>> {
    let (indptr, ranks) = (slice(&indptr, "indptr")?, slice(&ranks, "ranks")?);
    let grades = grades
        .as_ref()
        .map(|grades| slice(grades, "grades"))
        .transpose()?;
    let values = enter(py, None, move |_| {
        let measures = names
            .iter()
            .map(|name| Measure::named(name))
            .collect::<Result<Vec<_>, _>>()?;
        core(&measures, indptr, ranks, grades)
    })?;
    Ok(values
        .into_iter()
        .map(|column| PyArray1::from_vec(py, column))
        .collect())
}
