"""How many passages come before each positive, counted tile by tile."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..shards import Targets


def busiest_first(targets: Targets | None, queries: int) -> NDArray[np.int64]:
    """Return the queries in falling number of positives.

    In a block of this order the queries that have an n-th positive come first, so that the n-th
    positives are counted in a slice of the tile.
    """
    if targets is None:
        return np.arange(queries)
    return np.argsort(-np.diff(targets.indptr), kind="stable")


class Inside(NamedTuple):
    """Where positives stand in a tile, and their scores."""

    rows: torch.Tensor
    columns: torch.Tensor
    scores: torch.Tensor


class Counting:
    """The positives, laid out by block of queries, then by their number within the query, then by row.

    Args:
        targets: positives with scores, ids in the whole corpus.
        order: the queries as they are scored, from :func:`busiest_first`.
        height: queries of a block.
        first_id: id of the first passage.
        device: where to count.
    """

    def __init__(
        self,
        targets: Targets,
        order: NDArray[np.int64],
        height: int,
        first_id: int,
        device: torch.device,
    ) -> None:
        counts = np.diff(targets.indptr)
        row_of = np.empty_like(order)
        row_of[order] = np.arange(len(order))
        row = np.repeat(row_of, counts)
        number = np.arange(len(row)) - np.repeat(targets.indptr[:-1], counts)
        self.layout = np.lexsort((row, number, row // height))
        self.height, self.device = height, device
        self.row, number = row[self.layout], number[self.layout]
        self.place = targets.ids[self.layout] - first_id
        self.by_place = np.argsort(self.place, kind="stable")
        edges = np.searchsorted(self.row // height, np.arange(-(-len(order) // height) + 1))
        self.slices = [_slices(number[start:stop], int(start)) for start, stop in pairwise(edges)]
        self.edges = edges
        self.scores = self._here(targets.scores[self.layout])
        self.places = self._here(self.place)
        self.pools = (
            None if targets.pools is None else self._here(targets.pools[self.layout].astype(np.int64))
        )
        self.ahead = torch.zeros(len(row), dtype=torch.int64, device=device)
        self.pool_ahead = torch.zeros_like(self.ahead)

    def _here(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def inside(self, start: int, stop: int) -> list[Inside]:
        """Return, per block of queries, the positives among these passages."""
        low, high = np.searchsorted(self.place, [start, stop], sorter=self.by_place)
        found = np.sort(self.by_place[low:high])
        rows, columns = self._here(self.row[found] % self.height), self._here(self.place[found] - start)
        scores = self.scores[self._here(found)]
        cuts = pairwise(np.searchsorted(found, self.edges).tolist())
        return [Inside(rows[a:b], columns[a:b], scores[a:b]) for a, b in cuts]

    def count(self, block: int, scores: torch.Tensor, start: int, pools: torch.Tensor | None) -> None:
        """Count a tile, whose first passage is ``start``, for the positives of a block of queries."""
        columns = torch.arange(scores.shape[1], device=self.device)
        for part in self.slices[block]:
            rows, own = scores[: part.stop - part.start], self.scores[part, None]
            before = rows == own
            before &= columns < self.places[part, None] - start
            before |= rows > own
            self.ahead[part] += before.sum(dim=1)
            if pools is not None and self.pools is not None:
                before &= pools == self.pools[part, None]
                self.pool_ahead[part] += before.sum(dim=1)

    def totals(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the counts over all passages and within pools, aligned with the targets."""
        both = []
        for counted in (self.ahead, self.pool_ahead):
            total = np.empty(len(self.layout), dtype=np.int64)
            total[self.layout] = counted.cpu().numpy()
            both.append(total)
        return both[0], both[1]


def _slices(numbers: NDArray[np.int64], start: int) -> list[slice]:
    """Cut a block's positives where their number within the query changes."""
    edges = start + np.concatenate([[0], np.cumsum(np.bincount(numbers))])
    return [slice(a, b) for a, b in pairwise(edges.tolist())]
