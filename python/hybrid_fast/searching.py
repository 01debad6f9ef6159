"""Exact search over embeddings: top-k, ranks over all passages and ranks per pool, from one pass."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import fingerprint as core_fingerprint
from ._core import score_positives as core_score_positives
from ._core import search as core_search
from .arrays import Matrix, Positives, count_of, embeddings, id_rows, label_codes, thread_count
from .errors import InvalidArgument, InvalidShape, NotSupported
from .progress import Progress
from .ranking import PoolRanks, Ranks


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        ids: int64 [queries, min(k, passages)], best first: greater score, then smaller id.
        scores: their float32 scores.
        ranks: ranks of the positives over all passages; None without positives.
        pool_ranks: ranks of the positives among the passages of their own label; None without
            positives or without pools.
        shards: what :func:`merge` needs: sizes, and with positives the embeddings (not pickled).
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    ranks: Ranks | None
    pool_ranks: PoolRanks | None
    shards: tuple[Shard, ...] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Golds:
    """Positives of one shard with what is needed to rank them against another one."""

    indptr: NDArray[np.int64]
    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    ahead: NDArray[np.int64]
    pool_ahead: NDArray[np.int64]
    queries: NDArray[Any] | None
    passages: NDArray[Any] | None
    fingerprints: tuple[int, int]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the embeddings out of pickles."""
        return {**self.__dict__, "queries": None, "passages": None}


@dataclass(frozen=True, eq=False)
class Shard:
    """One searched part of a corpus."""

    queries: int
    passages: int
    k: int
    golds: Golds | None
    labels: tuple[Hashable, ...] | None
    codes: NDArray[np.uint32] | None


def search(
    queries: Matrix,
    passages: Matrix,
    k: int = 100,
    *,
    positives: Positives | None = None,
    pools: Sequence[Hashable] | NDArray[Any] | None = None,
    precision: str = "auto",
    threads: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> SearchResult:
    """Rank all passages for every query by inner product, never holding the whole score matrix.

    A score is the inner product of the rows as given (nothing is normalised): inputs widened to
    float32, one chain of fused multiply-adds from the first dimension to the last. Its bits do not
    depend on threads, instruction set or the other rows. Memory is O(queries · k + positives).

    Args:
        queries: [queries, dimensions] of float32, float16 or bfloat16: NumPy array, memory map or torch
            CPU tensor. Rows may be strided, columns must be contiguous; read in place.
        passages: [passages, dimensions], likewise.
        k: passages to keep per query; more than there are gives all of them.
        positives: golds of each query to rank: a list of id lists, or a tuple (indptr, ids).
        pools: one label per passage (its language, say); each positive is then also ranked among the
            passages of its own label.
        precision: ``"auto"`` and ``"f32"`` compute in float32.
        threads: default: ``RAYON_NUM_THREADS``, else all cores. Never changes the result.
        device: ``"cpu"``.
        progress: called with (steps done, steps).

    Returns:
        The k best passages, and the ranks of the positives over all passages and per pool.

    Raises:
        NotANumber: a score is NaN; the message names query and passage.
        TypeError: float64 or integers; the message names the cast to make.
        InvalidShape: dimensions or lengths that differ.
        NotSupported: another precision or device.

    Example:
        >>> found = search(np.eye(2, dtype="f4"), np.eye(2, dtype="f4"), 1, positives=[[1], [1]])
        >>> found.ids.tolist(), found.ranks.values.tolist()
        ([[0], [1]], [2, 1])
    """
    if precision not in ("auto", "f32"):
        raise NotSupported(f"precision={precision!r} is not built yet; use 'auto' or 'f32'")
    if device != "cpu":
        raise NotSupported(f"device={device!r} is not built yet; use 'cpu'")
    k, threads = count_of(k, "k", 0), thread_count(threads)
    q, p = embeddings(queries, "queries"), embeddings(passages, "passages")
    labels, codes = (None, None) if pools is None else label_codes(pools, len(p), "pools")
    golds = None
    if positives is not None:
        indptr, ids = id_rows(positives)
        scores = core_score_positives(q, p, indptr, ids, threads)
        own = None if codes is None else codes[ids]
        best = core_search(q, p, k, 0, len(p), codes, indptr, ids, scores, own, threads, progress, precision)
        fingerprints = (core_fingerprint(q), core_fingerprint(p))
        golds = Golds(indptr, ids, scores, best[2], best[3], q, p, fingerprints)
    else:
        best = core_search(q, p, k, 0, len(p), None, None, None, None, None, threads, progress, precision)
    shard = Shard(len(q), len(p), k, golds, labels, codes)
    if golds is None:
        return SearchResult(best[0], best[1], None, None, (shard,))
    pool_ranks = None
    if labels is not None and codes is not None:
        pool_ranks = PoolRanks(golds.indptr, golds.pool_ahead + 1, labels, codes[golds.ids])
    return SearchResult(best[0], best[1], Ranks(golds.indptr, golds.ahead + 1), pool_ranks, (shard,))


def merge(results: Iterable[SearchResult], *, threads: int | None = None) -> SearchResult:
    """Join searches of the shards of one corpus, given in the order of the corpus.

    The outcome equals one search over the whole corpus: passage ids are shifted by the sizes of the
    shards before. Where the shards were searched with positives, each with its own (local ids), every
    shard is scored once more against the positives of the others, so that ranks are exact; the merged
    positives of a query stand in the order of the shards.

    Args:
        results: one search result per shard, with the same queries and ``k``.
        threads: as for :func:`search`.

    Raises:
        InvalidArgument: no results, or results that do not belong together, or that were searched in
            another process with positives (their embeddings are not at hand), or whose embeddings were
            changed since.

    Example:
        >>> q, p = np.eye(3, dtype="f4"), np.eye(3, dtype="f4")
        >>> merge([search(q, p[:2], 1), search(q, p[2:], 1)]).ids.tolist()
        [[0], [1], [2]]
    """
    results = list(results)
    if not results:
        raise InvalidArgument("merge needs at least one search result")
    shards = [shard for result in results for shard in result.shards]
    for what, values in {
        "numbers of queries": {shard.queries for shard in shards},
        "values of k": {shard.k for shard in shards},
    }.items():
        if len(values) > 1:
            raise InvalidShape(f"the shards were searched with different {what}: {sorted(values)}")
    for what, given in {
        "positives": {shard.golds is not None for shard in shards},
        "pools": {shard.labels is not None for shard in shards},
    }.items():
        if len(given) > 1:
            raise InvalidArgument(f"some shards were searched with {what} and some without")
    if len(results) == 1:
        return results[0]
    shifts = np.cumsum([0] + [sum(shard.passages for shard in result.shards) for result in results])
    ids = np.hstack([result.ids + shift for result, shift in zip(results, shifts[:-1], strict=True)])
    scores = np.hstack([result.scores for result in results])
    # Each list is in the total order and ids grow from shard to shard, so a stable sort keeps it.
    order = np.argsort(-scores, axis=1, kind="stable")[:, : min(shards[0].k, int(shifts[-1]))]
    ids, scores = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    merged = SearchResult(ids, scores, None, None, tuple(shards))
    if shards[0].golds is None:
        return merged
    ranks, pool_ranks = _merged_ranks(shards, thread_count(threads))
    return replace(merged, ranks=ranks, pool_ranks=pool_ranks)


def _merged_ranks(shards: list[Shard], threads: int | None) -> tuple[Ranks, PoolRanks | None]:
    """Count every shard's passages ahead of the positives of all shards."""
    golds = [shard.golds for shard in shards if shard.golds is not None]
    _check_unchanged(golds)
    starts = np.cumsum([0] + [shard.passages for shard in shards])
    labels, codes = _common_labels(shards)
    # Every positive's place in the merged rows: by query, then by shard.
    counts = np.stack([np.diff(gold.indptr) for gold in golds])
    indptr = np.concatenate([[0], np.cumsum(counts.sum(axis=0))]).astype(np.int64)
    before = np.cumsum(counts, axis=0) - counts
    places = [
        np.arange(len(gold.ids)) + np.repeat(indptr[:-1] + before[number] - gold.indptr[:-1], counts[number])
        for number, gold in enumerate(golds)
    ]
    ids, scores = np.empty(indptr[-1], dtype=np.int64), np.empty(indptr[-1], dtype=np.float32)
    own = np.empty(indptr[-1], dtype=np.uint32)
    for number, (gold, place) in enumerate(zip(golds, places, strict=True)):
        ids[place], scores[place] = gold.ids + starts[number], gold.scores
        if codes is not None:
            own[place] = codes[number][gold.ids]
    ahead, pool_ahead = np.zeros_like(ids), np.zeros_like(ids)
    for number, gold in enumerate(golds):
        _, _, here, in_pool = core_search(
            gold.queries,  # type: ignore[arg-type]  # not None: checked above
            gold.passages,  # type: ignore[arg-type]  # not None: checked above
            0,
            int(starts[number]),
            int(starts[-1]),
            None if codes is None else codes[number],
            indptr,
            ids,
            scores,
            None if codes is None else own,
            threads,
        )
        ahead += here
        if codes is not None:
            pool_ahead += in_pool
    pool_ranks = None if labels is None else PoolRanks(indptr, pool_ahead + 1, labels, own)
    return Ranks(indptr, ahead + 1), pool_ranks


def _check_unchanged(golds: list[Golds]) -> None:
    if len({gold.fingerprints[0] for gold in golds}) > 1:
        raise InvalidArgument("the shards were searched with different queries; use the same for all")
    for number, gold in enumerate(golds):
        if gold.queries is None or gold.passages is None:
            raise InvalidArgument(
                f"shard {number} was searched with positives in another process, and exact ranks need its "
                "embeddings; merge where it was searched, or search without positives"
            )
        if gold.fingerprints != (core_fingerprint(gold.queries), core_fingerprint(gold.passages)):
            raise InvalidArgument(
                f"the embeddings of shard {number} were changed after its search, and exact ranks need them; "
                "give each shard an array of its own"
            )


def _common_labels(
    shards: list[Shard],
) -> tuple[tuple[Hashable, ...] | None, list[NDArray[np.uint32]] | None]:
    """Return the labels of all shards and each shard's codes among them; None without pools."""
    positions: dict[Hashable, int] = {}
    codes = []
    for shard in shards:
        if shard.labels is None or shard.codes is None:
            return None, None
        table = [positions.setdefault(label, len(positions)) for label in shard.labels]
        codes.append(np.array(table, dtype=np.uint32)[shard.codes])
    return tuple(positions), codes
