"""Passages in one or several matrices, the shards of one corpus: searched in turn, exact over all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._core import score_positives as core_score_positives
from ._core import topk as core_topk
from .arrays import Matrix
from .errors import InvalidShape
from .memory_maps import ReadAhead, check_whole
from .progress import Progress


class Targets(NamedTuple):
    """Positives to rank, ids in the whole corpus."""

    indptr: NDArray[np.int64]
    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    pools: NDArray[np.uint32] | None


Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]
"""Ids, scores, passages ahead of each target, and those of its own pool."""


class Scorer(Protocol):
    """What computes scores: the compiled core, or a device."""

    @property
    def name(self) -> str:
        """The device, as callers name it."""
        ...

    def matrix(self, value: Matrix, name: str) -> Any:
        """Return checked embeddings as the other methods take them."""
        ...

    def score_positives(
        self, queries: Any, passages: Any, indptr: NDArray[np.int64], ids: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return the score of each positive; ids are rows of ``passages``."""
        ...

    def search(
        self,
        queries: Any,
        passages: Any,
        k: int,
        first_id: int,
        corpus: int,
        pools: NDArray[np.uint32] | None,
        targets: Targets | None,
        progress: Progress | None,
    ) -> Found:
        """Return the best of these passages, which are ``first_id`` onwards of ``corpus``, and the counts."""
        ...


def opened(scorer: Scorer, passages: Matrix | Sequence[Matrix]) -> tuple[Any, ...]:
    """Return the shards that ``passages`` is: one matrix, or the matrices of a list or tuple.

    Raises:
        InvalidShape: no shards.
    """
    several = isinstance(passages, list | tuple)
    if several and not passages:
        raise InvalidShape("passages is empty, expected a matrix or the matrices of a corpus's shards")
    # Rows of one matrix may come in a list as well.
    if not several or not any(getattr(part, "ndim", 0) == 2 for part in passages):
        return (scorer.matrix(passages, "passages"),)
    return tuple(scorer.matrix(part, f"passages[{number}]") for number, part in enumerate(passages))


def check_dimensions(queries: Any, parts: Sequence[Any]) -> None:
    """Refuse shards whose rows are not as long as the queries.

    Raises:
        InvalidShape: names the shard.
    """
    for number, part in enumerate(parts):
        if part.shape[1] != queries.shape[1]:
            shard = f" of shard {number}" if len(parts) > 1 else ""
            raise InvalidShape(
                f"queries have {queries.shape[1]} dimensions, passages{shard} have {part.shape[1]}"
            )


def check_positives(queries: int, corpus: int, indptr: NDArray[np.int64], ids: NDArray[np.int64]) -> None:
    """Refuse positives that do not fit; the core's own check, reached with rows of no length."""
    core_score_positives(
        np.empty((queries, 0), dtype=np.float32), np.empty((corpus, 0), dtype=np.float32), indptr, ids, 1
    )


def score_over(
    scorer: Scorer, queries: Any, parts: Sequence[Any], indptr: NDArray[np.int64], ids: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the score of each positive, from the shard that holds it."""
    scores = np.empty(len(ids), dtype=np.float32)
    start = 0
    for part in parts:
        here = (ids >= start) & (ids < start + len(part))
        if here.any():
            check_whole(part, "passages")
            before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(here, dtype=np.int64)])
            scores[here] = scorer.score_positives(queries, part, before[indptr], ids[here] - start)
        start += len(part)
    return scores


def search_over(
    scorer: Scorer,
    queries: Any,
    parts: Sequence[Any],
    k: int,
    pools: NDArray[np.uint32] | None,
    targets: Targets | None,
    threads: int | None,
    progress: Progress | None = None,
) -> Found:
    """Search the shards one after another; the same as one search over all of them put together."""
    starts = [0, *accumulate(map(len, parts))]
    wanted = 0 if targets is None else len(targets.ids)
    ahead = np.zeros(wanted, dtype=np.int64)
    pool_ahead = np.zeros(wanted if pools is not None else 0, dtype=np.int64)
    ids = np.zeros((len(queries), 0), dtype=np.int64)
    scores = np.zeros((len(queries), 0), dtype=np.float32)
    ahead_of = ReadAhead(parts)
    for part, (start, stop) in zip(parts, pairwise(starts), strict=True):
        own = None if pools is None else pools[start:stop]
        step = _Step(progress, ahead_of, start, stop, len(parts) > 1, (queries, part))
        found = scorer.search(queries, part, k, start, starts[-1], own, targets, step)
        ids, scores = joined([ids, found[0]], [scores, found[1]], k, threads)
        if targets is not None:
            ahead += found[2]
            if pools is not None:
                pool_ahead += found[3]
    return ids, scores, ahead, pool_ahead


class _Step:
    """What is done between two steps of a shard's search: looking at files, reading ahead, reporting."""

    def __init__(
        self,
        progress: Progress | None,
        ahead: ReadAhead,
        start: int,
        stop: int,
        several: bool,
        read: tuple[Any, Any],
    ) -> None:
        self.progress, self.ahead, self.start, self.stop, self.several = progress, ahead, start, stop, several
        self.read = read
        self._check()
        ahead.reached(start)

    def _check(self) -> None:
        for array, name in zip(self.read, ("queries", "passages"), strict=True):
            check_whole(array, name)

    def __call__(self, done: int, total: int, /) -> None:
        row = self.start + (self.stop - self.start) * done // max(total, 1)
        if self.progress is not None:
            # Steps of several shards do not add up, their passages do.
            self.progress(*((row, self.ahead.edges[-1]) if self.several else (done, total)))
        # Last, so that nothing comes between the look at the files and their reading.
        self._check()
        self.ahead.reached(row)


def joined(
    ids: Sequence[NDArray[np.int64]], scores: Sequence[NDArray[np.float32]], k: int, threads: int | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Join top-k lists of shards, given in the order of the corpus.

    Each list is in the total order and ids grow from list to list, so that of equal scores the one
    further left has the smaller id.
    """
    filled = [place for place, part in enumerate(scores) if part.shape[1]]
    if len(filled) < 2:
        chosen = filled[0] if filled else -1
        return ids[chosen][:, :k], scores[chosen][:, :k]
    values, columns = core_topk(np.hstack(scores), k, threads)
    return np.take_along_axis(np.hstack(ids), columns, axis=1), values
