"""Parallel corpora to draw pairs from: every group in every language."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import hybrid_fast as hf

LANGUAGES = 11


@dataclass(frozen=True)
class ParallelGroups:
    """Groups × languages, a query and a passage in each cell.

    Attributes:
        groups: how many there are.
        shared: how many groups ask about one passage, on average; 1: each has its own.
        shuffled: whether cells and rows come in no order, so that no column follows a rule.
    """

    groups: int
    shared: int = 1
    shuffled: bool = False

    @property
    def rows(self) -> int:
        """Number of cells."""
        return self.groups * LANGUAGES

    @cached_property
    def identity(self) -> NDArray[np.int64]:
        """Passage identity of each group."""
        if self.shared == 1:
            return np.arange(self.groups)
        rng = np.random.default_rng(5)
        return rng.permutation(np.sort(rng.integers(0, self.groups // self.shared, self.groups)))

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """The cell of each column position, as group × languages + language."""
        if not self.shuffled:
            return np.arange(self.rows)
        return np.random.default_rng(6).permutation(self.rows)

    @cached_property
    def row_of(self) -> NDArray[np.int64]:
        """The query row, which is also the passage row, of each group × languages + language."""
        if not self.shuffled:
            return np.arange(self.rows)
        return np.random.default_rng(7).permutation(self.rows)

    def columns(self) -> dict[str, NDArray[np.int64]]:
        """Return the columns that an index is built from."""
        cells = self.cells
        row = self.row_of[cells] if self.shuffled else cells
        found = {"group": cells // LANGUAGES, "language": cells % LANGUAGES, "query": row, "passage": row}
        if self.shared > 1:
            found["passage_identity"] = self.identity[cells // LANGUAGES]
        return found

    def index(self) -> hf.PairIndex:
        """Build the index."""
        return indexed(self.columns())

    def describe(self) -> str:
        """Say what it is."""
        groups = f"{LANGUAGES} parallel languages × {self.groups:,} groups"
        passages = (
            "each with its own passage" if self.shared == 1 else f"{self.shared} on average to a passage"
        )
        return f"{groups}, {passages}{', rows in no order' if self.shuffled else ''}"


def indexed(columns: dict[str, NDArray[np.int64]]) -> hf.PairIndex:
    """Build an index from columns."""
    return hf.PairIndex.from_columns(**columns, languages=[f"l{number}" for number in range(LANGUAGES)])
