"""Random cases against brute force: a case is one query with its row of scores or its embeddings.

Every run tries 20,000 of each; ``HYBRID_FAST_CASES=1000000`` asks for more.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

import brute_force
import hybrid_fast as hf
from instruction_sets import SETS, VARIABLE
from score_rows import KINDS, make

CASES = int(os.environ.get("HYBRID_FAST_CASES", "20000"))
SEED = int(os.environ.get("HYBRID_FAST_SEED", "0"))
TIES = ("id", "trec_eval", "worst", "mean")

pytestmark = pytest.mark.timeout(600 + CASES // 100)


def any_columns(rng: np.random.Generator) -> int:
    """Mostly short rows, some of several blocks, few that are long."""
    longest = int(rng.choice([40, 300, 1500, 15_000], p=[0.4, 0.45, 0.13, 0.02]))
    return int(rng.integers(1, longest))


def any_layout(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    step, margin = int(rng.choice([1, 1, 2, -1])), int(rng.choice([0, 0, 1, 3]))
    around = np.full((len(rows) * abs(step), rows.shape[1] + margin), np.nan, dtype=rows.dtype)
    view = around[::step, margin:]
    view[:] = rows
    return view


def test_ranks_and_topk(monkeypatch):
    rng = np.random.default_rng([SEED, 1])
    done = 0
    while done < CASES:
        columns = any_columns(rng)
        queries = int(rng.integers(1, 2 + min(200, 200_000 // columns)))
        dtype = rng.choice([np.float32, np.float32, np.float16, np.float64])
        scores = make(rng, str(rng.choice(list(KINDS))), queries, columns, dtype)
        view = any_layout(rng, scores)
        monkeypatch.setenv(VARIABLE, str(rng.choice(SETS)))
        threads = int(rng.integers(1, 4))
        k = int(rng.choice([0, 1, rng.integers(0, 12), rng.integers(0, columns + 3)]))
        values, ids = hf.topk(view, k, threads=threads)
        expected = brute_force.order(scores)[:, :k]
        np.testing.assert_array_equal(ids, expected)
        bits = f"i{scores.dtype.itemsize}"
        chosen = np.take_along_axis(scores, expected, axis=1)
        np.testing.assert_array_equal(values.view(bits), chosen.view(bits))
        count = min(
            columns, int(rng.choice([1, 2, 3, 11, rng.integers(0, 45)])), 1 + 3_000_000 // scores.size
        )
        golds = brute_force.draw_golds(rng, queries, columns, count)
        ties = str(rng.choice(TIES))
        found = hf.ranks(view, brute_force.csr(golds), ties=ties, threads=threads)
        np.testing.assert_array_equal(
            found.values.reshape(golds.shape), brute_force.ranks(scores, golds, ties)
        )
        done += queries


def test_search(monkeypatch):
    """Whole numbers, whose scores every order of summation gives exactly."""
    monkeypatch.setattr("hybrid_fast.scorers.PRECISIONS", ("auto", "f32", "coarse"))
    rng = np.random.default_rng([SEED, 2])
    done = 0
    while done < CASES:
        passages, dimension = any_columns(rng), int(rng.choice([rng.integers(1, 70), rng.integers(60, 140)]))
        queries = int(rng.integers(1, 2 + min(200, 100_000 // passages)))
        size = int(rng.choice([1, 2, 30, 400]))
        q = rng.integers(-size, size + 1, (queries, dimension)).astype(np.float32)
        p = rng.integers(-size, size + 1, (passages, dimension)).astype(np.float32)
        if rng.random() < 0.3:
            # Powers of two scale scores exactly, and make rows of very unequal norms.
            q *= 2.0 ** rng.integers(-20, 20, (queries, 1))
            p *= 2.0 ** rng.integers(-20, 20, (passages, 1))
        scores = q.astype(np.float64) @ p.astype(np.float64).T
        if rng.random() < 0.3 and max(np.abs(q).max(), np.abs(p).max()) < 2048:
            q, p = q.astype(np.float16), p.astype(np.float16)
            scores = q.astype(np.float64) @ p.astype(np.float64).T
        golds = brute_force.draw_golds(rng, queries, passages, min(passages, int(rng.choice([0, 1, 3, 11]))))
        pools = rng.integers(0, rng.integers(1, 12), passages)
        k = int(rng.choice([0, 1, 10, rng.integers(0, passages + 3)]))
        monkeypatch.setenv(VARIABLE, str(rng.choice(SETS)))
        found = hf.search(
            any_layout(rng, q), any_layout(rng, p), k, positives=brute_force.csr(golds), pools=pools,
            threads=int(rng.integers(1, 4)), precision=str(rng.choice(["auto", "f32", "coarse"])),
        )  # fmt: skip
        expected = brute_force.order(scores)[:, :k]
        np.testing.assert_array_equal(found.ids, expected)
        np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, expected, axis=1))
        np.testing.assert_array_equal(
            found.ranks.values.reshape(golds.shape), brute_force.ranks(scores, golds)
        )
        row = scores[:, None, :]
        own = np.take_along_axis(scores, golds, axis=1)[:, :, None]
        before = np.arange(passages) < golds[:, :, None]
        ahead = ((row > own) | ((row == own) & before)) & (pools == pools[golds][:, :, None])
        np.testing.assert_array_equal(found.pool_ranks.values.reshape(golds.shape), 1 + ahead.sum(axis=2))
        done += queries
