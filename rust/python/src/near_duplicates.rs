//! Clusters of near-duplicate texts.

use hybrid_fast_core::near_duplicates::{Texts, clusters};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::slice;
use crate::door::enter;

/// The smallest text of each text's cluster; texts are code points, one after another.
#[pyfunction]
#[pyo3(signature = (codes, indptr, gram, threshold, progress=None))]
pub(crate) fn near_duplicate_clusters<'py>(
    py: Python<'py>,
    codes: PyReadonlyArray1<'py, u32>,
    indptr: PyReadonlyArray1<'py, i64>,
    gram: usize,
    threshold: f64,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let texts = Texts {
        codes: slice(&codes, "codes")?,
        indptr: slice(&indptr, "indptr")?,
    };
    let roots = enter(py, progress, |tick| clusters(texts, gram, threshold, tick))?;
    Ok(roots.into_pyarray(py))
}
