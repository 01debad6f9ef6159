//! What a plan draws, counted.

use hybrid_fast_core::sizes;
use pyo3::prelude::*;

use crate::pairs::PairIndex;

/// Rows of each language, and its queries that some passage answers.
#[pyfunction]
pub(crate) fn language_sizes(py: Python<'_>, index: &PairIndex) -> (Vec<u64>, Vec<u64>) {
    py.detach(|| {
        let index = &index.inner;
        let all: Vec<usize> = (0..index.languages()).collect();
        let drawable = |&language: &usize| index.drawable_queries(language, &all);
        (
            sizes::language_sizes(index),
            all.iter().map(drawable).collect(),
        )
    })
}
