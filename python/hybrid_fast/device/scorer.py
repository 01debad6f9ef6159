"""Search and the scores of positives on a device, as the compiled core does them on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Matrix
from ..errors import NotANumber
from ..progress import Progress
from ..shards import Found, Targets
from .best import best_columns, joined
from .blocks import Stored, blocks_on, rows_on, stored
from .counting import Counting, Inside, busiest_first
from .tiles import Tiles, plain_float32


@dataclass(frozen=True)
class DeviceScorer:
    """Scores computed on one device.

    A score is within 2 · d · 2⁻²⁴ · ‖q‖ · ‖p‖ of the CPU's (d dimensions), since both round each of d
    products and sums to float32, in different orders. Positives are scored in tiles of the same shape
    as the search's, and where the search meets a positive its score is the one it is ranked by.
    """

    device: torch.device
    tile: tuple[int, int] = (2048, 16384)

    @property
    def name(self) -> str:
        """The device as callers name it."""
        return str(self.device)

    def matrix(self, value: Matrix, name: str) -> Stored:
        """Return checked embeddings where they lie."""
        return stored(value, name, self.device)

    def score_positives(
        self, queries: Stored, passages: Stored, indptr: NDArray[np.int64], ids: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return the score of each positive; ids are rows of ``passages``."""
        scores = np.empty(len(ids), dtype=np.float32)
        with plain_float32():
            tiles = self._tiles(queries)
            width = self.tile[1]
            for start in range(0, len(queries), self.tile[0]):
                rows = np.arange(start, min(start + self.tile[0], len(queries)))
                golds = slice(int(indptr[start]), int(indptr[rows[-1] + 1]))
                distinct, column = np.unique(ids[golds], return_inverse=True)
                row = np.repeat(rows - start, np.diff(indptr[start : rows[-1] + 2]))
                block = rows_on(self.device, queries, rows)
                for first in range(0, len(distinct), width):
                    tile = tiles.score(block, rows_on(self.device, passages, distinct[first : first + width]))
                    here = np.flatnonzero(column // width == first // width)
                    pairs = (torch.from_numpy(row[here]), torch.from_numpy(column[here] - first))
                    of_pairs = tile[pairs[0].to(self.device), pairs[1].to(self.device)]
                    scores[golds.start + here] = of_pairs.cpu().numpy()
        return scores

    def search(
        self,
        queries: Stored,
        passages: Stored,
        k: int,
        first_id: int,
        corpus: int,
        pools: NDArray[np.uint32] | None,
        targets: Targets | None,
        progress: Progress | None,
    ) -> Found:
        """Return the best ``k`` of these passages and the counts of the targets among them."""
        with plain_float32():
            return _Pass(self, queries, passages, k, first_id, pools, targets).run(progress)

    def _tiles(self, queries: Stored) -> Tiles:
        return Tiles(self.device, min(self.tile[0], len(queries)), self.tile[1], queries.shape[1])


class _Pass:
    """One pass over the passages."""

    def __init__(
        self,
        scorer: DeviceScorer,
        queries: Stored,
        passages: Stored,
        k: int,
        first_id: int,
        pools: NDArray[np.uint32] | None,
        targets: Targets | None,
    ) -> None:
        self.device, (self.height, self.width) = scorer.device, scorer.tile
        self.passages, self.k, self.first_id, self.pools = passages, min(k, len(passages)), first_id, pools
        self.order = busiest_first(targets, len(queries))
        self.queries = torch.split(rows_on(self.device, queries, self.order), self.height)
        self.counting = None
        if targets is not None and len(targets.ids):
            self.counting = Counting(targets, self.order, self.height, first_id, self.device)
        self.tiles = scorer._tiles(queries)
        self.best = [self._none(block) for block in self.queries]

    def _none(self, block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the empty lists of a block of queries."""
        shape = (len(block), 0)
        return (
            torch.empty(shape, dtype=torch.float32, device=self.device),
            torch.empty(shape, dtype=torch.int64, device=self.device),
        )

    def run(self, progress: Progress | None) -> Found:
        count = len(self.passages) if len(self.order) else 0
        steps = -(-count // self.width)
        if steps:
            for step, block in enumerate(blocks_on(self.device, self.passages, self.width)):
                self._take(block, step * self.width)
                if progress is not None:
                    progress(step + 1, steps)
        ids = np.empty((len(self.order), self.k), dtype=np.int64)
        scores = np.empty((len(self.order), self.k), dtype=np.float32)
        if ids.size:
            ids[self.order] = torch.cat([found[1] for found in self.best]).cpu().numpy()
            scores[self.order] = torch.cat([found[0] for found in self.best]).cpu().numpy()
        if self.counting is None:
            none = np.zeros(0, dtype=np.int64)
            return ids, scores, none, none
        return ids, scores, *self.counting.totals()

    def _take(self, block: torch.Tensor, start: int) -> None:
        """Score a block of passages against all queries."""
        pools = None
        if self.pools is not None:
            own = self.pools[start : start + len(block)].astype(np.int64)
            pools = torch.from_numpy(own).to(self.device)
        inside = None if self.counting is None else self.counting.inside(start, start + len(block))
        not_numbers = []
        for number in range(len(self.queries)):
            scores = self._scores(number, block, inside)
            # The greatest of a row is NaN where any score is.
            not_numbers.append(scores.amax(dim=1).isnan().any())
            if self.k:
                values, columns = best_columns(scores, self.k)
                ids = columns + (self.first_id + start)
                self.best[number] = joined(*self.best[number], values, ids, self.k)
            if self.counting is not None:
                self.counting.count(number, scores, start, pools)
        if bool(torch.stack(not_numbers).any()):
            self._refuse(block, start, inside)

    def _scores(self, number: int, block: torch.Tensor, inside: list[Inside] | None) -> torch.Tensor:
        """Score a block of queries; a positive keeps the score that it is ranked by."""
        scores = self.tiles.score(self.queries[number], block)
        if inside is not None and len(inside[number].rows):
            scores[inside[number].rows, inside[number].columns] = inside[number].scores
        return scores

    def _refuse(self, block: torch.Tensor, start: int, inside: list[Inside] | None) -> None:
        """Name the first passage of the block, and its first query, whose score is NaN."""
        found = []
        for number in range(len(self.queries)):
            rows, columns = self._scores(number, block, inside).isnan().nonzero(as_tuple=True)
            if len(rows):
                column = int(columns.min())
                asked = self.order[number * self.height + rows[columns == column].cpu().numpy()]
                found.append((column, int(asked.min())))
        column, query = min(found)
        raise NotANumber(
            f"the score of query {query} and passage {self.first_id + start + column} is NaN: a NaN in their "
            "embeddings, or infinities that cancel"
        )
