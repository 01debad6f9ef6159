"""Top-k and ranks of whole matrices by sorting and comparing everything; see ``reference`` for one by one."""

from __future__ import annotations

import numpy as np


def order(scores: np.ndarray) -> np.ndarray:
    """Passage ids of each query, best first: greater score, then smaller id."""
    # Every type of score widens to float64 without loss.
    return np.argsort(-scores.astype(np.float64), axis=1, kind="stable")


def ranks(scores: np.ndarray, golds: np.ndarray, ties: str = "id") -> np.ndarray:
    """Ranks of the positives [queries, golds a query] under a tie rule."""
    row = scores.astype(np.float64)[:, None, :]
    own = np.take_along_axis(row[:, 0], golds, axis=1)[:, :, None]
    ids = np.arange(scores.shape[1])
    equal = row == own
    greater = (row > own).sum(axis=2)
    before = (equal & (ids < golds[:, :, None])).sum(axis=2)
    after = (equal & (ids > golds[:, :, None])).sum(axis=2)
    return {
        "id": 1 + greater + before,
        "trec_eval": 1 + greater + after,
        "worst": 1 + greater + before + after,
        "mean": 1 + greater + (before + after) / 2,
    }[ties]


def draw_golds(rng: np.random.Generator, queries: int, passages: int, count: int) -> np.ndarray:
    """Distinct random ids in each row."""
    return rng.random((queries, passages)).argsort(axis=1)[:, :count].astype(np.int64)


def csr(golds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As compressed sparse rows."""
    return np.arange(len(golds) + 1, dtype=np.int64) * golds.shape[1], golds.ravel()
