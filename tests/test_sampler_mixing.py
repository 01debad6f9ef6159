"""The mix at every prefix: kinds, then languages or language pairs, whatever their number and weights."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from parallel_index import parallel

RATIOS = [0.0, 0.1, 1 / 3, 0.4, 0.5, 0.617, 0.95, 1.0]


def whole_weights(languages, kind):
    """Equal weights, or whole numbers with few common cycles."""
    if kind == "equal":
        return [1] * languages
    if kind == "one large":
        return [1] * (languages - 1) + [97]
    return [3 + 7 * number % 11 for number in range(languages)]


def furthest(turns, shares):
    """Greatest distance of an item's count from its share over every prefix, exactly, in turns.

    ``turns`` holds items, ``shares`` whole numbers. The distance is greatest right at an item's turn,
    right before it, or at the end.
    """
    shares = np.asarray(shares, dtype=np.int64)
    total, length = int(shares.sum()), len(turns)
    assert length * total < 2**62
    assert shares[turns].min(initial=1) > 0, "an item without a share had a turn"
    order = np.argsort(turns, kind="stable")
    item, place = turns[order].astype(np.int64), order.astype(np.int64)
    counts = np.bincount(turns, minlength=len(shares))
    nth = np.arange(length) - np.repeat(np.cumsum(counts) - counts, counts)
    ahead = (nth + 1) * total - shares[item] * (place + 1)
    behind = shares[item] * place - nth * total
    last = shares * length - counts * total
    return Fraction(int(max(ahead.max(initial=0), behind.max(initial=0), np.abs(last).max())), total)


def furthest_kinds(kinds, ratio):
    """Greatest distance of the monolingual count from ratio · n over every prefix, exactly."""
    exact = Fraction(ratio)
    counts = np.cumsum(kinds).tolist()
    return max(abs(count - exact * n) for n, count in enumerate(counts, 1))


def test_the_oracle_sees_distances():
    assert furthest(np.array([0, 1, 0, 1]), [1, 1]) == Fraction(1, 2)
    assert furthest(np.array([0, 0, 1, 1]), [1, 1]) == 1
    assert furthest(np.array([1, 1, 1, 0]), [1, 1]) == Fraction(3, 2)
    assert furthest(np.array([0, 0, 0, 0, 1]), [1, 3]) == Fraction(3)
    assert furthest_kinds([True, False, False, True], 0.5) == Fraction(1, 2)
    assert furthest_kinds([True, True, False, False], 0.5) == 1


@pytest.mark.parametrize("ratio", [*RATIOS, 1e-9, 1 - 1e-9, 5e-324, math.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("unit", ["batch", "row"])
def test_kinds_stay_within_half_of_their_share(ratio, unit):
    sampler = hf.HybridBatchSampler(parallel(3, 12), 2, ratio, unit=unit, batches_per_epoch=3000)
    for epoch in (0, 1, 10**9):
        sampler.set_epoch(epoch)
        kinds = sampler.batches(0, 3000).is_mono.ravel()
        assert furthest_kinds(kinds, ratio) <= Fraction(1, 2)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_kinds_stay_within_half_of_any_share(ratio, seed, epoch):
    sampler = hf.HybridBatchSampler(parallel(2, 4), 1, ratio, seed=seed, batches_per_epoch=500)
    sampler.set_epoch(epoch)
    assert furthest_kinds(sampler.batches(0, 500).is_mono, ratio) <= Fraction(1, 2)


@pytest.mark.parametrize("mixing", ["exact", "coupled", "bernoulli"])
@pytest.mark.parametrize("weights", ["equal", "one large", "various"])
@pytest.mark.parametrize(("languages", "batches"), [(2, 2000), (11, 6000), (121, 6000)])
def test_languages_stay_within_one_of_their_share(languages, batches, weights, mixing):
    shares = whole_weights(languages, weights)
    sampler = hf.HybridBatchSampler(
        parallel(languages, 4),
        2,
        0.6,
        mixing=mixing,
        cross="homogeneous",
        language_weights=shares,
        batches_per_epoch=batches,
    )
    for epoch in (0, 3):
        sampler.set_epoch(epoch)
        plan = sampler.batches(0, batches)
        assert furthest(plan.query_language[plan.is_mono, 0], shares) <= 1


def strata_of(shares):
    """Shares of the ordered pairs of different languages, as a table with a diagonal of zeros."""
    shares = np.asarray(shares, dtype=np.int64)
    table = shares[:, None] * shares[None, :]
    np.fill_diagonal(table, 0)
    return table.ravel()


@pytest.mark.parametrize("weights", ["equal", "various"])
@pytest.mark.parametrize(("languages", "batches"), [(2, 2000), (4, 4000), (11, 8000), (100, 30_000)])
def test_language_pairs_stay_within_one_of_their_share(languages, batches, weights):
    """Up to 9,900 strata."""
    shares = whole_weights(languages, weights)
    sampler = hf.HybridBatchSampler(
        parallel(languages, 3),
        1,
        0.25,
        cross="homogeneous",
        language_weights=shares,
        batches_per_epoch=batches,
    )
    for epoch in (0, 2) if languages < 100 else (1,):
        sampler.set_epoch(epoch)
        plan = sampler.batches(0, batches)
        assert furthest_kinds(plan.is_mono, 0.25) <= Fraction(1, 2)
        assert furthest(plan.query_language[plan.is_mono, 0], shares) <= 1
        crossing = plan.query_language[:, 0].astype(np.int64) * languages + plan.passage_language[:, 0]
        assert furthest(crossing[~plan.is_mono], strata_of(shares)) <= 1


@pytest.mark.parametrize("weights", ["equal", "one large", "various"])
@pytest.mark.parametrize("unit", ["batch", "row"])
@pytest.mark.parametrize("languages", [2, 5, 11])
def test_mixed_rows_stay_within_one_of_their_share(languages, unit, weights):
    shares = whole_weights(languages, weights)
    sampler = hf.HybridBatchSampler(
        parallel(languages, 40), 7, 0.3, unit=unit, language_weights=shares, batches_per_epoch=1500
    )
    plan = sampler.batches(0, 1500)
    stratum = plan.query_language.astype(np.int64) * languages + plan.passage_language
    if unit == "row":
        alone = plan.query_language[plan.is_mono]
        crossing = stratum[~plan.is_mono]
    else:
        alone = plan.query_language[plan.is_mono, 0]
        crossing = stratum[~plan.is_mono].ravel()
    assert furthest(alone, shares) <= 1
    assert furthest(crossing, strata_of(shares)) <= 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=9),
    st.sampled_from(["mixed", "homogeneous"]),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_any_weights_are_followed_within_one(weights, cross, ratio, seed):
    languages = len(weights)
    sampler = hf.HybridBatchSampler(
        parallel(languages, 8),
        2,
        ratio,
        cross=cross,
        language_weights=weights,
        seed=seed,
        batches_per_epoch=600,
    )
    plan = sampler.batches(0, 600)
    assert furthest_kinds(plan.is_mono, ratio) <= Fraction(1, 2)
    stratum = plan.query_language.astype(np.int64) * languages + plan.passage_language
    whole = np.outer(weights, weights) * (1 - np.eye(languages))
    crossing = stratum[~plan.is_mono, 0] if cross == "homogeneous" else stratum[~plan.is_mono].ravel()
    for turns, shares in (
        (plan.query_language[plan.is_mono, 0], np.asarray(weights)),
        (crossing, whole.ravel()),
    ):
        # Shares in parts of 2³⁰ are exact enough for so few turns.
        assert furthest(turns, np.rint(shares / shares.sum() * 2**30)) <= 1 + Fraction(1, 10**4)


@pytest.mark.parametrize("weights", ["equal", "various"])
@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
@pytest.mark.parametrize("mixing", ["exact", "coupled", "bernoulli"])
@pytest.mark.parametrize("languages", [2, 11, 20])
def test_a_cold_batch_has_the_turn_of_its_place(languages, mixing, cross, weights):
    options = {
        "mixing": mixing,
        "cross": cross,
        "language_weights": whole_weights(languages, weights),
        "batches_per_epoch": 9000,
    }
    index = parallel(languages, 6)
    whole = hf.HybridBatchSampler(index, 2, 0.37, **options).batches(0, 9000)
    for start in (0, 1, 4095, 4097, 8191, 8999):
        cold = hf.HybridBatchSampler(index, 2, 0.37, **options).batch(start)
        assert cold.is_mono == whole.is_mono[start]
        for name in ("group", "query", "passage", "query_language", "passage_language"):
            assert np.array_equal(getattr(cold, name), getattr(whole, name)[start]), (start, name)


def test_prefixes_hold_from_the_middle_of_a_long_epoch():
    """Reading from batch 10⁶ on, the counts before are those of a whole cycle structure."""
    languages, start, count = 11, 1_000_021, 4400
    sampler = hf.HybridBatchSampler(
        parallel(languages, 8), 2, 0.5, cross="homogeneous", batches_per_epoch=2_000_000
    )
    plan = sampler.batches(start, start + count)
    # From any place on, a window differs from its share by at most the sum of two prefixes.
    assert furthest_kinds(plan.is_mono, 0.5) <= 1
    assert furthest(plan.query_language[plan.is_mono, 0], [1] * languages) <= 2
    crossing = plan.query_language[:, 0].astype(np.int64) * languages + plan.passage_language[:, 0]
    assert furthest(crossing[~plan.is_mono], strata_of([1] * languages)) <= 2


def test_turns_differ_between_epochs_and_seeds():
    index = parallel(7, 20)

    def turns(seed, epoch):
        sampler = hf.HybridBatchSampler(index, 2, 1.0, seed=seed, batches_per_epoch=700)
        sampler.set_epoch(epoch)
        return sampler.batches(0, 700).query_language[:, 0]

    first = turns(1, 0)
    for other in (turns(1, 1), turns(2, 0)):
        assert 0.02 < (first == other).mean() < 0.5


@pytest.mark.parametrize("unit", ["batch", "row"])
def test_coupled_kinds_are_nested_over_all_ratios(unit):
    index = parallel(3, 12)
    before = np.zeros(2000, dtype=bool)
    for ratio in np.linspace(0, 1, 41):
        sampler = hf.HybridBatchSampler(
            index,
            2,
            float(ratio),
            mixing="coupled",
            unit=unit,
            batches_per_epoch=2000 if unit == "batch" else 1000,
        )
        kinds = sampler.batches(0, len(sampler)).is_mono.ravel()
        assert not (before & ~kinds).any(), ratio
        assert furthest_kinds(kinds, float(ratio)) <= math.log2(len(kinds)) / 2 + 1
        before = kinds
    assert before.all()


def test_coupled_runs_change_only_the_slots_between_their_ratios():
    index = parallel(3, 12)

    def kinds(ratio):
        sampler = hf.HybridBatchSampler(index, 2, ratio, mixing="coupled", batches_per_epoch=4096)
        return sampler.batches(0, 4096).is_mono

    changed = kinds(0.4) != kinds(0.5)
    assert abs(changed.mean() - 0.1) < 0.002
    assert abs(furthest_kinds(changed, 0.1)) <= 8


@pytest.mark.parametrize("mixing", ["exact", "coupled", "bernoulli"])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_ratio_of_all_or_nothing_is_one_kind_only(mixing, ratio):
    sampler = hf.HybridBatchSampler(parallel(3, 20), 4, ratio, mixing=mixing, batches_per_epoch=500)
    assert (sampler.batches(0, 500).is_mono == bool(ratio)).all()
