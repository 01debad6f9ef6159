"""Searching a corpus that is encoded chunk by chunk, so that its embeddings never stand in memory at once.

The embeddings of all golds are made first. Each chunk is then searched together with the golds of
the other chunks, all in the order of their passage rows, so that ties fall as in one search. In
chunk c a gold has rank 1 + (better golds) + (better passages of c that are no golds); among the
golds alone it has rank 1 + (better golds). With C chunks therefore::

    rank = Σ_c rank_c − (C − 1) · rank among the golds

exactly, and the same within each pool. Top k lists of the chunks are merged, golds counted once.
(:func:`hybrid_fast.merge` gives the same from whole shards, but holds their embeddings until then.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .embeddings import Found, Ints, search_once

Encode = Callable[[Ints], NDArray[np.float32]]
"""From passage rows to their embeddings."""


def search_chunks(
    queries: NDArray[np.float32],
    encode: Encode,
    indptr: Ints,
    golds: Ints,
    languages: NDArray[np.int16],
    *,
    chunk_size: int,
    top_k: int,
    threads: int | None = None,
) -> Found:
    """Search passages that ``encode`` makes on demand, ``chunk_size`` rows at a time.

    Equal to one search over all embeddings (see the module's formula). Memory:
    O((chunk_size + distinct golds) · d + queries · top_k).
    """
    total = len(languages)
    distinct = np.unique(golds)
    kept = encode(distinct)
    alone = search_once(
        queries,
        kept,
        indptr,
        np.searchsorted(distinct, golds),
        languages[distinct],
        top_k=1,
        threads=threads,
    )
    ranks, pool_ranks = np.zeros_like(alone.ranks), np.zeros_like(alone.pool_ranks)
    ids = np.zeros((len(queries), 0), dtype=np.int64)
    scores = np.zeros((len(queries), 0), dtype=np.float32)
    starts = range(0, total, chunk_size)
    for start in starts:
        chunk = np.arange(start, min(start + chunk_size, total))
        others = np.setdiff1d(chunk, distinct, assume_unique=True)
        rows = np.union1d(distinct, chunk)
        passages = np.empty((len(rows), kept.shape[1]), dtype=kept.dtype)
        passages[np.searchsorted(rows, distinct)] = kept
        if len(others):
            passages[np.searchsorted(rows, others)] = encode(others)
        found = search_once(
            queries,
            passages,
            indptr,
            np.searchsorted(rows, golds),
            languages[rows],
            top_k=top_k,
            threads=threads,
        )
        ranks += found.ranks
        pool_ranks += found.pool_ranks
        ids, scores = _merged(ids, scores, rows[found.ids], found.scores, top_k)
    extra = len(starts) - 1
    return Found(
        ids=ids,
        scores=scores,
        ranks=ranks - extra * alone.ranks,
        pool_ranks=pool_ranks - extra * alone.pool_ranks,
    )


def _merged(
    ids: Ints,
    scores: NDArray[np.float32],
    more_ids: Ints,
    more_scores: NDArray[np.float32],
    top_k: int,
) -> tuple[Ints, NDArray[np.float32]]:
    """Merge two top k lists a query: score down, id up, a passage of both lists once."""
    both, values = np.concatenate([ids, more_ids], axis=1), np.concatenate([scores, more_scores], axis=1)
    # A gold found again has the same score: put it last by its score, and let the padding fall off.
    order = np.lexsort((both, -values), axis=1)
    both, values = np.take_along_axis(both, order, 1), np.take_along_axis(values, order, 1)
    again = np.zeros(both.shape, dtype=bool)
    again[:, 1:] = both[:, 1:] == both[:, :-1]
    last = np.argsort(again, axis=1, kind="stable")
    length = min(top_k, int((~again).sum(axis=1).min()))
    both, values = np.take_along_axis(both, last, 1), np.take_along_axis(values, last, 1)
    return np.ascontiguousarray(both[:, :length]), np.ascontiguousarray(values[:, :length])
