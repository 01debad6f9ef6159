"""The naive oracle of ranks, top-k, search and measures: plain loops that say what is meant."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def total_order(scores: Sequence[float]) -> list[int]:
    """Passage ids, best first: greater score, then smaller id."""
    return sorted(range(len(scores)), key=lambda passage: (-scores[passage], passage))


def topk(scores: np.ndarray, k: int) -> tuple[list[list[float]], list[list[int]]]:
    ids = [total_order([float(s) for s in row])[:k] for row in scores]
    return [[float(row[i]) for i in of_row] for row, of_row in zip(scores, ids, strict=True)], ids


def rank(scores: Sequence[float], passage: int, ties: str = "id") -> float:
    own = float(scores[passage])
    greater = sum(float(s) > own for s in scores)
    before = sum(float(s) == own for s in scores[:passage])
    after = sum(float(s) == own for s in scores[passage + 1 :])
    equal = {"id": before, "trec_eval": after, "worst": before + after, "mean": (before + after) / 2}
    return 1 + greater + equal[ties]


def ranks(scores: np.ndarray, positives: Sequence[Sequence[int]], ties: str = "id") -> list[list[float]]:
    return [[rank(row, gold, ties) for gold in golds] for row, golds in zip(scores, positives, strict=True)]


def fused(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    """a·b + c rounded once to float32, through exact integers."""
    a, b, c = float(a), float(b), float(c)
    if not all(map(math.isfinite, (a, b, c))):
        return np.float32(a * b + c)
    product = a * b  # exact: two 24-bit significands fit 53 bits, barring underflow
    total = product + c
    # Round to odd, so that the second rounding cannot see a false tie.
    error = (product - (total - c)) + (c - (total - (total - c)))
    if error and math.isfinite(total) and not np.float64(total).view(np.int64) & 1:
        total = math.nextafter(total, math.inf if error > 0 else -math.inf)
    with np.errstate(over="ignore"):
        return np.float32(total)


def score(query: np.ndarray, passage: np.ndarray) -> np.float32:
    """Inner product in 16 lanes of fused multiply-adds, folded in halves; the rows end in zeros."""
    lanes = [np.float32(0)] * 16
    for place, (a, b) in enumerate(zip(query.astype(np.float32), passage.astype(np.float32), strict=True)):
        lanes[place % 16] = fused(a, b, lanes[place % 16])
    with np.errstate(over="ignore", invalid="ignore"):
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = [lanes[i] + lanes[i + half] for i in range(half)]
    return lanes[0] + np.float32(0)


def scores(queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
    rows = [[score(q, p) for p in passages] for q in queries]
    return np.array(rows, dtype=np.float32).reshape(len(queries), len(passages))


def pool_rank(scores: Sequence[float], passage: int, labels: Sequence[object]) -> float:
    pool = [i for i, label in enumerate(labels) if label == labels[passage]]
    return rank([scores[i] for i in pool], pool.index(passage))


def measure(name: str, ranks: Sequence[float], grades: Sequence[int] | None = None) -> float:
    """One measure of one query, from the ranks of its judged passages."""
    grades = [1] * len(ranks) if grades is None else grades
    relevant = sorted((r, g) for r, g in zip(ranks, grades, strict=True) if g > 0)
    if not relevant:
        return 0.0
    kind, _, digits = name.partition("@")
    if name == "rank_distance":
        return relevant[-1][0] - relevant[0][0]
    if name == "Max@R":
        return relevant[-1][0]
    cutoff = int(digits) if digits else math.inf
    found = [(r, g) for r, g in relevant if r <= cutoff]
    if kind == "AP":
        return sum(i / r for i, (r, _) in enumerate(found, 1)) / len(relevant)
    if kind == "RR":
        return 1 / found[0][0] if found else 0.0
    if kind == "R":
        return len(found) / len(relevant)
    if kind == "P":
        return len(found) / cutoff
    if kind == "Success":
        return float(bool(found))
    assert kind == "nDCG"
    ideal = sorted((g for _, g in relevant), reverse=True)
    best = sum(g / math.log2(1 + place) for place, g in enumerate(ideal, 1) if place <= cutoff)
    return sum(g / math.log2(1 + r) for r, g in found) / best
