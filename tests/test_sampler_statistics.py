"""The orders that a sampler draws look like independent uniform permutations, by every test made here.

All seeds are fixed; a sound stream fails one of these limits (4.5 standard deviations) once in some
ten thousand streams.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import hybrid_fast as hf
from parallel_index import parallel

LIMIT = 4.5


def passes(index, size, count, *, seed=1, epoch=0, **options):
    """Groups in the order in which ``count`` passes over each language draw them, by language."""
    languages = len(index.languages)
    each = index.groups // size
    sampler = hf.HybridBatchSampler(
        index, size, 1.0, batches_per_epoch=count * each * languages, seed=seed, **options
    )
    sampler.set_epoch(epoch)
    plan = sampler.batches(0, len(sampler))
    language = plan.query_language[:, 0]
    return [plan.group[language == number].reshape(count, each * size) for number in range(languages)]


def normal(statistic, freedom):
    """A chi-square value as standard deviations of a normal one (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * freedom)
    return ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


def uniform(counts):
    """Distance of counts from equal ones."""
    counts = np.asarray(counts, dtype=float).ravel()
    expected = counts.mean()
    assert expected >= 5
    return normal(((counts - expected) ** 2 / expected).sum(), counts.size - 1)


def of_positions(orders, rows):
    """Distance of (position, row) counts of permutations from equal ones."""
    count, length = orders.shape
    table = np.zeros((length, rows))
    np.add.at(table, (np.arange(length)[None, :].repeat(count, 0), orders), 1)
    expected = count / rows
    assert expected >= 5
    statistic = ((table - expected) ** 2 / expected).sum()
    if length < rows:
        return normal(statistic, length * (rows - 1))
    return normal(statistic * (rows - 1) / rows, (rows - 1) ** 2)


def of_two(left, right, rows):
    """Distance of the joint counts of two rows from equal ones."""
    return uniform(np.bincount(left * rows + right, minlength=rows * rows))


def matches(left, right):
    """Distance of the number of agreeing positions of pairs of permutations from 1 a pair."""
    agreeing = (left == right).sum(axis=1)
    return (agreeing.mean() - 1) * math.sqrt(len(agreeing))


@pytest.mark.parametrize(
    ("rows", "size"), [(7, 1), (23, 1), (32, 1), (33, 1), (24, 4), (23, 5), (40, 8), (64, 16)]
)
def test_every_row_comes_at_every_position_equally_often(rows, size):
    (orders,) = passes(parallel(1, rows), size, 4000)
    assert abs(of_positions(orders, rows)) < LIMIT


def test_every_row_comes_at_every_position_equally_often_over_epochs():
    index = parallel(1, 20)
    orders = np.concatenate([passes(index, 4, 1, epoch=epoch)[0] for epoch in range(2000)])
    assert abs(of_positions(orders, 20)) < LIMIT


def test_every_row_comes_at_every_position_equally_often_over_seeds():
    index = parallel(1, 20)
    orders = np.concatenate([passes(index, 4, 1, seed=seed)[0] for seed in range(2000)])
    assert abs(of_positions(orders, 20)) < LIMIT


@pytest.mark.parametrize("rows", [3, 4, 5, 6])
def test_all_orders_of_a_few_rows_come_equally_often(rows):
    (orders,) = passes(parallel(1, rows), 1, 30 * math.factorial(rows))
    number = {order: place for place, order in enumerate(itertools.permutations(range(rows)))}
    assert abs(uniform(np.bincount([number[tuple(one)] for one in orders.tolist()]))) < LIMIT


@pytest.mark.parametrize("rows", [7, 8, 9, 16, 32])
def test_even_and_odd_orders_come_equally_often(rows):
    (orders,) = passes(parallel(1, rows), 1, 4000)
    earlier, later = np.triu_indices(rows, 1)
    odd = (orders[:, earlier] > orders[:, later]).sum(axis=1) % 2
    assert abs(odd.mean() - 0.5) * 2 * math.sqrt(len(odd)) < LIMIT


@pytest.mark.parametrize(
    ("rows", "size"),
    [(12, 1), (12, 3), (13, 4), (16, 8)],
)
def test_neighbouring_rows_are_independent(rows, size):
    (orders,) = passes(parallel(1, rows), size, 20_000)
    apart = np.flatnonzero(~np.eye(rows, dtype=bool).ravel())
    for place in (0, 1, orders.shape[1] // 2, orders.shape[1] - 2):
        table = np.bincount(orders[:, place] * rows + orders[:, place + 1], minlength=rows * rows)
        assert abs(uniform(table[apart])) < LIMIT, place


@pytest.mark.parametrize(("rows", "size"), [(9, 1), (12, 4)])
def test_passes_are_independent_of_the_pass_before(rows, size):
    (orders,) = passes(parallel(1, rows), size, 20_000)
    for place in (0, orders.shape[1] - 1):
        assert abs(of_two(orders[:-1, place], orders[1:, place], rows)) < LIMIT
    assert abs(of_two(orders[:-1, -1], orders[1:, 0], rows)) < LIMIT
    assert abs(matches(orders[:-1], orders[1:])) < LIMIT


def test_rows_share_a_batch_equally_often():
    (orders,) = passes(parallel(1, 12), 3, 8000)
    together = np.zeros((12, 12))
    batches = orders.reshape(-1, 3)
    for first, second in itertools.combinations(range(3), 2):
        np.add.at(together, (batches[:, first], batches[:, second]), 1)
    both = (together + together.T)[np.triu_indices(12, 1)]
    assert abs(uniform(both)) < LIMIT


@pytest.mark.parametrize("languages", [2, 5])
def test_parallel_languages_walk_independently(languages):
    orders = passes(parallel(languages, 12), 4, 6000)
    for left, right in itertools.combinations(orders, 2):
        assert abs(matches(left, right)) < LIMIT
        assert abs(of_two(left[:, 0], right[:, 0], 12)) < LIMIT
        assert abs(matches(left[:-1], right[1:])) < LIMIT


@pytest.mark.parametrize(
    ("left", "right"),
    [((0, 1), (1, 0)), ((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 2), (2, 0)), ((0, 0), (2**32, 0))],
    ids=["seed+1, epoch-1", "seed+1", "epoch+1", "seed and epoch swapped", "seed+2^32"],
)
def test_seeds_and_epochs_are_hashed_not_added(left, right):
    index = parallel(1, 30)

    def orders(shift, epoch):
        return np.concatenate(
            [passes(index, 5, 1, seed=seed + shift, epoch=epoch)[0] for seed in range(42, 1042)]
        )

    assert abs(matches(orders(*left), orders(*right))) < LIMIT


def test_a_long_order_has_no_serial_correlation():
    rows = 100_003
    (orders,) = passes(parallel(1, rows), 1, 1)
    order = orders[0].astype(float)
    order = (order - order.mean()) / order.std()
    place = np.arange(rows) - (rows - 1) / 2
    assert abs((order * place).mean() / place.std()) * math.sqrt(rows) < LIMIT
    for lag in (1, 2, 3, 7, 8, 16, 31, 64, 128, 256, 1000, 1024, 4096, 32_768):
        assert abs((order[:-lag] * order[lag:]).mean()) * math.sqrt(rows) < LIMIT, lag


@pytest.mark.parametrize(("rows", "size"), [(100_000, 1), (99_968, 128), (65_536, 1), (65_537, 1)])
def test_a_long_order_fills_every_corner(rows, size):
    (orders,) = passes(parallel(1, rows), size, 1)
    order, place = orders[0], np.arange(orders.shape[1])
    # Coarse places against coarse rows, and the last digits of both.
    for cells, left, right in (
        (40, place * 40 // rows, order * 40 // rows),
        (16, place % 16, order % 16),
        (16, place % 16, order * 16 // rows),
        (32, place * 32 // rows, order % 32),
    ):
        table = np.bincount(left * cells + right, minlength=cells * cells)
        assert abs(uniform_in_a_permutation(table.reshape(cells, cells))) < LIMIT
    steps = (order[1:] - order[:-1]) % rows
    assert abs(uniform(np.bincount(steps * 200 // rows, minlength=200))) < LIMIT
    assert abs(uniform(np.bincount(steps % 2))) < LIMIT


def uniform_in_a_permutation(table):
    """Distance from independence, where the sums of rows and of columns are given."""
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    cells = (table.shape[0] - 1) * (table.shape[1] - 1)
    return normal(((table - expected) ** 2 / expected).sum(), cells)


GUARD = ("group", "query", "passage")


@pytest.mark.parametrize(
    ("cross", "shared", "guard"),
    [
        ("mixed", 1, ()),
        ("mixed", 2, ()),
        ("mixed", 1, GUARD),
        ("mixed", 2, GUARD),
        ("homogeneous", 1, ()),
        ("homogeneous", 2, ()),
        ("homogeneous", 1, GUARD),
        ("homogeneous", 2, GUARD),
    ],
)
def test_cross_lingual_rows_come_at_every_position_equally_often(cross, shared, guard):
    """By symmetry, guards that treat all groups alike leave every row equally likely everywhere."""
    rows, count, size = 16, 1500, 4
    index = parallel(3, rows, shared=shared)
    sampler = hf.HybridBatchSampler(
        index, size, 0.0, cross=cross, guard=guard, batches_per_epoch=count * 6 * rows // size, seed=3
    )
    plan = sampler.batches(0, len(sampler))
    stratum = plan.query_language.astype(int) * 3 + plan.passage_language
    for one in (1, 2, 3, 5, 6, 7):
        orders = plan.group[stratum == one].reshape(count, rows)
        assert (np.sort(orders, axis=1) == np.arange(rows)).all() or (guard and cross == "mixed")
        assert abs(of_positions(orders, rows)) < LIMIT
    if cross == "mixed":
        left, right = plan.group[stratum == 1], plan.group[stratum == 2]
        if not guard:
            assert abs(of_two(left, right, rows)) < LIMIT


def test_language_pairs_come_at_every_place_of_a_batch_equally_often():
    index = parallel(3, 60)
    sampler = hf.HybridBatchSampler(index, 6, 0.0, batches_per_epoch=5000, seed=4)
    plan = sampler.batches(0, len(sampler))
    stratum = plan.query_language.astype(int) * 3 + plan.passage_language
    orders = np.searchsorted([1, 2, 3, 5, 6, 7], stratum)
    assert (np.sort(orders, axis=1) == np.arange(6)).all()
    assert abs(of_positions(orders, 6)) < LIMIT


def test_languages_come_at_every_place_of_a_round_equally_often():
    sampler = hf.HybridBatchSampler(parallel(5, 20), 4, 1.0, batches_per_epoch=20_000, seed=5)
    turns = sampler.batches(0, len(sampler)).query_language[:, 0].astype(int).reshape(-1, 5)
    assert (np.sort(turns, axis=1) == np.arange(5)).all()
    assert abs(of_positions(turns, 5)) < LIMIT
    assert abs(of_two(turns[:-1, 0], turns[1:, 0], 5)) < LIMIT


@pytest.mark.parametrize("ratio", [0.03, 0.3, 0.5, 0.9])
def test_bernoulli_kinds_are_independent_draws(ratio):
    index = parallel(2, 10)
    draws = 60_000
    sampler = hf.HybridBatchSampler(
        index, 1, ratio, mixing="bernoulli", batches_per_epoch=draws, seed=round(ratio * 100)
    )
    kinds = sampler.batches(0, draws).is_mono.astype(float)
    spread = math.sqrt(ratio * (1 - ratio))
    assert abs(kinds.mean() - ratio) / spread * math.sqrt(draws) < LIMIT
    centred = (kinds - ratio) / spread
    for lag in (1, 2, 3, 4, 8, 64, 4096):
        assert abs((centred[lag:] * centred[:-lag]).mean()) * math.sqrt(draws) < LIMIT, lag
    # Runs of either kind have the lengths of independent draws.
    ends = np.flatnonzero(np.diff(kinds))
    assert abs((len(ends) / draws - 2 * spread**2) * math.sqrt(draws)) < LIMIT


def test_bernoulli_kinds_of_seeds_and_epochs_are_independent():
    index = parallel(2, 10)

    def kinds(seed, epoch):
        sampler = hf.HybridBatchSampler(index, 1, 0.5, mixing="bernoulli", batches_per_epoch=4000, seed=seed)
        sampler.set_epoch(epoch)
        return sampler.batches(0, 4000).is_mono

    for left, right in (((42, 1), (43, 0)), ((42, 0), (43, 0)), ((42, 0), (42, 1))):
        assert abs((kinds(*left) == kinds(*right)).mean() - 0.5) * 2 * math.sqrt(4000) < LIMIT


def test_bernoulli_is_the_only_rule_whose_count_spreads():
    index = parallel(2, 10)
    counts = {}
    for mixing in ("exact", "coupled", "bernoulli"):
        sums = []
        for seed in range(100):
            sampler = hf.HybridBatchSampler(index, 1, 0.3, mixing=mixing, batches_per_epoch=200, seed=seed)
            sums.append(int(sampler.batches(0, 200).is_mono.sum()))
        counts[mixing] = np.array(sums)
    assert set(counts["exact"].tolist()) == {60}
    assert abs(counts["coupled"] - 60).max() <= 5
    assert 4.8 < counts["bernoulli"].std() < 8.2
    assert abs(counts["bernoulli"].mean() - 60) / math.sqrt(42 / 100) < LIMIT
