"""What the compiled core exports; checked against the module by mypy's stubtest."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .progress import Progress

_Matrix: TypeAlias = NDArray[np.floating[Any]] | NDArray[np.uint16]

__version__: str

class HybridFastError(ValueError): ...
class InvalidShape(HybridFastError): ...
class InvalidArgument(HybridFastError): ...
class NotANumber(HybridFastError): ...
class InfeasiblePlan(HybridFastError): ...
class StateMismatch(HybridFastError): ...
class NotSupported(HybridFastError): ...

# Matrices have contiguous columns; uint16 carries the bits of bfloat16.
def topk(
    scores: _Matrix, k: int, threads: int | None = None
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]: ...
def ranks(
    scores: _Matrix,
    indptr: NDArray[np.int64],
    ids: NDArray[np.int64],
    ties: str,
    threads: int | None = None,
) -> NDArray[Any]: ...
def search(
    queries: _Matrix,
    passages: _Matrix,
    k: int,
    first_id: int,
    corpus: int,
    labels: NDArray[np.uint32] | None,
    indptr: NDArray[np.int64] | None,
    ids: NDArray[np.int64] | None,
    scores: NDArray[np.float32] | None,
    positive_labels: NDArray[np.uint32] | None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]: ...
def score_positives(
    queries: _Matrix,
    passages: _Matrix,
    indptr: NDArray[np.int64],
    ids: NDArray[np.int64],
    threads: int | None = None,
) -> NDArray[np.float32]: ...
def fingerprint(embeddings: _Matrix) -> int: ...
def measure(
    names: list[str],
    indptr: NDArray[np.int64],
    ranks: NDArray[np.float64],
    grades: NDArray[np.int64] | None = None,
) -> list[NDArray[np.float64]]: ...
