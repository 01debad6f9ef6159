//! The one place where a core error becomes a Python exception.

use hybrid_fast_core::Error;
use pyo3::create_exception;
use pyo3::exceptions::{PyIndexError, PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;

create_exception!(
    _core,
    HybridFastError,
    PyValueError,
    "Base of every error that hybrid_fast raises on bad input."
);
create_exception!(
    _core,
    InvalidShape,
    HybridFastError,
    "Shapes or lengths that do not fit together."
);
create_exception!(
    _core,
    InvalidArgument,
    HybridFastError,
    "An argument outside its range."
);
create_exception!(
    _core,
    NotANumber,
    HybridFastError,
    "A NaN in the scores or inputs, with its position."
);
create_exception!(
    _core,
    InfeasiblePlan,
    HybridFastError,
    "The data cannot fill the batches that were asked for."
);
create_exception!(
    _core,
    StateMismatch,
    HybridFastError,
    "A saved state of another index, configuration or stream version."
);
create_exception!(
    _core,
    InternalError,
    HybridFastError,
    "A fault of hybrid_fast itself; please report it."
);
create_exception!(
    _core,
    NotSupported,
    HybridFastError,
    "A feature that is named and not built yet."
);

/// Maps every core error to its exception; a new variant fails to compile until it is mapped.
pub(crate) fn to_py(error: Error) -> PyErr {
    match error {
        Error::InvalidShape(m) => InvalidShape::new_err(m),
        Error::InvalidArgument(m) => InvalidArgument::new_err(m),
        Error::OutOfRange(m) => PyIndexError::new_err(m),
        Error::NotANumber(m) => NotANumber::new_err(m),
        Error::InfeasiblePlan(m) => InfeasiblePlan::new_err(m),
        Error::StateMismatch(m) => StateMismatch::new_err(m),
        Error::NotSupported(m) => NotSupported::new_err(m),
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
    }
}
