//! The one error type of the crate.

use std::fmt;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in one sentence a user can act on.
///
/// Each variant maps to one Python exception; the binding's `match` has no wildcard arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Shapes or lengths that do not fit together.
    InvalidShape(String),
    /// An argument outside its range.
    InvalidArgument(String),
    /// An index past the end (of a matrix, an index or a plan).
    OutOfRange(String),
    /// A NaN score or input, with its position.
    NotANumber(String),
    /// The data cannot fill the batches that were asked for.
    InfeasiblePlan(String),
    /// A saved state that belongs to another index, configuration or stream version.
    StateMismatch(String),
    /// A feature that is named in the design and not built yet.
    NotSupported(String),
    /// The caller's progress callback asked to stop.
    Interrupted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidShape(m)
            | Self::InvalidArgument(m)
            | Self::OutOfRange(m)
            | Self::NotANumber(m)
            | Self::InfeasiblePlan(m)
            | Self::StateMismatch(m)
            | Self::NotSupported(m) => f.write_str(m),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
