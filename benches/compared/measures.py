"""Measures from ranks that are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import hybrid_fast as hf
from compared.work import Contestant, Setting, Work

NAMES = ["AP", "RR@10", "nDCG@10", "R@100"]


def from_ranks(setting: Setting) -> Work:
    """AP, RR@10, nDCG@10 and R@100 of many queries."""
    queries = 1000 if setting.quick else 1_000_000
    rng = np.random.default_rng(13)
    counts = rng.integers(1, 4, queries)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ranks = np.ceil(rng.lognormal(2, 1.5, int(indptr[-1]))).astype(np.int64)
    given = hf.Ranks(indptr, ranks)

    def ours() -> NDArray[np.float64]:
        return hf.measure(given, NAMES).per_query["nDCG@10"]

    expected = ours()
    return Work(
        f"{', '.join(NAMES)} from the ranks of {queries:,} queries with 1–3 positives",
        queries,
        "G queries/s",
        [
            Contestant("hybrid_fast", ours, role="ours"),
            Contestant(
                "NumPy lexsort + reduceat",
                lambda: with_numpy(indptr, counts, ranks),
                check=lambda values: bool(np.allclose(values, expected)),
            ),
        ],
        data="log-normal ranks",
    )


def with_numpy(
    indptr: NDArray[np.int64], counts: NDArray[np.int64], ranks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Write the four measures as sums over sorted rows."""
    starts, queries = indptr[:-1], np.repeat(np.arange(len(counts)), counts)
    ordered = ranks[np.lexsort((ranks, queries))]
    within = np.arange(len(ranks)) - starts[queries] + 1
    np.add.reduceat(within / ordered, starts) / counts
    best = ordered[starts]
    np.where(best <= 10, 1 / best, 0)
    np.add.reduceat(ordered <= 100, starts) / counts
    gain = np.add.reduceat(np.where(ordered <= 10, 1 / np.log2(1 + ordered), 0), starts)
    ideal = np.cumsum(1 / np.log2(np.arange(2, 12)))
    values: NDArray[np.float64] = gain / ideal[np.minimum(counts, 10) - 1]
    return values
