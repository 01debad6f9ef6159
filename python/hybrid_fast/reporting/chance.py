"""What a random order of the pool would score, in closed form."""

from __future__ import annotations

import math


def chance(measure: str, pool: int, golds: int = 1) -> float | None:
    """Return the expected value of a measure when the pool is ordered at random.

    With n = ``pool`` passages of which G = ``golds`` are relevant, the first relevant one is at rank r
    with probability C(n − r, G − 1) / C(n, G); with G = 1, E[RR] = H(n) / n. The expected precision at a
    relevant rank k is (1 + (k − 1)(G − 1) / (n − 1)) / k, so
    E[AP] = (H(n) + (n − H(n))(G − 1) / (n − 1)) / n.

    Returns:
        The expectation, or None for a measure without a formula here.
    """
    if pool < 1 or not 1 <= golds <= pool:
        return None
    name, _, cut = measure.partition("@")
    depth = min(int(cut), pool) if cut.isdigit() else pool
    if name == "RR":
        return sum(_first_at(rank, pool, golds) / rank for rank in range(1, depth + 1))
    if name == "AP" and not cut:
        harmonic = sum(1 / rank for rank in range(1, pool + 1))
        others = (golds - 1) / (pool - 1) if pool > 1 else 0.0
        return (harmonic + (pool - harmonic) * others) / pool
    if name == "R":
        return depth / pool
    return None


def _first_at(rank: int, pool: int, golds: int) -> float:
    return math.comb(pool - rank, golds - 1) / math.comb(pool, golds) if rank <= pool - golds + 1 else 0.0
