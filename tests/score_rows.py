"""Rows of scores that are hard on selection and counting, one kind a function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rows = Callable[[np.random.Generator, int, int], np.ndarray]
KINDS: dict[str, Rows] = {}


def kind(make: Rows) -> Rows:
    KINDS[make.__name__] = make
    return make


@kind
def continuous(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.standard_normal((rows, columns))


@kind
def few_levels(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.integers(0, rng.integers(2, 60), (rows, columns)) / 4


@kind
def two_levels(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return (rng.random((rows, columns)) < rng.random()) * 1.0


@kind
def all_equal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return np.full((rows, columns), rng.choice([-np.inf, -1.5, -0.0, 0.0, 1.5, np.inf]))


@kind
def both_zeros(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.choice([-0.0, 0.0], (rows, columns))


@kind
def special(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.choice([-np.inf, -1e4, -1.0, -0.0, 0.0, 6e-8, -6e-8, 1.0, 1e4, np.inf], (rows, columns))


@kind
def mostly_minus_infinity(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """As masked scores are; fewer than k others may be left."""
    scores = np.full((rows, columns), -np.inf)
    keep = rng.random((rows, columns)) < 0.02
    scores[keep] = rng.standard_normal(int(keep.sum()))
    return scores


@kind
def mostly_infinity(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return -mostly_minus_infinity(rng, rows, columns)


@kind
def ascending(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Every score beats all before it."""
    return np.sort(rng.standard_normal((rows, columns)), axis=1)


@kind
def descending(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return ascending(rng, rows, columns)[:, ::-1]


@kind
def best_in_one_block(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Maxima of blocks say little: the best stand together."""
    scores = rng.random((rows, columns))
    start = int(rng.integers(0, columns + 1))
    scores[:, start : start + 150] += 5
    return scores


@kind
def best_every_sixteenth(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """All the best fall into one lane, whatever the stride of lanes."""
    scores = rng.random((rows, columns))
    scores[:, int(rng.integers(0, 16)) :: int(rng.choice([8, 16, 32, 64, 128]))] += 5
    return scores


@kind
def equal_at_the_threshold(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A few above, and a crowd that ties where the list ends."""
    scores = np.where(rng.random((rows, columns)) < 0.5, 1.0, rng.random((rows, columns)))
    scores[rng.random((rows, columns)) < 0.01] = 2.0
    return scores


@kind
def denormal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """In float16 and in float32 alike, with zeros between."""
    size = rng.choice([2.0**-24, 2.0**-149, 2.0**-140])
    return rng.integers(-30, 31, (rows, columns)) * size


@kind
def one_ulp_apart(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    start = int(rng.choice([np.float32(1).view(np.int32), np.float32(-2).view(np.int32)]))
    return (start + rng.integers(-20, 20, (rows, columns), dtype=np.int32)).view(np.float32).astype(float)


def make(rng: np.random.Generator, name: str, rows: int, columns: int, dtype: object) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return np.ascontiguousarray(KINDS[name](rng, rows, columns)).astype(dtype)
