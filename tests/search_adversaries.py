"""Embeddings made to break a search that filters in low precision: each is one way of being unlucky."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

QUERIES, PASSAGES = 96, 1200
"""Enough for whole vector blocks and their remainders."""

DIMENSIONS = (1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 383, 384, 385, 768, 1024)
"""Around every width that lanes, groups and strips may have."""


@dataclass(frozen=True)
class Case:
    """What is searched."""

    queries: np.ndarray
    passages: np.ndarray
    exact: bool = False
    """Whether float64 holds every partial sum, so that its products are the scores."""
    k: int = 100


Builder = Callable[[np.random.Generator], Case]
ADVERSARIES: dict[str, Builder] = {}


def adversary(build: Builder) -> Builder:
    ADVERSARIES[build.__name__] = build
    return build


def normal(rng: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    return rng.standard_normal((rows, dimension)).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def anisotropic(rng: np.random.Generator, rows: int, dimension: int, cosine: float) -> np.ndarray:
    """Unit vectors around one direction, of this mean cosine."""
    centre = np.random.default_rng(1).standard_normal(dimension)
    centre /= np.linalg.norm(centre)
    noise = unit(normal(rng, rows, dimension))
    return unit(np.sqrt(cosine) * centre + np.sqrt(1 - cosine) * noise)


@adversary
def integers(rng: np.random.Generator) -> Case:
    """Many exact ties."""
    q, p = (rng.integers(-3, 4, (rows, 48)).astype(np.float32) for rows in (QUERIES, PASSAGES))
    return Case(q, p, exact=True)


@adversary
def wide_integers(rng: np.random.Generator) -> Case:
    """Values of eight bits and more, which int8 cannot hold, at a dimension of several lanes."""
    q, p = (rng.integers(-180, 181, (rows, 129)).astype(np.float32) for rows in (QUERIES, PASSAGES))
    return Case(q, p, exact=True)


@adversary
def scores_one_ulp_apart(rng: np.random.Generator) -> Case:
    """One-hot queries read single coordinates, whose values are consecutive floats in random order."""
    q = np.zeros((QUERIES, 384), dtype=np.float32)
    q[np.arange(QUERIES), rng.permutation(384)[:QUERIES]] = 1
    p = normal(rng, PASSAGES, 384)
    start = int(np.float32(0.7).view(np.int32))
    consecutive = np.arange(start, start + PASSAGES, dtype=np.int32).view(np.float32)
    for column in q.argmax(axis=1):
        p[:, column] = rng.permutation(consecutive)
    return Case(q, p, exact=True)


@adversary
def ulp_steps_on_one_passage(rng: np.random.Generator) -> Case:
    """All passages equal but for the last bit of one coordinate."""
    p = np.repeat(normal(rng, 1, 384), PASSAGES, axis=0)
    columns = rng.integers(0, 384, PASSAGES)
    rows = np.arange(PASSAGES)
    toward = np.where(rng.random(PASSAGES) < 0.5, np.inf, -np.inf).astype(np.float32)
    p[rows, columns] = np.nextafter(p[rows, columns], toward)
    return Case(normal(rng, QUERIES, 384), p)


@adversary
def ulp_steps_around_each_query_s_best(rng: np.random.Generator) -> Case:
    """Near-duplicates of a few passages crowd the threshold of every query."""
    few = unit(normal(rng, 20, 384))
    p = few[rng.integers(0, 20, PASSAGES)]
    places = rng.integers(0, 384, (PASSAGES, 3))
    moved = np.take_along_axis(p, places, axis=1)
    np.put_along_axis(p, places, np.nextafter(moved, np.float32(9)), axis=1)
    return Case(unit(few[rng.integers(0, 20, QUERIES)] + normal(rng, QUERIES, 384) / 50), p)


@adversary
def all_passages_equal(rng: np.random.Generator) -> Case:
    return Case(normal(rng, QUERIES, 65), np.repeat(normal(rng, 1, 65), PASSAGES, axis=0))


@adversary
def all_zero(rng: np.random.Generator) -> Case:
    """No scale to quantise by."""
    return Case(np.zeros((QUERIES, 33), "f4"), np.zeros((PASSAGES, 33), "f4"), exact=True)


@adversary
def zeros_among_others(rng: np.random.Generator) -> Case:
    q, p = normal(rng, QUERIES, 127), normal(rng, PASSAGES, 127)
    q[::3] = 0
    p[::5] = 0
    p[1::5] = -0.0
    return Case(q, p)


@adversary
def huge_and_tiny_norms(rng: np.random.Generator) -> Case:
    """Rows of 1e-30 to 1e30, every coordinate positive: overflow to infinity, no NaN."""
    q, p = np.abs(normal(rng, QUERIES, 64)), np.abs(normal(rng, PASSAGES, 64))
    q *= 10.0 ** rng.integers(-30, 31, (QUERIES, 1))
    p *= 10.0 ** rng.integers(-30, 31, (PASSAGES, 1))
    return Case(q.astype("f4"), p.astype("f4"))


@adversary
def huge_and_tiny_of_both_signs(rng: np.random.Generator) -> Case:
    """Norms whose squares leave float32 on both sides, while no score overflows."""
    q, p = normal(rng, QUERIES, 383), normal(rng, PASSAGES, 383)
    q *= 10.0 ** rng.integers(-18, 18, (QUERIES, 1))
    p *= 10.0 ** rng.integers(-19, 18, (PASSAGES, 1))
    return Case(q.astype("f4"), p.astype("f4"))


@adversary
def huge_passages_tiny_queries(rng: np.random.Generator) -> Case:
    """Scores near 1 from factors whose squares are 0 and infinite in float32."""
    return Case(normal(rng, QUERIES, 384) * np.float32(1e-30), normal(rng, PASSAGES, 384) * np.float32(1e30))


@adversary
def denormal_passages(rng: np.random.Generator) -> Case:
    """A scale that is itself denormal."""
    p = (normal(rng, PASSAGES, 64) * 1e-42).astype(np.float32)
    p[::7] = (normal(rng, len(p[::7]), 64) * 1e-44).astype(np.float32)
    return Case(normal(rng, QUERIES, 64), p)


@adversary
def denormal_products(rng: np.random.Generator) -> Case:
    """Products round to few bits or to a zero of either sign."""
    q, p = normal(rng, QUERIES, 129) * np.float32(1e-22), normal(rng, PASSAGES, 129) * np.float32(1e-22)
    return Case(q, p)


@adversary
def vanishing_products(rng: np.random.Generator) -> Case:
    """Everything underflows to zero: all passages tie."""
    return Case(normal(rng, QUERIES, 16) * np.float32(1e-30), normal(rng, PASSAGES, 16) * np.float32(1e-30))


@adversary
def overflow_on_the_way(rng: np.random.Generator) -> Case:
    """Partial sums overflow where the true sum is modest: infinity ranks first, and stays so."""
    q, p = np.ones((QUERIES, 48), "f4"), rng.uniform(-1e30, 1e30, (PASSAGES, 48)).astype(np.float32)
    # Coordinates 0, 16 and 32 are neighbours in sums by 16 lanes, and in order in a plain chain.
    p[::9, [0, 16, 32]] = np.array([3e38, 3e38, -3e38], dtype=np.float32)
    return Case(q, p)


@adversary
def a_mean_that_overflows(rng: np.random.Generator) -> Case:
    """The sum of a column is infinite, each score finite: centring must not spoil it."""
    q, p = normal(rng, QUERIES, 64), normal(rng, PASSAGES, 64)
    p[:, 5] = np.float32(3e38)
    q[:, 5] = 0
    q[::2, 5] = np.float32(1e-38)
    return Case(q, p)


@adversary
def infinite_coordinates(rng: np.random.Generator) -> Case:
    """Infinite inputs that meet only positive factors."""
    q, p = np.abs(normal(rng, QUERIES, 65)) + 1, normal(rng, PASSAGES, 65)
    p[::11, 3] = np.inf
    p[5::13, 60] = -np.inf
    p[(p == np.inf).any(axis=1), 60] = 1
    return Case(q, p)


@adversary
def one_loud_coordinate(rng: np.random.Generator) -> Case:
    """A coordinate 10⁵ times the others takes the whole scale; half of the queries ignore it."""
    q, p = normal(rng, QUERIES, 384), normal(rng, PASSAGES, 384)
    p[:, 77] *= np.float32(1e5)
    q[::2, 77] = 0
    return Case(q, p)


@adversary
def one_loud_passage(rng: np.random.Generator) -> Case:
    """Scales that are shared by a block suit one row only."""
    q, p = normal(rng, QUERIES, 384), normal(rng, PASSAGES, 384)
    p[::61] *= np.float32(1e6)
    q[::17] *= np.float32(1e6)
    return Case(q, p)


@adversary
def cosine_07(rng: np.random.Generator) -> Case:
    """As E5's embeddings are."""
    return Case(anisotropic(rng, QUERIES, 384, 0.7), anisotropic(rng, PASSAGES, 384, 0.7))


@adversary
def cosine_099(rng: np.random.Generator) -> Case:
    return Case(anisotropic(rng, QUERIES, 384, 0.99), anisotropic(rng, PASSAGES, 384, 0.99))


@adversary
def orthogonal_queries(rng: np.random.Generator) -> Case:
    """Every score is exactly 0: the order is that of the ids."""
    q, p = normal(rng, QUERIES, 384), normal(rng, PASSAGES, 384)
    q[:, :200] = 0
    p[:, 200:] = 0
    return Case(q, p, exact=True)


@adversary
def cancelling_sums(rng: np.random.Generator) -> Case:
    """Large products that cancel leave scores of rounding errors alone."""
    half, own = normal(rng, PASSAGES, 192), normal(rng, QUERIES, 192)
    return Case(np.hstack([own, own]), np.hstack([half, -half]) * np.float32(1e3))


@adversary
def ascending_scores(rng: np.random.Generator) -> Case:
    """Every passage beats all before it: no threshold holds."""
    q = np.abs(normal(rng, QUERIES, 17))
    p = np.ones((PASSAGES, 17), "f4") * (1 + np.arange(PASSAGES, dtype=np.float32)[:, None] / PASSAGES)
    return Case(q, p)


@adversary
def descending_scores(rng: np.random.Generator) -> Case:
    case = ascending_scores(rng)
    return Case(case.queries, np.ascontiguousarray(case.passages[::-1]))


@adversary
def saturated_int8(rng: np.random.Generator) -> Case:
    """All coordinates at ± the same value: the largest sums that quantised rows can have."""
    q, p = (rng.choice(np.array([-1, 1], "f4"), (rows, 1024)) for rows in (QUERIES, PASSAGES))
    p[:40], q[:8] = 1, 1
    return Case(q, p, exact=True)


@adversary
def sums_beyond_int32(rng: np.random.Generator) -> Case:
    """So many dimensions that products of int8 no longer add up in 32 bits."""
    q, p = np.ones((8, 140_000), np.float16), np.ones((48, 140_000), np.float16)
    p[::3] = -1
    p[1::3, ::2] = 0.5
    q[::2, :7] = 0
    return Case(q, p, exact=True)


@adversary
def half_way_between_steps(rng: np.random.Generator) -> Case:
    """Coordinates at the midpoints of the 255 steps of int8: the rounding errors are largest."""
    steps = rng.integers(-127, 127, (PASSAGES, 383)).astype(np.float32) + np.float32(0.5)
    steps[:, 0] = 127
    queries = rng.integers(-127, 127, (QUERIES, 383)).astype(np.float32) + np.float32(0.5)
    queries[:, 1] = 127
    return Case(queries, steps, exact=True)


@adversary
def errors_of_one_sign(rng: np.random.Generator) -> Case:
    """Quantisation errors that all point along the query: the bound itself is met."""
    q = np.full((QUERIES, 384), 100, dtype=np.float32)
    q[:, ::2] += rng.integers(0, 2, (QUERIES, 192)).astype(np.float32)
    p = np.full((PASSAGES, 384), 0.49, dtype=np.float32)
    p[::2] = -0.49
    p[:, 0] = 127
    p[np.arange(PASSAGES), 1 + rng.integers(0, 383, PASSAGES)] = 0.51
    return Case(q, p)


def signs_and_queries(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return signs a, and queries ±100 a that are blind for the first coordinate; their mean is zero."""
    signs = rng.choice(np.array([-1, 1], "f4"), 384)
    q = np.repeat(100 * signs[None], QUERIES, axis=0)
    q[::2] *= -1
    q[:, 0] = 0
    return signs, q


def bytes_exactly(rng: np.random.Generator, signs: np.ndarray, rows: int) -> np.ndarray:
    """Return rows that bytes hold exactly, along the signs on 120 coordinates: scores of ±12,000."""
    some = np.zeros((rows, 384), dtype=np.float32)
    columns = rng.permuted(np.tile(np.arange(1, 384), (rows, 1)), axis=1)[:, :120]
    np.put_along_axis(some, columns, signs[columns], axis=1)
    some[:, 0] = rng.choice(np.array([-127, 127], "f4"), rows)
    return some


def bytes_blind(rng: np.random.Generator, signs: np.ndarray, rows: int) -> np.ndarray:
    """Return rows that look like nothing in bytes, and have scores of ±18,767."""
    some = np.repeat(np.float32(-0.49) * signs[None], rows, axis=0)
    some[:, 0] = rng.choice(np.array([-127, 127], "f4"), rows)
    return some


@adversary
def bounds_that_are_met(rng: np.random.Generator) -> Case:
    """All rounding errors point along the query, as far as a bound can allow; centring does not help.

    Whoever takes the mean of all passages or of evenly spaced ones finds zero.
    """
    signs, q = signs_and_queries(rng)
    p = -bytes_exactly(rng, signs, 2048)
    p[2::4] = -p[0::4]
    p[1025::2] = bytes_blind(rng, signs, 512)
    return Case(q, p)


@adversary
def guesses_that_fail(rng: np.random.Generator) -> Case:
    """Passages that seem to score 0 raise a guessed threshold above better ones that follow."""
    signs, q = signs_and_queries(rng)
    p = np.repeat(-signs[None], 4096, axis=0)
    p[320:1520] = bytes_blind(rng, signs, 1200)
    p[1520:] = -bytes_exactly(rng, signs, 2576)
    # Every fourth: a mean of zero, with few passages above all that matters.
    p[::4] = -signs
    p[:: 4 * 64] = 63 * signs
    return Case(q, p)


@adversary
def roundings_that_conspire(rng: np.random.Generator) -> Case:
    """Scores that rounding alone puts in order, against the order of the true ones.

    Lanes of the sum stay between 16 and 32, where floats are 2⁻¹⁹ apart. Some passages add a little less
    than half of that in every step, and lose it; others a little more, but half as often, and gain.
    """
    ulp = np.float32(2.0**-23)
    q = np.full((QUERIES, 384), 0.5, dtype=np.float32)
    p = np.ones((1500, 384), dtype=np.float32)
    q[:, :16], p[:, :16] = 4, 4
    p[0::2, 16:] += 15 * ulp
    gains = rng.permuted(np.tile(np.arange(368) % 2 == 0, (750, 1)), axis=1)
    p[1::2, 16:] += gains * 17 * ulp
    q[::3] *= -1
    return Case(q, p)


@adversary
def a_crowd_at_the_threshold(rng: np.random.Generator) -> Case:
    """Thousands of passages that no byte tells apart, over several chunks of panels."""
    p = unit(normal(rng, 1, 64)) + np.float32(1e-4) * unit(normal(rng, 11_000, 64))
    p[::3] = unit(normal(rng, len(p[::3]), 64))
    return Case(unit(normal(rng, 48, 64)), p, k=20)


@adversary
def many_passages_of_cosine_07(rng: np.random.Generator) -> Case:
    return Case(anisotropic(rng, 40, 96, 0.7), anisotropic(rng, 18_000, 96, 0.7))


@adversary
def changing_company(rng: np.random.Generator) -> Case:
    """Norms, means and scales of passages drift from block to block, small and large by turns."""
    p = normal(rng, 9000, 80) * np.exp(3 * np.sin(np.arange(9000) / 300))[:, None]
    p += 5 * np.cos(np.arange(9000) / 1000)[:, None]
    return Case(normal(rng, 48, 80), p.astype(np.float32))


@adversary
def half_precision(rng: np.random.Generator) -> Case:
    """float16 with its largest values, denormals and infinities."""
    q = np.abs(normal(rng, QUERIES, 65)).astype(np.float16)
    p = (normal(rng, PASSAGES, 65) * 10.0 ** rng.integers(-7, 5, (PASSAGES, 1))).clip(-6e4, 6e4)
    p = p.astype(np.float16)
    p[::50, 8] = np.inf
    return Case(q, p)


def of_dimension(dimension: int) -> Builder:
    """Plain embeddings of any width, a third of the passages doubled."""

    def build(rng: np.random.Generator) -> Case:
        p = normal(rng, 700, dimension)
        p[400:] = p[:300]
        return Case(normal(rng, 67, dimension), p)

    build.__name__ = f"dimension_{dimension}"
    return build


for width in DIMENSIONS:
    adversary(of_dimension(width))


@adversary
def one_passage(rng: np.random.Generator) -> Case:
    return Case(normal(rng, QUERIES, 384), normal(rng, 1, 384))


@adversary
def one_query(rng: np.random.Generator) -> Case:
    return Case(normal(rng, 1, 384), normal(rng, 2500, 384))


NAN: dict[str, Callable[[np.random.Generator], Case]] = {}
"""Searches that meet a score that is not a number, mostly where a filter would not look."""


def refused(build: Builder) -> Builder:
    NAN[build.__name__] = build
    return build


@refused
def a_nan_in_a_passage(rng: np.random.Generator) -> Case:
    p = normal(rng, PASSAGES, 384)
    p[731, 200] = p[900, 3] = np.nan
    return Case(normal(rng, QUERIES, 384), p)


@refused
def a_nan_in_a_query(rng: np.random.Generator) -> Case:
    q = normal(rng, QUERIES, 384)
    q[70, 383] = np.nan
    return Case(q, normal(rng, PASSAGES, 384))


@refused
def a_nan_in_a_poor_passage(rng: np.random.Generator) -> Case:
    """Its other coordinates put it far below every threshold."""
    q, p = np.abs(normal(rng, QUERIES, 64)), normal(rng, PASSAGES, 64)
    p[800] = -1e6
    p[800, 9] = np.nan
    return Case(q, p)


@refused
def infinity_times_zero(rng: np.random.Generator) -> Case:
    q, p = normal(rng, QUERIES, 64), normal(rng, PASSAGES, 64)
    q[77, 5] = 0
    p[640, 5] = -np.inf
    return Case(q, p)


@refused
def infinities_that_cancel(rng: np.random.Generator) -> Case:
    q, p = np.abs(normal(rng, QUERIES, 64)) + 1, normal(rng, PASSAGES, 64)
    p[640, 5], p[640, 6] = np.inf, -np.inf
    return Case(q, p)


def overflows_of_both_signs(rng: np.random.Generator) -> Case:
    """Finite inputs whose true score is modest; lanes may end at +∞ and −∞."""
    q, p = normal(rng, QUERIES, 384), normal(rng, PASSAGES, 384)
    q[50], p[999] = 1e20, 1e20
    p[999, np.arange(384) % 16 >= 8] = -1e20
    return Case(q, p)
