"""An evaluation of XQuAD-R's size from embeddings: its three settings in one work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import hybrid_fast as hf
from compared.embeddings import DESCRIPTION, Parallel, parallel
from compared.embeddings_search import PRODUCTS
from compared.matrix_products import blocks, products
from compared.rows import over_rows
from compared.work import Aim, Contestant, Setting, Work

K, NAMES = 100, ["AP", "RR@10"]


def given(setting: Setting) -> tuple[Parallel, str]:
    """Return real embeddings where files are named, else synthetic ones."""
    options = setting.options
    files = (options.queries, options.passages, options.positives, options.pools)
    if all(files):
        q, p, positives, pools = (np.load(file) for file in files)
        ids = positives.astype(np.int64)
        return Parallel(q.astype(np.float32), p.astype(np.float32), ids, pools), "real embeddings"
    if any(files):
        raise SystemExit("--queries, --passages, --positives and --pools are needed together")
    size = (110, 1300, 64) if setting.quick else (13_090, 13_014, 384)
    return parallel(*size, 11), DESCRIPTION


def three_settings(setting: Setting) -> Work:
    """Top-100, and ranks of the positives in their own pool and over all passages."""
    data, described = given(setting)
    q, p, pools = data.queries, data.passages, data.pools
    csr = np.arange(len(q) + 1, dtype=np.int64) * data.positives.shape[1], data.positives.ravel()

    def ours(precision: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
        found = hf.search(q, p, K, positives=csr, pools=pools, precision=precision, threads=setting.threads)
        if found.ranks is None or found.pool_ranks is None:
            raise RuntimeError("a search with positives and pools ranks both")
        # Multilingual, then every pool: monolingual and cross-lingual are cells of query language × pool.
        hf.measure(found.ranks, NAMES)
        for label in found.pool_ranks.labels:
            hf.measure(found.pool_ranks.select(label), NAMES)
        return found.ranks.values, found.pool_ranks.values

    expected = ours("auto")

    def same(found: Any) -> bool:
        pairs = zip(found, expected, strict=True)
        return all((np.ravel(a) == b[: np.size(a)]).mean() > 0.99 for a, b in pairs)

    contestants = [
        Contestant("hybrid_fast", lambda: ours("auto"), role="ours"),
        Contestant('hybrid_fast, precision="f32"', lambda: ours("f32"), role="part", check=same),
        *products(q, p, setting),
        Contestant(
            "NumPy product + count + argpartition, blocks",
            lambda: with_numpy(data, len(q) // 4, setting.threads),
            len(q) // 4 / len(q),
            check=same,
        ),
    ]
    spread = np.percentile(expected[0], [50, 90]).astype(int)
    return Work(
        f"three settings of XQuAD-R's size: {len(q):,} × {len(p):,} × {q.shape[1]}, "
        f"{len(set(pools.tolist()))} pools, {data.positives.shape[1]} positives, top-{K}",
        float(len(q)) * len(p) * q.shape[1],
        "G multiply-adds/s",
        contestants,
        (Aim(2, PRODUCTS[:1]),),
        f"{described}; positives rank at {spread[0]:,} in the median, {spread[1]:,} at 90 % (all languages)",
    )


def with_numpy(data: Parallel, queries: int, threads: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Multiply a block of queries, count over all passages and over each pool, and select."""
    q, p, pools = data.queries[:queries], data.passages, data.pools
    order = np.argsort(pools, kind="stable")
    by_pool = p if (np.diff(pools) >= 0).all() else p[order]
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    edges = np.flatnonzero(np.diff(pools[order], prepend=pools[order][0] - 1))
    ends = np.append(edges[1:], len(p))
    everywhere = np.empty((queries, data.positives.shape[1]), dtype=np.int64)
    in_pool, ids = np.empty_like(everywhere), np.empty((queries, K), dtype=np.int64)
    for some in blocks(queries, len(p)):
        scores = q[some] @ by_pool.T

        def rank(
            start: int, stop: int, first: int = some.start, scores: NDArray[np.float32] = scores
        ) -> None:
            for query, row in enumerate(scores[start:stop], first + start):
                golds = place[data.positives[query]]
                for turn, (gold, own) in enumerate(zip(golds, row[golds], strict=True)):
                    above = row > own
                    everywhere[query, turn] = np.count_nonzero(above) + 1
                    pool = np.searchsorted(ends, gold, side="right")
                    in_pool[query, turn] = np.count_nonzero(above[edges[pool] : ends[pool]]) + 1
                best = np.argpartition(row, len(row) - K)[len(row) - K :]
                ids[query] = order[best[np.argsort(-row[best])]]

        over_rows(len(scores), threads, rank)
    return everywhere, in_pool
