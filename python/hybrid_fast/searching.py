"""Exact search over embeddings: top-k, ranks over all passages and ranks per pool, from one pass."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import fingerprint as core_fingerprint
from .arrays import Matrix, Positives, count_of, embeddings, fitting, id_rows, label_codes, thread_count
from .errors import InvalidArgument, InvalidShape
from .memory_maps import file_stamp
from .progress import Progress
from .ranking import PoolRanks, Ranks
from .scorers import scorer_for
from .shards import (
    Found,
    Scorer,
    Targets,
    check_dimensions,
    check_positives,
    joined,
    opened,
    score_over,
    search_over,
)


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
    shards: tuple[Searched, ...] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Golds:
    """Positives of one search with what is needed to rank them against other passages."""

    indptr: NDArray[np.int64]
    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    queries: Any
    parts: tuple[Any, ...] | None
    fingerprints: tuple[int, ...]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the embeddings out of pickles."""
        return {**self.__dict__, "queries": None, "parts": None}


@dataclass(frozen=True, eq=False)
class Searched:
    """One search, as a part of a corpus that may be merged with others."""

    queries: int
    passages: int
    k: int
    device: str
    golds: Golds | None
    labels: tuple[Hashable, ...] | None
    codes: NDArray[np.uint32] | None


def search(
    queries: Matrix,
    passages: Matrix | Sequence[Matrix],
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
    float32, fused multiply-adds in one written order. Its bits do not depend on threads, instruction
    set or the other rows. Memory is O(queries · k + positives): a mapped file is streamed.

    On a CUDA device the same is computed by torch, block after block, so that passages may exceed the
    device's memory. Products are plain float32 (TensorFloat-32 is off inside the call and put back
    after). A score is then within 2 · dimensions · 2⁻²⁴ · ‖query‖ · ‖passage‖ of the CPU's; two
    passages stand in another order only where their scores lie within the sum of these. Ties of the
    device's own scores go to the smaller id, a listed positive's rank is its place, and scores that
    float32 represents exactly give the very same answer.

    Args:
        queries: [queries, dimensions] of float32, float16 or bfloat16: NumPy array, memory map or torch
            CPU tensor, or a tensor on the device. Rows may be strided, columns must be contiguous; read
            in place.
        passages: [passages, dimensions], likewise; or a list of such matrices, the shards of one corpus
            in order: ids count through them, and the answer is that of one search over all.
        k: passages to keep per query; more than there are gives all of them, 0 none (ranks alone).
        positives: golds of each query to rank: a list of id lists, or a tuple (indptr, ids).
        pools: one label per passage (its language, say) over all shards, in a list, array, tensor or
            column; each positive is then also ranked among the passages of its own label.
        precision: ``"auto"`` bounds scores in whole numbers first where the processor is fast at that, and
            computes in float32 only those that may matter; ``"f32"`` computes all. The answer is the same.
        threads: as for :func:`hybrid_fast.ranks`. Never changes the result.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:<number>"``.
        progress: called with (steps done, steps), with several shards (passages done, passages).

    Returns:
        The k best passages, and the ranks of the positives over all passages and per pool.

    Raises:
        NotANumber: a score is NaN; the message names query and passage.
        TypeError: float64 or integers; the message names the cast to make.
        InvalidShape: dimensions or lengths that differ.
        InvalidArgument: an unknown precision or device, a label that is missing (NaN, None, NA), more than
            memory has room for, or a mapped file that was cut short meanwhile.
        NotSupported: a CUDA device that is not there.
        ImportError: a CUDA device without torch.

    Example:
        >>> found = search(np.eye(2, dtype="f4"), np.eye(2, dtype="f4"), 1, positives=[[1], [1]])
        >>> found.ids.tolist(), found.ranks.values.tolist()
        ([[0], [1]], [2, 1])
    """
    k, threads = count_of(k, "k", 0), thread_count(threads)
    _check_shards(passages)
    scorer = scorer_for(device, precision, threads)
    q, parts = scorer.matrix(queries, "queries"), opened(scorer, passages)
    check_dimensions(q, parts)
    total = sum(map(len, parts))
    with fitting(f"{min(k, total)} passages for each of {len(q)} queries"):
        return _searched(scorer, q, parts, k, positives, pools, threads, progress)


def _searched(
    scorer: Scorer,
    queries: Any,
    parts: tuple[Any, ...],
    k: int,
    positives: Positives | None,
    pools: Sequence[Hashable] | NDArray[Any] | None,
    threads: int | None,
    progress: Progress | None,
) -> SearchResult:
    """Search shards that fit the queries."""
    total = sum(map(len, parts))
    labels, codes = (None, None) if pools is None else label_codes(pools, total, "pools")
    golds = targets = None
    if positives is not None:
        indptr, ids = id_rows(positives)
        check_positives(len(queries), total, indptr, ids)
        own = None if codes is None else codes[ids]
        targets = Targets(indptr, ids, score_over(scorer, queries, parts, indptr, ids), own)
        golds = Golds(indptr, ids, targets.scores, queries, parts, _fingerprints(queries, parts))
    found = search_over(scorer, queries, parts, k, codes, targets, threads, progress)
    searched = Searched(len(queries), total, k, scorer.name, golds, labels, codes)
    return SearchResult(found[0], found[1], *_ranks(found, targets, labels), (searched,))


def _check_shards(passages: Any) -> None:
    """Refuse a vector where the matrix of a shard is meant."""
    if not isinstance(passages, list | tuple):
        return
    for number, part in enumerate(passages):
        alone = len(passages) == 1 or isinstance(part, np.memmap)
        if alone and getattr(part, "ndim", 2) == 1:
            raise InvalidShape(
                f"passages[{number}] has 1 dimensions, expected a matrix [passages, dimensions]; "
                "for a single passage pass it as a matrix of one row"
            )


def _ranks(
    found: Found, targets: Targets | None, labels: tuple[Hashable, ...] | None
) -> tuple[Ranks | None, PoolRanks | None]:
    """Return the ranks that the counts of a search mean."""
    if targets is None:
        return None, None
    ranks = Ranks(targets.indptr, found[2] + 1)
    if labels is None or targets.pools is None:
        return ranks, None
    return ranks, PoolRanks(targets.indptr, found[3] + 1, labels, targets.pools)


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
            changed since, or that no search returned.
        TypeError: not a list of search results.

    Example:
        >>> q, p = np.eye(3, dtype="f4"), np.eye(3, dtype="f4")
        >>> merge([search(q, p[:2], 1), search(q, p[2:], 1)]).ids.tolist()
        [[0], [1], [2]]
    """
    threads = thread_count(threads)
    results = _checked_results(results)
    searches = [searched for result in results for searched in result.shards]
    _check_together(searches)
    if len(results) == 1:
        return results[0]
    searched = searches[0]
    with fitting(f"{searched.k} passages for each of {searched.queries} queries in {len(results)} shards"):
        return _merged(results, searches, threads)


def _merged(results: list[SearchResult], searches: list[Searched], threads: int | None) -> SearchResult:
    """Join searches that belong together."""
    starts = np.cumsum([0] + [sum(searched.passages for searched in result.shards) for result in results])
    ids, scores = joined(
        [result.ids + start for result, start in zip(results, starts[:-1], strict=True)],
        [result.scores for result in results],
        searches[0].k,
        threads,
    )
    merged = SearchResult(ids, scores, None, None, tuple(searches))
    golds = [searched.golds for searched in searches if searched.golds is not None]
    if not golds:
        return merged
    _check_unchanged(golds)
    labels, codes = _common_labels(searches)
    targets = _common_targets(searches, golds, codes)
    scorer = scorer_for(searches[0].device, "auto", threads)
    parts = [part for gold in golds for part in gold.parts or ()]
    pools = None if codes is None else np.concatenate(codes)
    found = search_over(scorer, golds[0].queries, parts, 0, pools, targets, threads)
    ranks, pool_ranks = _ranks(found, targets, labels)
    return replace(merged, ranks=ranks, pool_ranks=pool_ranks)


def _checked_results(results: Any) -> list[SearchResult]:
    """Return the results to merge, all as a search returned them."""
    if isinstance(results, SearchResult) or not isinstance(results, Iterable):
        kind = "one result" if isinstance(results, SearchResult) else type(results).__name__
        raise TypeError(f"merge needs a list of search results, one a shard, and got {kind}")
    found: list[SearchResult] = list(results)
    if not found:
        raise InvalidArgument("merge needs at least one search result")
    for number, result in enumerate(found):
        if not isinstance(result, SearchResult):
            raise TypeError(f"result {number} is {type(result).__name__}, expected a SearchResult")
        queries = {searched.queries for searched in result.shards}
        passages = sum(searched.passages for searched in result.shards)
        shapes = {(of, min(searched.k, passages)) for of in queries for searched in result.shards}
        if shapes != {np.shape(result.ids)} or np.shape(result.scores) != np.shape(result.ids):
            raise InvalidArgument(
                f"result {number} is not as hybrid_fast.search returned it (built or changed by hand): "
                "merge needs the sizes of the shards, which only search writes down"
            )
    return found


def _check_together(searches: list[Searched]) -> None:
    for what, values in {
        "numbers of queries": {searched.queries for searched in searches},
        "values of k": {searched.k for searched in searches},
    }.items():
        if len(values) > 1:
            raise InvalidShape(f"the shards were searched with different {what}: {sorted(values)}")
    for what, given in {
        "positives": {searched.golds is not None for searched in searches},
        "pools": {searched.labels is not None for searched in searches},
    }.items():
        if len(given) > 1:
            raise InvalidArgument(f"some shards were searched with {what} and some without")
    devices = sorted({searched.device for searched in searches})
    if len(devices) > 1 and searches[0].golds is not None:
        raise InvalidArgument(
            f"the shards were searched with positives on different devices ({', '.join(devices)}), whose "
            "scores differ in the last bits; search all on one"
        )


def _common_targets(
    searches: list[Searched], golds: list[Golds], codes: list[NDArray[np.uint32]] | None
) -> Targets:
    """Return the positives of all shards, of each query in the order of the shards."""
    starts = np.cumsum([0] + [searched.passages for searched in searches])
    counts = np.stack([np.diff(gold.indptr) for gold in golds])
    indptr = np.concatenate([[0], np.cumsum(counts.sum(axis=0))]).astype(np.int64)
    before = np.cumsum(counts, axis=0) - counts
    ids, scores = np.empty(indptr[-1], dtype=np.int64), np.empty(indptr[-1], dtype=np.float32)
    pools = None if codes is None else np.empty(indptr[-1], dtype=np.uint32)
    for number, gold in enumerate(golds):
        shift = np.repeat(indptr[:-1] + before[number] - gold.indptr[:-1], counts[number])
        place = np.arange(len(gold.ids)) + shift
        ids[place], scores[place] = gold.ids + starts[number], gold.scores
        if codes is not None and pools is not None:
            pools[place] = codes[number][gold.ids]
    return Targets(indptr, ids, scores, pools)


def _fingerprints(queries: Any, parts: tuple[Any, ...]) -> tuple[int, ...]:
    """Return one number for the queries and one for each part: a mapped file's stamp, else a hash."""
    return (
        _fingerprint(queries),
        *(_fingerprint(part) if (stamp := file_stamp(part)) is None else stamp for part in parts),
    )


def _fingerprint(matrix: Any) -> int:
    host = matrix if isinstance(matrix, np.ndarray) else embeddings(matrix.cpu(), "embeddings")
    return core_fingerprint(host)


def _check_unchanged(golds: list[Golds]) -> None:
    if len({gold.fingerprints[0] for gold in golds}) > 1:
        raise InvalidArgument("the shards were searched with different queries; use the same for all")
    for number, gold in enumerate(golds):
        if gold.parts is None:
            raise InvalidArgument(
                f"shard {number} was searched with positives in another process, and exact ranks need its "
                "embeddings; merge where it was searched, or search without positives"
            )
        if gold.fingerprints != _fingerprints(gold.queries, gold.parts):
            raise InvalidArgument(
                f"the embeddings of shard {number} were changed after its search, and exact ranks need them; "
                "give each shard an array of its own"
            )


def _common_labels(
    searches: list[Searched],
) -> tuple[tuple[Hashable, ...] | None, list[NDArray[np.uint32]] | None]:
    """Return the labels of all shards and each shard's codes among them; None without pools."""
    positions: dict[Hashable, int] = {}
    codes = []
    for searched in searches:
        if searched.labels is None or searched.codes is None:
            return None, None
        table = [positions.setdefault(label, len(positions)) for label in searched.labels]
        codes.append(np.array(table, dtype=np.uint32)[searched.codes])
    return tuple(positions), codes
