//! Dense top-k and ranks.

use half::bf16;
use hybrid_fast_core::ranks::{self as core, Positives, Tally, Ties};
use hybrid_fast_core::topk::{Scores, topk as core_topk};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList};

use crate::arrays::{Held, matrix, slice};
use crate::door::{enter, pass};
use crate::error::to_py;

/// Best columns of each row: (values, ids).
#[pyfunction]
#[pyo3(signature = (scores, k, threads=None))]
pub(crate) fn topk<'py>(
    py: Python<'py>,
    scores: &Bound<'py, PyAny>,
    k: usize,
    threads: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let held = Held::new(scores, "scores")?;
    macro_rules! best {
        ($view:expr, $given:expr) => {{
            let (view, rows) = ($view, $view.rows());
            let best = enter(py, None, move |tick| core_topk(&view, k, threads, tick))?;
            let values: Vec<_> = $given(best.values);
            (
                matrix(py, values, rows, best.columns)?.into_any(),
                matrix(py, best.ids, rows, best.columns)?.into_any(),
            )
        }};
    }
    Ok(match held.scores("scores")? {
        Scores::F64(view) => best!(view, |values| values),
        Scores::F32(view) => best!(view, |values| values),
        Scores::F16(view) => best!(view, |values| values),
        // NumPy has no type for these.
        Scores::Bf16(view) => best!(view, |values: Vec<bf16>| {
            values.into_iter().map(f32::from).collect()
        }),
    })
}

/// Ranks of the positives, aligned with `ids`: int64, or float64 for the mean of ties.
#[pyfunction]
#[pyo3(signature = (scores, indptr, ids, ties, threads=None))]
pub(crate) fn ranks<'py>(
    py: Python<'py>,
    scores: &Bound<'py, PyAny>,
    indptr: PyReadonlyArray1<'py, i64>,
    ids: PyReadonlyArray1<'py, i64>,
    ties: &str,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let ties = Ties::named(ties).map_err(to_py)?;
    let held = Held::new(scores, "scores")?;
    let (indptr, ids) = (slice(&indptr, "indptr")?, slice(&ids, "ids")?);
    macro_rules! counted {
        ($view:expr) => {{
            let view = $view;
            enter(py, None, move |tick| {
                let positives = Positives::new(indptr, ids, view.rows(), 0, view.columns())?;
                core::ranks(&view, &positives, threads, tick)
            })?
        }};
    }
    let tallies: Vec<Tally> = match held.scores("scores")? {
        Scores::F64(view) => counted!(view),
        Scores::F32(view) => counted!(view),
        Scores::F16(view) => counted!(view),
        Scores::Bf16(view) => counted!(view),
    };
    Ok(match ties {
        Ties::Mean => PyArray1::from_iter(py, tallies.into_iter().map(Tally::mean_rank)).into_any(),
        _ => PyArray1::from_iter(py, tallies.into_iter().map(|tally| tally.rank(ties))).into_any(),
    })
}

/// (indptr, ids) of a list of lists of whole numbers; `None` where it is anything else, or a number does
/// not fit 64 bits: what that means is for the caller to find out.
#[pyfunction]
#[allow(clippy::type_complexity)] // two arrays
pub(crate) fn id_rows<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyList>,
) -> PyResult<Option<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>)>> {
    pass(|| Ok(numbers_of(py, rows)))
}

#[allow(clippy::type_complexity)] // two arrays
fn numbers_of<'py>(
    py: Python<'py>,
    rows: &Bound<'py, PyList>,
) -> Option<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>)> {
    let mut indptr = Vec::with_capacity(rows.len() + 1);
    let mut ids = Vec::with_capacity(rows.len());
    indptr.push(0);
    for row in rows {
        for id in row.cast_exact::<PyList>().ok()? {
            ids.push(id.cast_exact::<PyInt>().ok()?.extract().ok()?);
        }
        indptr.push(ids.len() as i64);
    }
    Some((PyArray1::from_vec(py, indptr), PyArray1::from_vec(py, ids)))
}
