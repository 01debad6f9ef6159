//! The compiled module `hybrid_fast._core`: a table of contents of what crosses into Rust.

mod arrays;
mod audit;
mod columns;
mod door;
mod error;
mod measures;
mod near_duplicates;
mod negatives;
mod pairs;
mod ranking;
mod sampler;
mod searching;

/// The Rust core of hybrid_fast; use it through the `hybrid_fast` package.
#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use super::audit::{audit_plan, language_sizes};
    #[pymodule_export]
    use super::error::{
        HybridFastError, InfeasiblePlan, InternalError, InvalidArgument, InvalidShape, NotANumber,
        NotSupported, StateMismatch,
    };
    #[pymodule_export]
    use super::measures::measure;
    #[pymodule_export]
    use super::near_duplicates::near_duplicate_clusters;
    #[pymodule_export]
    use super::negatives::{cell_columns, take_negatives};
    #[pymodule_export]
    use super::pairs::PairIndex;
    #[pymodule_export]
    use super::ranking::{id_rows, ranks, topk};
    #[pymodule_export]
    use super::sampler::Plan;
    #[pymodule_export]
    use super::searching::{fingerprint, score_positives, search};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::door::keep_panics();
        module.add("STREAM_VERSION", hybrid_fast_core::plan::STREAM_VERSION)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
