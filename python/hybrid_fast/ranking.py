"""Top-k and exact ranks of positives in a matrix of scores, under one total order: score down, id up."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._core import ranks as core_ranks
from ._core import topk as core_topk
from .arrays import Matrix, Positives, count_of, id_rows, matrix, thread_count, whole_numbers
from .errors import InvalidArgument, InvalidShape

Ties: TypeAlias = Literal["id", "trec_eval", "worst", "mean"]


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of each query's positives, in compressed sparse rows.

    Attributes:
        indptr: int64, one entry more than there are queries.
        values: ranks from 1, aligned with the positives; int64, or float64 with ``ties="mean"``.
    """

    indptr: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.float64]

    def __post_init__(self) -> None:
        indptr = whole_numbers(self.indptr, "indptr of ranks")
        values: NDArray[Any] = np.asarray(self.values)
        if values.dtype.kind != "f":
            values = whole_numbers(self.values, "ranks")
        if len(indptr) == 0 or indptr[0] != 0 or indptr[-1] != len(values) or np.any(np.diff(indptr) < 0):
            raise InvalidShape(f"indptr of ranks does not cut {len(values)} ranks into rows")
        object.__setattr__(self, "indptr", indptr)
        object.__setattr__(self, "values", np.ascontiguousarray(values))

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.indptr) - 1

    def __getitem__(self, query: int) -> NDArray[Any]:
        """Return the ranks of one query's positives."""
        if not -len(self) <= query < len(self):
            raise IndexError(f"there are {len(self)} queries, no query {query}")
        query %= len(self)
        return self.values[self.indptr[query] : self.indptr[query + 1]]


@dataclass(frozen=True, eq=False)
class PoolRanks:
    """Ranks of each positive among the passages of its own label.

    Attributes:
        indptr: int64, one entry more than there are queries.
        values: int64 ranks from 1, aligned with the positives.
        labels: the pools.
        codes: position in ``labels`` of each positive's pool.
    """

    indptr: NDArray[np.int64]
    values: NDArray[np.int64]
    labels: tuple[Hashable, ...]
    codes: NDArray[np.uint32]

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.indptr) - 1

    def mask(self, label: Hashable) -> NDArray[np.bool_]:
        """Return, aligned with the positives, which of them belong to the pool ``label``.

        Raises:
            InvalidArgument: there is no such pool.
        """
        if label not in self.labels:
            known = ", ".join(map(repr, self.labels[:20])) + (", …" if len(self.labels) > 20 else "")
            raise InvalidArgument(f"no pool {label!r}; there are {known or 'none'}")
        return np.equal(self.codes, self.labels.index(label))

    def select(self, label: Hashable) -> Ranks:
        """Return the ranks of the positives in one pool; a query may have none.

        Grades to go with them are ``grades[pool_ranks.mask(label)]``.

        Raises:
            InvalidArgument: there is no such pool.
        """
        mask = self.mask(label)
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(mask, dtype=np.int64)])
        return Ranks(before[self.indptr], self.values[mask])


def topk(scores: Matrix, k: int, *, threads: int | None = None) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the ``k`` best passages of each query: greater score first, equal scores by smaller id.

    −0 equals +0 and ±∞ are ordinary scores.

    Args:
        scores: matrix [queries, passages] of float64, float32, float16 or bfloat16: NumPy array, memory
            map or torch CPU tensor. Rows may be strided, columns must be contiguous; it is read in
            place and must not be written to meanwhile.
        k: passages to keep; more than there are gives all of them.
        threads: default: the first of ``HYBRID_FAST_THREADS``, ``RAYON_NUM_THREADS`` and
            ``OMP_NUM_THREADS`` that is set, else all cores. Never changes the result.

    Returns:
        Values [queries, min(k, passages)] in the type of ``scores`` (bfloat16 becomes float32), and
        int64 ids of the same shape.

    Raises:
        NotANumber: a NaN, with its position.
        TypeError: another element type; nothing is cast silently.
        InvalidArgument: Fortran order, or a negative ``k``.

    Example:
        >>> values, ids = topk(np.array([[0.1, 0.7, 0.7, 0.2]]), 2)
        >>> ids.tolist()
        [[1, 2]]
    """
    values, ids = core_topk(matrix(scores, "scores"), count_of(k, "k", 0), thread_count(threads))
    return values, ids


def ranks(scores: Matrix, positives: Positives, *, ties: Ties = "id", threads: int | None = None) -> Ranks:
    """Return the exact rank of every positive among all passages of its query, without sorting.

    Args:
        scores: matrix [queries, passages], as for :func:`topk`.
        positives: golds of each query: a list of id lists, or a tuple (indptr, ids) in compressed
            sparse rows; any integer type, empty rows allowed, no id twice in a row.
        ties: rank = 1 + passages with a greater score + of those with an equal score: ``"id"`` the ones
            with a smaller id, ``"trec_eval"`` the ones with a greater id, ``"worst"`` all others,
            ``"mean"`` half of the others.
        threads: default: the first of ``HYBRID_FAST_THREADS``, ``RAYON_NUM_THREADS`` and
            ``OMP_NUM_THREADS`` that is set, else all cores. Never changes the result.

    Returns:
        Ranks aligned with the positives: int64, or float64 with ``ties="mean"``.

    Raises:
        NotANumber: a NaN, with its position.
        InvalidShape, InvalidArgument: positives that do not fit the scores, or hold an id twice.

    Example:
        >>> ranks(np.array([[0.1, 0.7, 0.7, 0.2]]), [[3, 2]]).values.tolist()
        [3, 2]
    """
    indptr, ids = id_rows(positives)
    values = core_ranks(matrix(scores, "scores"), indptr, ids, ties, thread_count(threads))
    return Ranks(indptr, values)
