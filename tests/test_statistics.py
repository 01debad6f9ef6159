"""Bootstrap and permutation tests against cases worked by hand and simulated coverage."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid_fast.errors import InvalidArgument, InvalidShape, NotANumber
from hybrid_fast.statistics import bootstrap, paired_difference, sign_flip_test


def test_constant_values_have_an_interval_of_no_width():
    interval = bootstrap(np.full((3, 5), 0.25))
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_the_mean_over_strata_weighs_languages_equally():
    values = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.5]])
    interval = bootstrap(values, strata=["en", "en", "en", "yo"])
    assert interval.mean == pytest.approx((1.0 + 0.25) / 2)
    assert bootstrap(values).mean == pytest.approx(values.mean())


def test_one_seed_two_queries_gives_the_binomial_quantiles():
    # Draws of two from {0, 1}: the mean is 0, 1/2 or 1 with probability 1/4, 1/2, 1/4.
    interval = bootstrap([0.0, 1.0], confidence=0.4, replicates=4000)
    assert (interval.low, interval.high) == (0.5, 0.5)
    interval = bootstrap([0.0, 1.0], confidence=0.9, replicates=4000)
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_clusters_are_drawn_together():
    # Ten copies of a two-query cluster pair are worth two clusters, not twenty queries.
    values = np.repeat([0.0, 1.0], 10)
    alone = bootstrap(values, replicates=4000)
    together = bootstrap(values, clusters=np.repeat(["a", "b"], 10), replicates=4000)
    assert (together.low, together.high) == (0.0, 1.0)
    assert alone.low > 0.2
    assert alone.high < 0.8


def test_the_seed_decides_the_draws():
    values = np.random.default_rng(0).random((3, 40))
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_replicates_are_the_formula_of_the_docstring():
    from hybrid_fast import statistics

    generator = np.random.default_rng(3)
    values = generator.random((3, 12))
    cluster = generator.integers(0, 5, 12)
    stratum = generator.integers(0, 2, 12)
    cluster = np.unique(cluster, return_inverse=True)[1]
    sums, counts = statistics._by_cluster(values, cluster, stratum)
    found = statistics._replicates(sums, counts, 50, np.random.default_rng(9))
    draw = np.random.default_rng(9)
    clusters = cluster.max() + 1
    of_seeds = draw.multinomial(3, np.full(3, 1 / 3), 50)
    of_clusters = draw.multinomial(clusters, np.full(clusters, 1 / clusters), 50)
    for replicate in range(50):
        means = []
        for label in range(2):
            weight = of_clusters[replicate][cluster] * (stratum == label)
            if weight.sum():
                above = sum(of_seeds[replicate][s] * (weight * values[s]).sum() for s in range(3))
                means.append(above / (3 * weight.sum()))
        assert found[replicate] == pytest.approx(np.mean(means))


def test_intervals_cover_as_often_as_they_say():
    # Crossed effects of seeds and queries, true mean 0.5. With few seeds a percentile interval is
    # somewhat short (the variance of S draws is (S − 1)/S of the true one), so 12 seeds here.
    generator = np.random.default_rng(7)
    covered = 0
    trials = 300
    for trial in range(trials):
        seeds = generator.normal(0, 0.05, (12, 1))
        queries = generator.normal(0, 0.2, (1, 60))
        values = 0.5 + seeds + queries + generator.normal(0, 0.1, (12, 60))
        interval = bootstrap(values, confidence=0.9, replicates=300, seed=trial)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.84 <= covered / trials <= 0.96


def test_exact_sign_flips_are_those_of_the_enumeration():
    differences = np.array([0.3, 0.1, -0.05, 0.2])
    observed = abs(differences.sum())
    flips = [abs((np.array(signs) * differences).sum()) for signs in itertools.product([1, -1], repeat=4)]
    expected = np.mean([flip >= observed - 1e-12 for flip in flips])
    assert sign_flip_test(differences) == pytest.approx(expected)
    assert sign_flip_test([1.0, 1.0, 1.0]) == pytest.approx(2 / 8)
    assert sign_flip_test([0.0, 0.0]) == 1.0


def test_flips_over_seeds_are_bounded_by_the_number_of_seeds():
    differences = np.full((3, 100), 0.1)
    assert sign_flip_test(differences, over="seeds") == pytest.approx(2 / 8)
    assert sign_flip_test(differences, over="queries") == pytest.approx(1 / 10_001)


def test_clusters_flip_together():
    differences = np.full(8, 0.1)
    assert sign_flip_test(differences) == pytest.approx(2 / 2**8)
    assert sign_flip_test(differences, clusters=[0, 0, 0, 0, 1, 1, 1, 1]) == pytest.approx(2 / 4)


def test_p_values_are_uniform_when_nothing_differs():
    generator = np.random.default_rng(11)
    values = [
        sign_flip_test(generator.normal(0, 1, 40), permutations=400, seed=trial) for trial in range(400)
    ]
    for level in (0.05, 0.25, 0.5):
        assert abs(np.mean(np.array(values) <= level) - level) < 4 * np.sqrt(level * (1 - level) / 400)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_a_difference_is_antisymmetric(seeds, queries, seed):
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, seeds, queries))
    one = paired_difference(first, second, replicates=100, permutations=300)
    two = paired_difference(second, first, replicates=100, permutations=300)
    assert one.interval.mean == pytest.approx(-two.interval.mean)
    assert one.p_value == two.p_value
    assert 0 < one.p_value <= 1
    assert one.interval.low <= one.interval.high


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([[]],), InvalidShape, "at least one"),
        (([0.0, np.nan],), NotANumber, "query 1"),
        (([0.0, np.inf],), NotANumber, "inf"),
    ],
)
def test_bad_values_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        bootstrap(*arguments)
    with pytest.raises(error, match=words):
        sign_flip_test(*arguments)


def test_bad_arguments_are_named():
    with pytest.raises(InvalidShape, match="clusters has 1"):
        bootstrap([0.0, 1.0], clusters=["a"])
    with pytest.raises(InvalidArgument, match="confidence"):
        bootstrap([0.0, 1.0], confidence=1.0)
    with pytest.raises(InvalidArgument, match="replicates"):
        bootstrap([0.0, 1.0], replicates=0)
    with pytest.raises(InvalidArgument, match="over"):
        sign_flip_test([0.0, 1.0], over="languages")
    with pytest.raises(InvalidShape, match="equal shapes"):
        paired_difference([0.0], [0.0, 1.0])


def test_draws_that_are_kept_give_the_numbers_of_those_drawn_anew(monkeypatch):
    generator = np.random.default_rng(5)
    tables = [generator.random((seeds, queries)) - 0.4 for seeds in (1, 3) for queries in (7, 40, 300)]

    def numbers():
        return [
            (bootstrap(table, replicates=600, seed=seed), sign_flip_test(table, permutations=700, seed=seed))
            for seed in (1, 2)
            for table in [*tables, *tables]
        ]

    from hybrid_fast import statistics

    kept = numbers()
    assert statistics._kept_draws.cache_info().hits > 0
    assert statistics._kept_flips.cache_info().hits > 0
    monkeypatch.setattr(statistics, "_KEPT", 0)
    assert numbers() == kept
