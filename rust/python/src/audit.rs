//! What a plan draws, counted.

use hybrid_fast_core::audit::{Options, audit};
use hybrid_fast_core::sizes;
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::door::enter;
use crate::pairs::PairIndex;
use crate::sampler::Plan;

/// Rows of each language, and its queries that some passage answers.
#[pyfunction]
pub(crate) fn language_sizes(py: Python<'_>, index: &PairIndex) -> PyResult<(Vec<u64>, Vec<u64>)> {
    enter(py, None, |_| {
        let index = &index.inner;
        let all: Vec<usize> = (0..index.languages()).collect();
        Ok((sizes::language_sizes(index)?, index.drawable_queries(&all)?))
    })
}

/// Counts of `batches` batches from the start of an epoch on; columns of strata are aligned with those of the
/// index.
#[pyfunction]
#[pyo3(signature = (plan, epoch, batches, marks, threads=None, progress=None))]
pub(crate) fn audit_plan<'py>(
    py: Python<'py>,
    plan: &Plan,
    epoch: u64,
    batches: u64,
    marks: usize,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = Options { threads, marks };
    let found = enter(py, progress, |tick| {
        plan.inner.index().whole()?;
        audit(&plan.inner, epoch, batches, options, &|done, total| {
            tick(done, total)
        })
    })?;
    let counts = PyDict::new(py);
    for (name, column) in [
        ("strata", found.strata),
        ("pairs", found.pairs),
        ("query_groups", found.query_groups),
        ("passage_groups", found.passage_groups),
        ("query_cells", found.query_cells),
        ("passage_cells", found.passage_cells),
    ] {
        let column: Vec<i64> = column.into_iter().map(|count| count as i64).collect();
        counts.set_item(name, column.into_pyarray(py))?;
    }
    let marks = &found.marks;
    let at: Vec<i64> = marks.iter().map(|mark| mark.at as i64).collect();
    let mono: Vec<i64> = marks.iter().map(|mark| mark.monolingual as i64).collect();
    let asked: Vec<f64> = marks.iter().map(|mark| mark.asked).collect();
    counts.set_item("marks_at", at.into_pyarray(py))?;
    counts.set_item("marks_monolingual", mono.into_pyarray(py))?;
    counts.set_item("marks_asked", asked.into_pyarray(py))?;
    counts.set_item("monolingual", found.monolingual)?;
    counts.set_item("drift", found.drift)?;
    counts.set_item("deviations", found.deviations.into_pyarray(py))?;
    counts.set_item("repeated", found.repeated)?;
    counts.set_item("repeated_texts", found.repeated_texts)?;
    counts.set_item("substitutes", found.substitutes)?;
    counts.set_item("digest", format!("{:032x}", found.digest))?;
    Ok(counts)
}
