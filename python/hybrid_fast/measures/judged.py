"""The judged documents of ranked lists, as flat arrays that every measure is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class JudgedLists:
    """Where the judged documents of each query rank.

    Attributes:
        indptr: int64 [queries + 1], cuts the others into queries.
        ranks: float64 ranks from 1; infinite where a document was not retrieved.
        grades: int64, aligned; negative: in the pool but not judged; None: all are 1.
        retrieved: int64 [queries], length of each ranked list; None where only ranks are known.
        shared: what a rank is that several documents of equal score share: their "worst" place or
            the "mean" of their places.
    """

    indptr: NDArray[np.int64]
    ranks: NDArray[np.float64]
    grades: NDArray[np.int64] | None
    retrieved: NDArray[np.int64] | None = None
    shared: str = "worst"

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.indptr) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """The query of each judged document."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.indptr))

    @property
    def known_grades(self) -> NDArray[np.int64]:
        """The grades, also where none were given."""
        return np.ones(len(self.ranks), dtype=np.int64) if self.grades is None else self.grades

    def graded(self, grades: NDArray[np.int64]) -> JudgedLists:
        """Return the same lists under other grades."""
        return replace(self, grades=grades)

    def in_order(self) -> JudgedLists:
        """Return each query's documents by rank; of equal ranks the lower grade first."""
        grades = self.known_grades
        order = np.lexsort((grades, self.ranks, self.rows))
        return replace(self, ranks=self.ranks[order], grades=grades[order])

    def judged_only(self) -> JudgedLists:
        """Return the lists without the documents that were not judged, those of negative grade among them."""
        lists = self.in_order()
        rows, grades = lists.rows, lists.known_grades
        kept = np.isfinite(lists.ranks) & (grades >= 0)
        row, rank = rows[kept], lists.ranks[kept]
        counts = np.bincount(row, minlength=len(self)).astype(np.int64)
        places = np.arange(1, len(row) + 1) - (np.cumsum(counts) - counts)[row]
        # Documents of one score share a rank; they share one here as well.
        groups = np.cumsum(np.r_[True, (np.diff(row) != 0) | (np.diff(rank) != 0)][: len(row)]) - 1
        last = np.zeros(groups.max(initial=-1) + 1, dtype=np.int64)
        np.maximum.at(last, groups, places)
        size = np.bincount(groups, minlength=len(last))
        ranks = np.full(len(grades), np.inf)
        shared = last - (size - 1) / 2 if self.shared == "mean" else last
        ranks[kept] = shared[groups]
        retrieved = None if self.retrieved is None else counts
        return replace(lists, ranks=ranks, retrieved=retrieved)

    def counted(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many of the chosen documents each query has."""
        return np.bincount(self.rows[chosen], minlength=len(self)).astype(np.int64)

    def summed(self, chosen: NDArray[np.bool_], terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each query's sum of terms, one a chosen document, added in their order."""
        return np.bincount(self.rows[chosen], weights=terms, minlength=len(self)).astype(np.float64)

    def so_far(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return for each document how many of the chosen ones come up to it in its query, it included."""
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(chosen, dtype=np.int64)])
        found: NDArray[np.int64] = before[1:] - np.repeat(before[self.indptr[:-1]], np.diff(self.indptr))
        return found
