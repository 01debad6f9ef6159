//! Streaming search and the scores of positives.

use hybrid_fast_core::ranks::{Positives, Tally, Ties};
use hybrid_fast_core::search::{Precision, Search, Targets, score_positives as core_scores};
use numpy::{PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::arrays::{Held, matrix, slice};
use crate::door::enter;
use crate::error::to_py;

/// (ids, scores, passages ahead of each positive, the same within the positive's own pool).
type Found<'py> = (
    Bound<'py, PyArray2<i64>>,
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<i64>>,
);

/// Top-k of every query, and for each positive how many passages come before it. Positives may lie in
/// `0 .. corpus`, also outside these passages, which are `first_id .. first_id + len(passages)`.
#[pyfunction]
#[pyo3(signature = (queries, passages, k, first_id, corpus, labels, indptr, ids, scores, positive_labels, threads=None, progress=None, precision="auto"))]
#[allow(clippy::too_many_arguments)] // a private joint: the Python face gathers them by name
pub(crate) fn search<'py>(
    py: Python<'py>,
    queries: &Bound<'py, PyAny>,
    passages: &Bound<'py, PyAny>,
    k: usize,
    first_id: usize,
    corpus: usize,
    labels: Option<PyReadonlyArray1<'py, u32>>,
    indptr: Option<PyReadonlyArray1<'py, i64>>,
    ids: Option<PyReadonlyArray1<'py, i64>>,
    scores: Option<PyReadonlyArray1<'py, f32>>,
    positive_labels: Option<PyReadonlyArray1<'py, u32>>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
    precision: &str,
) -> PyResult<Found<'py>> {
    let precision = Precision::named(precision).map_err(to_py)?;
    let held = (
        Held::new(queries, "queries")?,
        Held::new(passages, "passages")?,
    );
    let (queries, passages) = (
        held.0.embeddings("queries")?,
        held.1.embeddings("passages")?,
    );
    let labels = labels
        .as_ref()
        .map(|labels| slice(labels, "pools"))
        .transpose()?;
    let own = positive_labels
        .as_ref()
        .map(|own| slice(own, "positive labels"))
        .transpose()?;
    let given = match (&indptr, &ids, &scores) {
        (Some(indptr), Some(ids), Some(scores)) => Some((
            slice(indptr, "indptr")?,
            slice(ids, "ids")?,
            slice(scores, "positive scores")?,
        )),
        _ => None,
    };
    let found = enter(py, progress, move |tick| {
        let targets = match given {
            Some((indptr, ids, scores)) => Some(Targets {
                positives: Positives::new(indptr, ids, queries.rows(), 0, corpus)?,
                scores,
                labels: own,
            }),
            None => None,
        };
        Search {
            queries,
            passages,
            k,
            first_id,
            labels,
            targets,
            precision,
            threads,
        }
        .run(tick)
    })?;
    let ahead = |tallies: Vec<Tally>| {
        PyArray1::from_iter(
            py,
            tallies.into_iter().map(|tally| tally.rank(Ties::Id) - 1),
        )
    };
    Ok((
        matrix(py, found.ids, queries.rows(), found.columns)?,
        matrix(py, found.scores, queries.rows(), found.columns)?,
        ahead(found.tallies),
        ahead(found.pool_tallies),
    ))
}

/// The score of each positive; ids are rows of `passages`.
#[pyfunction]
#[pyo3(signature = (queries, passages, indptr, ids, threads=None))]
pub(crate) fn score_positives<'py>(
    py: Python<'py>,
    queries: &Bound<'py, PyAny>,
    passages: &Bound<'py, PyAny>,
    indptr: PyReadonlyArray1<'py, i64>,
    ids: PyReadonlyArray1<'py, i64>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let held = (
        Held::new(queries, "queries")?,
        Held::new(passages, "passages")?,
    );
    let (queries, passages) = (
        held.0.embeddings("queries")?,
        held.1.embeddings("passages")?,
    );
    let (indptr, ids) = (slice(&indptr, "indptr")?, slice(&ids, "ids")?);
    let scores = enter(py, None, move |_| {
        let positives = Positives::new(indptr, ids, queries.rows(), 0, passages.rows())?;
        core_scores(&queries, &passages, &positives, 0, threads)
    })?;
    Ok(PyArray1::from_vec(py, scores))
}

/// A 64-bit hash of a matrix's shape and values.
#[pyfunction]
pub(crate) fn fingerprint(py: Python<'_>, embeddings: &Bound<'_, PyAny>) -> PyResult<u64> {
    let held = Held::new(embeddings, "embeddings")?;
    let embeddings = held.embeddings("embeddings")?;
    enter(py, None, move |_| Ok(embeddings.fingerprint()))
}
