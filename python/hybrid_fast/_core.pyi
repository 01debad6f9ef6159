"""What the compiled core exports; checked against the module by mypy's stubtest."""

from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from .progress import Progress

__all__ = [
    "STREAM_VERSION",
    "HybridFastError",
    "InfeasiblePlan",
    "InternalError",
    "InvalidArgument",
    "InvalidShape",
    "NotANumber",
    "NotSupported",
    "PairIndex",
    "Plan",
    "StateMismatch",
    "__version__",
    "audit_plan",
    "cell_columns",
    "fingerprint",
    "id_rows",
    "language_sizes",
    "measure",
    "near_duplicate_clusters",
    "ranks",
    "score_positives",
    "search",
    "take_negatives",
    "topk",
]

_Matrix: TypeAlias = NDArray[np.floating[Any]] | NDArray[np.uint16]

__version__: str
STREAM_VERSION: int

class HybridFastError(ValueError): ...
class InvalidShape(HybridFastError): ...
class InvalidArgument(HybridFastError): ...
class NotANumber(HybridFastError): ...
class InfeasiblePlan(HybridFastError): ...
class StateMismatch(HybridFastError): ...
class NotSupported(HybridFastError): ...
class InternalError(HybridFastError): ...

# Matrices have contiguous columns; uint16 carries the bits of bfloat16.
def topk(
    scores: _Matrix, k: int, threads: int | None = None
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]: ...
def id_rows(rows: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None: ...
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
    precision: str = "auto",
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
def near_duplicate_clusters(
    codes: NDArray[np.uint32],
    indptr: NDArray[np.int64],
    gram: int,
    threshold: float,
    progress: Progress | None = None,
) -> NDArray[np.int64]: ...
def take_negatives(
    indptr: NDArray[np.int64],
    passages: NDArray[np.int64],
    identities: NDArray[np.int64],
    languages: NDArray[np.int16] | None,
    query: NDArray[np.int64],
    identity: NDArray[np.int64],
    language: NDArray[np.int16],
    width: int,
    count: int,
) -> NDArray[np.int64]: ...
def cell_columns(index: PairIndex) -> list[NDArray[np.int64]]: ...

@final
class PairIndex:
    def __new__(
        cls,
        group: NDArray[np.integer[Any]],
        language: NDArray[np.integer[Any]],
        query: NDArray[np.integer[Any]],
        passage: NDArray[np.integer[Any]],
        query_identity: NDArray[np.integer[Any]] | None,
        passage_identity: NDArray[np.integer[Any]] | None,
        languages: int,
        texts: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]] | None = None,
    ) -> PairIndex: ...
    def write(self, path: str, note: bytes) -> None: ...
    @staticmethod
    def open(path: str, verify: bool) -> tuple[PairIndex, bytes]: ...
    def to_bytes(self, note: bytes) -> bytes: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> tuple[PairIndex, bytes]: ...
    def __len__(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def fingerprint(self) -> int: ...
    def strata(self) -> list[NDArray[np.int64]]: ...
    def query_cells(self) -> NDArray[np.bool_]: ...
    def cell_languages(self) -> NDArray[np.int16]: ...
    def pairs(
        self, ids: NDArray[np.int64]
    ) -> tuple[
        NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int16], NDArray[np.int16]
    ]: ...
    def identities(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    @property
    def has_texts(self) -> bool: ...
    def texts(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...

def audit_plan(
    plan: Plan,
    epoch: int,
    batches: int,
    marks: int,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]: ...
def language_sizes(index: PairIndex) -> tuple[list[int], list[int]]: ...

@final
class Plan:
    def __new__(
        cls,
        index: PairIndex,
        *,
        batch_size: int,
        mono_ratio: list[tuple[int, float, float]],
        mixing: str,
        unit: str,
        mono: str,
        cross: str,
        exponent: float | None,
        weights: list[float] | None,
        batches_per_epoch: int | None,
        guard: tuple[bool, bool, bool],
        guard_window: int,
        seed: int,
        mono_weights: list[float] | None = None,
    ) -> Plan: ...
    def __len__(self) -> int: ...
    @staticmethod
    def epoch_length(
        index: PairIndex,
        *,
        batch_size: int,
        exponent: float | None,
        weights: list[float] | None,
        batches_per_epoch: int | None,
        guard_window: int,
    ) -> int: ...
    def with_ratio(
        self, pieces: list[tuple[int, float, float]], changes: list[tuple[int, float]]
    ) -> Plan: ...
    def ratio_at(self, batch: int) -> float: ...
    def ratio_integral(self, batches: int) -> float: ...
    def free_batch(self, batch: int) -> int: ...
    def dealt(self, epoch: int, start: int, stop: int, world_size: int) -> NDArray[np.uint32]: ...
    def shares(self) -> list[tuple[int, int, int, float, int]]: ...
    def frequent(self) -> list[tuple[str, int, tuple[int, int] | None, int, int]]: ...
    def batches(
        self, epoch: int, start: int, stop: int, progress: Progress | None = None
    ) -> dict[str, Any]: ...
