"""Every error raised on bad input; all are ``ValueError`` under :class:`HybridFastError`."""

from ._core import (
    HybridFastError,
    InfeasiblePlan,
    InternalError,
    InvalidArgument,
    InvalidShape,
    NotANumber,
    NotSupported,
    StateMismatch,
)

__all__ = [
    "ConfigError",
    "CorpusError",
    "HybridFastError",
    "InfeasiblePlan",
    "InternalError",
    "InvalidArgument",
    "InvalidShape",
    "ModelError",
    "NotANumber",
    "NotSupported",
    "RunError",
    "StateMismatch",
]


class ConfigError(HybridFastError):
    """A configuration value that is missing, unknown or out of range."""


class CorpusError(HybridFastError):
    """A data file that is missing, malformed, truncated or empty; the message names file and line."""


class ModelError(HybridFastError):
    """A model folder that cannot be loaded: no tokenizer, no weights, not an encoder."""


class RunError(HybridFastError):
    """A run, sweep or report folder that is not one, or is incomplete."""
