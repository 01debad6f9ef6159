"""Hard negatives: for each query, passages that resemble its answer and are none, best first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument, InvalidShape

Int64s = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HardNegatives:
    """Candidate passages of each query row, best first, in compressed sparse rows.

    Attributes:
        indptr: int64, one entry more than there are lists: list q belongs to query row q.
        passages: int64 passage rows.
        identities: int64, the passage identity of each entry, -1 where it has several and is left out;
            None: that of the index, and a passage that is not in the index has one of its own.
        languages: int16, the language of each entry; None: that of the index.
    """

    indptr: Int64s
    passages: Int64s
    identities: Int64s | None = None
    languages: NDArray[np.int16] | None = None

    @classmethod
    def of(
        cls, given: HardNegatives | Mapping[int, ArrayLike] | tuple[ArrayLike, ArrayLike] | ArrayLike
    ) -> HardNegatives:
        """Take lists in any of the forms that :class:`~hybrid_fast.HybridBatchSampler` takes.

        Args:
            given: an integer array [queries, n] with -1 for none, a list of lists, a mapping from query
                rows to passage rows, or a pair (indptr, passage rows).

        Raises:
            InvalidShape: bounds that do not fit the rows, or an array that has not two dimensions.
            InvalidArgument: a row below 0 (below -1 in an array).
            TypeError: rows that are no integers.
        """
        if isinstance(given, HardNegatives):
            return given
        if isinstance(given, Mapping):
            return _of_mapping(given)
        if isinstance(given, tuple) and len(given) == 2:
            indptr, passages = (_rows(one) for one in given)
            bad = len(indptr) == 0 or indptr[0] != 0 or indptr[-1] != len(passages)
            if indptr.ndim != 1 or passages.ndim != 1 or bad or (np.diff(indptr) < 0).any():
                raise InvalidShape(
                    f"the bounds of the hard negatives must rise from 0 to their number, {len(passages)}"
                )
            _no_less(passages, 0)
            return cls(indptr, passages)
        if isinstance(given, list):
            lists = [_rows(one) for one in given]
            _no_less(np.concatenate([np.zeros(0, np.int64), *lists]), -1)
            return _of_mapping({query: one[one >= 0] for query, one in enumerate(lists)})
        rows = _rows(given)
        if rows.ndim != 2:
            raise InvalidShape(f"hard_negatives has shape {rows.shape}, expected [queries, negatives]")
        _no_less(rows, -1)
        held = rows >= 0
        return cls(_bounds(held.sum(axis=1)), rows[held])

    def __len__(self) -> int:
        """Return the number of lists."""
        return len(self.indptr) - 1

    def __getitem__(self, query: int) -> Int64s:
        """Return the list of a query row."""
        return self.passages[self.indptr[query] : self.indptr[query + 1]]

    def __repr__(self) -> str:
        return f"HardNegatives({len(self.passages):,} passages for {len(self):,} queries)"

    def keep(self, kept: NDArray[np.bool_]) -> HardNegatives:
        """Return the lists with only some of their entries."""
        query = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        return HardNegatives(
            _bounds(np.bincount(query[kept], minlength=len(self))),
            self.passages[kept],
            None if self.identities is None else self.identities[kept],
            None if self.languages is None else self.languages[kept],
        )


def _of_mapping(given: Mapping[int, ArrayLike]) -> HardNegatives:
    queries = _rows(list(given))
    _no_less(queries, 0)
    lists = [_rows(given[key]) for key in given]
    counts = np.zeros(int(queries.max(initial=-1)) + 1, np.int64)
    counts[queries] = [len(one) for one in lists]
    order = np.argsort(queries, kind="stable").tolist()
    passages = np.concatenate([lists[place] for place in order]) if lists else np.zeros(0, np.int64)
    _no_less(passages, 0)
    return HardNegatives(_bounds(counts), passages)


def _bounds(counts: Int64s) -> Int64s:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _rows(values: ArrayLike) -> Int64s:
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(array.shape, np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"hard_negatives holds {array.dtype}, expected integers (rows)")
    return np.ascontiguousarray(array, np.int64)


def _no_less(rows: Int64s, least: int) -> None:
    if rows.size and rows.min() < least:
        raise InvalidArgument(f"hard_negatives holds the row {rows.min()}, expected {least} or more")
