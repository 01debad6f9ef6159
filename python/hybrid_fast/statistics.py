"""How sure a result is: bootstrap intervals over seeds × queries, and paired permutation tests.

Notation: ``values[s, q]`` is one measure of query q under training seed s. Every seed is tested on
the same queries, so seeds and queries are *crossed* factors, not nested ones. The bootstrap here
therefore draws seeds and queries independently and gives a cell the product of the two counts (the
pigeonhole bootstrap: A. B. Owen, *The pigeonhole bootstrap*, Annals of Applied Statistics 1(2),
2007): drawing new queries inside each seed, as for nested data, would divide the spread that comes
from the queries by the number of seeds.

Queries that must be drawn together (the translations of one question) share a ``cluster``. Where a
macro mean is meant, ``strata`` names the stratum of each query (its language, or its language
pair): the statistic is the mean over strata of the mean over the stratum's queries.

Everything is a pure function of its arguments; the same seed gives the same numbers everywhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import column_values, numbered
from .errors import InvalidArgument, InvalidShape, NotANumber

__all__ = ["Difference", "Interval", "bootstrap", "paired_difference", "sign_flip_test"]

Float = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Labels = Sequence[Hashable] | NDArray[Any]

_BLOCK = 256
"""Replicates computed at a time: bounds the memory, does not change the numbers."""

_KEPT = 2**24
"""Most bytes of draws that are kept for the next call: a report asks for the same ones a thousand times."""


@dataclass(frozen=True)
class Interval:
    """A mean and its percentile interval.

    Attributes:
        mean: the statistic of the data as they are.
        low: lower end of the interval.
        high: upper end.
        confidence: nominal coverage, for instance .95.
    """

    mean: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Difference:
    """A paired difference first − second, its interval and its permutation p-value.

    Attributes:
        interval: mean difference with its bootstrap interval over seeds × queries.
        p_value: two-sided, from sign flips.
    """

    interval: Interval
    p_value: float


def bootstrap(
    values: ArrayLike,
    *,
    clusters: Labels | None = None,
    strata: Labels | None = None,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 13,
) -> Interval:
    """Return the mean over seeds and queries with a percentile interval.

    With n_s and m_c how often seed s and cluster c were drawn (S seeds of S, C clusters of C, with
    replacement), one replicate is::

        t* = mean over strata l of  Σ_s n_s Σ_{q in l} m_c(q) values[s, q] / (S · Σ_{q in l} m_c(q))

    A stratum of which no query was drawn is left out of that replicate. The interval is the
    (1 − confidence)/2 and (1 + confidence)/2 quantile of the replicates (linear interpolation).
    With one seed only the queries vary, and the interval says nothing about training noise.

    Args:
        values: [seeds, queries] or [queries] (one seed), finite.
        clusters: label of each query's cluster; default: each query on its own.
        strata: label of each query's stratum; default: one stratum.
        confidence: nominal coverage, between 0 and 1.
        replicates: bootstrap replicates.
        seed: of the draws.

    Raises:
        InvalidShape: no values, or labels of another length.
        NotANumber: a value is NaN or infinite.
        InvalidArgument: confidence or replicates out of range.
    """
    table, cluster, stratum = _checked(values, clusters, strata)
    if not 0.0 < confidence < 1.0:
        raise InvalidArgument(f"confidence is {confidence}, expected a number between 0 and 1")
    if replicates < 1:
        raise InvalidArgument(f"replicates is {replicates}, expected 1 or more")
    sums, counts = _by_cluster(table, cluster, stratum)
    draws = _resampled(sums, counts, replicates, seed)
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(_statistic(sums, counts), float(low), float(high), confidence)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: Labels | None = None,
    strata: Labels | None = None,
    over: Literal["queries", "seeds"] = "queries",
    confidence: float = 0.95,
    replicates: int = 2000,
    permutations: int = 10_000,
    seed: int = 13,
) -> Difference:
    """Compare two ratios on the same seeds and queries: first − second, with interval and p-value.

    The pairing is by position: ``first[s, q]`` and ``second[s, q]`` are the same query under the
    same training seed (in a coupled sweep: the same row order and the same initial weights). See
    :func:`bootstrap` and :func:`sign_flip_test`, which are applied to the differences.

    Raises:
        InvalidShape: the two differ in shape, or there are no values.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape:
        raise InvalidShape(f"first has shape {one.shape} and second {two.shape}: pairs need equal shapes")
    interval = bootstrap(
        one - two, clusters=clusters, strata=strata, confidence=confidence, replicates=replicates, seed=seed
    )
    p_value = sign_flip_test(
        one - two, clusters=clusters, strata=strata, over=over, permutations=permutations, seed=seed
    )
    return Difference(interval, p_value)


def sign_flip_test(
    differences: ArrayLike,
    *,
    clusters: Labels | None = None,
    strata: Labels | None = None,
    over: Literal["queries", "seeds"] = "queries",
    permutations: int = 10_000,
    seed: int = 13,
) -> float:
    """Return the two-sided p-value of a paired sign-flip permutation test of a zero mean.

    Under the null hypothesis the two systems can be exchanged within a unit, so each unit's
    difference has either sign with equal probability. The statistic T is the mean (over strata, of
    means over queries) as in :func:`bootstrap`. With N random flips::

        p = (1 + #{|T*| ≥ |T|}) / (N + 1)

    and where there are no more than N patterns of signs, all 2^units are tried and
    p = #{|T*| ≥ |T|} / 2^units, exactly.

    Args:
        differences: [seeds, queries] or [queries], finite.
        clusters: queries whose sign flips together; default: each on its own.
        strata: label of each query's stratum.
        over: the units. ``queries`` (clusters of them, averaged over seeds) asks whether these
            trained models differ on other queries; ``seeds`` (averaged over queries) whether other
            trainings would differ on these queries, and with S seeds cannot go below 2^(1−S).
        permutations: N, random flips.
        seed: of the flips.
    """
    table, cluster, stratum = _checked(differences, clusters, strata)
    if permutations < 1:
        raise InvalidArgument(f"permutations is {permutations}, expected 1 or more")
    sums, counts = _by_cluster(table, cluster, stratum)
    present = counts.sum(axis=0)
    share = sums / present / len(present)  # contribution of (seed, cluster, stratum) to one seed's macro mean
    if over == "queries":
        units = share.mean(axis=0).sum(axis=1)
    elif over == "seeds":
        units = share.sum(axis=(1, 2)) / len(share)
    else:
        raise InvalidArgument(f"over is {over!r}, expected 'queries' or 'seeds'")
    observed = abs(units.sum())
    # Sums of the same numbers in another order may differ in the last bits: those count as equal.
    threshold = observed - 1e-12 * np.abs(units).sum()
    exact = len(units) < 63 and 2 ** len(units) <= permutations
    total = 2 ** len(units) if exact else permutations
    hits = 0
    for pattern in _every_flip(len(units)) if exact else _flips(seed, total, len(units)):
        sums_of_flips = np.einsum("bu,u->b", 1.0 - 2.0 * pattern, units)
        hits += int(np.count_nonzero(np.abs(sums_of_flips) >= threshold))
    return hits / total if exact else (1 + hits) / (1 + total)


def _checked(
    values: ArrayLike, clusters: Labels | None, strata: Labels | None
) -> tuple[Float, NDArray[np.int64], NDArray[np.int64]]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim == 1:
        table = table[None, :]
    if table.ndim != 2 or table.size == 0:
        raise InvalidShape(
            f"values have shape {table.shape}, expected [seeds, queries] with at least one of each"
        )
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise NotANumber(
            f"the value of seed {row}, query {column} is {table[row, column]}, expected a finite one"
        )
    return table, _coded(clusters, table.shape[1], "clusters"), _coded(strata, table.shape[1], "strata")


def _coded(labels: Labels | None, length: int, name: str) -> NDArray[np.int64]:
    """Number the labels from 0 by first occurrence."""
    if labels is None:
        return np.arange(length) if name == "clusters" else np.zeros(length, dtype=np.int64)
    values = column_values(labels, name, "a label a query")
    if len(values) != length:
        raise InvalidShape(f"{name} has {len(values)} labels for {length} queries")
    return numbered(values, name)[1]


def _by_cluster(table: Float, cluster: NDArray[np.int64], stratum: NDArray[np.int64]) -> tuple[Float, Float]:
    """Return sums [seeds, clusters, strata] of the values and counts [clusters, strata] of the queries."""
    clusters, strata = int(cluster.max()) + 1, int(stratum.max()) + 1
    flat = cluster * strata + stratum
    sums = np.empty((len(table), clusters * strata))
    for row, of_seed in zip(table, sums, strict=True):
        of_seed[:] = np.bincount(flat, row, clusters * strata)
    counts = np.bincount(flat, minlength=clusters * strata).astype(np.float64)
    return sums.reshape(len(table), clusters, strata), counts.reshape(clusters, strata)


def _statistic(sums: Float, counts: Float) -> float:
    return float((sums.sum(axis=1).mean(axis=0) / counts.sum(axis=0)).mean())


def _resampled(sums: Float, counts: Float, replicates: int, seed: int) -> Float:
    """Return the replicates of a bootstrap, from draws that are kept where they are few."""
    seeds, clusters, _ = sums.shape
    if max(seeds, clusters) < 2**15 and 2 * replicates * (seeds + clusters) <= _KEPT:
        return _weighted(sums, counts, replicates, _kept_draws(seed, replicates, seeds, clusters))
    return _replicates(sums, counts, replicates, np.random.default_rng(_entropy(seed, "bootstrap")))


def _replicates(sums: Float, counts: Float, replicates: int, generator: np.random.Generator) -> Float:
    seeds, clusters, _ = sums.shape
    return _weighted(sums, counts, replicates, _draws(replicates, seeds, clusters, generator))


def _weighted(sums: Float, counts: Float, replicates: int, draws: Iterable[tuple[Ints, Ints]]) -> Float:
    """Return the statistic under draws of seeds and clusters."""
    seeds, clusters, strata = sums.shape
    flat = sums.transpose(1, 0, 2).reshape(clusters, -1)
    statistic = np.empty(replicates)
    start = 0
    for seeds_drawn, clusters_drawn in draws:
        of_seeds, of_clusters = seeds_drawn.astype(np.float64), clusters_drawn.astype(np.float64)
        size = len(of_seeds)
        # einsum sums in one written order; a BLAS product may not, and the numbers should not
        # depend on its threads.
        by_seed = np.einsum("bc,cx->bx", of_clusters, flat)
        above = np.einsum("bs,bsl->bl", of_seeds / seeds, by_seed.reshape(size, seeds, strata))
        below = np.einsum("bc,cl->bl", of_clusters, counts)
        drawn = below > 0
        means = np.divide(above, below, out=np.zeros_like(above), where=drawn)
        statistic[start : start + size] = means.sum(axis=1) / drawn.sum(axis=1)
        start += size
    return statistic


def _draws(
    replicates: int, seeds: int, clusters: int, generator: np.random.Generator
) -> Iterator[tuple[Ints, Ints]]:
    """Return how often each seed and each cluster is drawn, a block of replicates at a time."""
    for start in range(0, replicates, _BLOCK):
        size = min(_BLOCK, replicates - start)
        of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size)
        yield of_seeds, generator.multinomial(clusters, np.full(clusters, 1 / clusters), size)


@lru_cache(maxsize=4)
def _kept_draws(seed: int, replicates: int, seeds: int, clusters: int) -> list[tuple[Ints, Ints]]:
    generator = np.random.default_rng(_entropy(seed, "bootstrap"))
    return [
        (of_seeds.astype(np.int16), of_clusters.astype(np.int16))
        for of_seeds, of_clusters in _draws(replicates, seeds, clusters, generator)
    ]


def _every_flip(units: int) -> Iterator[Ints]:
    """Return all patterns of signs, 1 for a flipped unit, a block at a time."""
    for start in range(0, 2**units, _BLOCK):
        size = min(_BLOCK, 2**units - start)
        yield np.arange(start, start + size)[:, None] >> np.arange(units) & 1


def _flips(seed: int, permutations: int, units: int) -> Iterable[Ints]:
    """Return random patterns of signs, a block at a time."""
    return (_kept_flips if permutations * units <= _KEPT else _drawn_flips)(seed, permutations, units)


def _drawn_flips(seed: int, permutations: int, units: int) -> Iterator[Ints]:
    generator = np.random.default_rng(_entropy(seed, "sign-flip"))
    for start in range(0, permutations, _BLOCK):
        yield generator.integers(0, 2, (min(_BLOCK, permutations - start), units))


@lru_cache(maxsize=4)
def _kept_flips(seed: int, permutations: int, units: int) -> list[Ints]:
    return [pattern.astype(np.int8) for pattern in _drawn_flips(seed, permutations, units)]


def _entropy(seed: int, purpose: str) -> list[int]:
    """Mix a seed with what it is used for, so that two uses of one seed are unrelated."""
    return [seed, *purpose.encode()]
