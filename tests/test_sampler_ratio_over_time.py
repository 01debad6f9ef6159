"""α over time: every prefix follows its integral, and a change while running loses and repeats nothing."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import HybridFastError, StateMismatch
from parallel_index import parallel


def linear(start, stop, length):
    """∫α from 0 to n."""

    def integral(n):
        inside = min(n, length)
        return start * inside + (stop - start) * inside**2 / (2 * length) + stop * (n - inside)

    return integral


def cosine(start, stop, length):
    def integral(n):
        inside = min(n, length)
        wave = length / math.pi * math.sin(math.pi * inside / length)
        return start * inside + (stop - start) * (inside - wave) / 2 + stop * (n - inside)

    return integral


def piecewise(*changes):
    def integral(n):
        ends = [batch for batch, _ in changes[1:]] + [math.inf]
        return sum(
            value * (min(n, end) - batch)
            for (batch, value), end in zip(changes, ends, strict=True)
            if batch < n
        )

    return integral


def kinds(sampler, epochs):
    """The kinds of several epochs, one array each."""
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        found.append(sampler.batches(0, len(sampler)).is_mono)
    return found


def furthest(found, integral):
    """Greatest distance from ∫α, counted from the start of each epoch, over every prefix."""
    distance, before = 0.0, 0
    for one in found:
        counts = np.cumsum(one.ravel()).tolist()
        base = integral(before)
        distance = max(
            distance, *(abs(count - (integral(before + n) - base)) for n, count in enumerate(counts, 1))
        )
        before += len(counts)
    return distance


@pytest.mark.parametrize(
    ("given", "integral"),
    [
        ("linear:0.2..0.8", linear(0.2, 0.8, 900)),
        ("linear:1..0", linear(1, 0, 900)),
        ("linear:0.9..0.1:2000", linear(0.9, 0.1, 2000)),
        ("linear:0..1:7", linear(0, 1, 7)),
        ("cosine:0..1", cosine(0, 1, 900)),
        ("cosine:0.8..0.3:1500", cosine(0.8, 0.3, 1500)),
        ("piecewise:0=0.2,100=0.9,1000=0.5", piecewise((0, 0.2), (100, 0.9), (1000, 0.5))),
        ("piecewise:0=0,900=1,1800=0", piecewise((0, 0.0), (900, 1.0), (1800, 0.0))),
        ("0.37", piecewise((0, 0.37))),
    ],
)
@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
def test_every_prefix_follows_the_integral(given, integral, cross):
    sampler = hf.HybridBatchSampler(parallel(3, 40), 2, given, cross=cross, batches_per_epoch=900)
    # A cosine is followed in even slopes, .0003 of the way off at most.
    slack = 0.2 if given.startswith("cosine") else 1e-6
    assert furthest(kinds(sampler, 3), integral) <= 1 + slack


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 700), st.floats(0, 1)), max_size=6, unique_by=lambda one: one[0]),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_any_steps_are_followed(changes, first, seed):
    steps = [(0, first), *sorted(changes)]
    text = "piecewise:" + ",".join(f"{batch}={value!r}" for batch, value in steps)
    sampler = hf.HybridBatchSampler(parallel(2, 6), 1, text, seed=seed, batches_per_epoch=300)
    assert furthest(kinds(sampler, 3), piecewise(*steps)) <= 1 + 1e-6


@pytest.mark.parametrize(
    "function", [lambda n: 0.5 + 0.4 * math.sin(n / 30), lambda n: float(n % 2), lambda _: 0.25]
)
def test_a_function_is_followed(function):
    sampler = hf.HybridBatchSampler(parallel(3, 40), 2, function, batches_per_epoch=400)
    sums = [0.0, *itertools.accumulate(function(n) for n in range(1200))]
    assert furthest(kinds(sampler, 3), lambda n: sums[n]) <= 1 + 1e-6


def test_rows_follow_the_schedule_too():
    sampler = hf.HybridBatchSampler(parallel(3, 60), 8, "linear:0.1..0.9", unit="row", batches_per_epoch=200)
    counts = np.cumsum(sampler.batches(0, 200).is_mono.ravel())
    integral = linear(0.1, 0.9, 200)
    assert max(abs(count - 8 * integral(n / 8)) for n, count in enumerate(counts, 1)) <= 1 + 1e-6


@pytest.mark.parametrize("mixing", ["exact", "coupled", "bernoulli"])
@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
def test_the_jth_batch_of_a_kind_is_the_same_under_a_schedule(mixing, cross):
    index = parallel(3, 60, shared=2)
    found = []
    for ratio in (0.5, "linear:0.1..0.9"):
        sampler = hf.HybridBatchSampler(index, 4, ratio, mixing=mixing, cross=cross, batches_per_epoch=300)
        plan = sampler.batches(0, 300)
        found.append([plan.query[plan.is_mono], plan.query[~plan.is_mono]])
    for constant, changing in zip(*found, strict=True):
        both = min(len(constant), len(changing))
        assert both > 50
        assert np.array_equal(constant[:both], changing[:both])


@pytest.mark.parametrize("mixing", ["coupled", "bernoulli"])
def test_other_rules_follow_the_schedule_on_average(mixing):
    sampler = hf.HybridBatchSampler(parallel(2, 6), 1, "linear:0..1", mixing=mixing, batches_per_epoch=20_000)
    tenths = sampler.batches(0, 20_000).is_mono.reshape(10, -1).mean(axis=1)
    assert np.abs(tenths - np.arange(0.05, 1, 0.1)).max() < 0.05


def test_a_constant_schedule_is_the_number():
    index = parallel(3, 40)
    plain = hf.HybridBatchSampler(index, 4, 0.3)
    for constant in ("0.3", "piecewise:0=0.3", "linear:0.3..0.3", lambda _: 0.3):
        assert list(hf.HybridBatchSampler(index, 4, constant)) == list(plain)


@pytest.mark.parametrize("start", [0, 1, 299, 300, 601, 899])
def test_a_cold_batch_under_a_schedule_is_that_of_the_whole(start):
    index = parallel(3, 40)
    whole = hf.HybridBatchSampler(index, 4, "cosine:0.9..0.2:1500", batches_per_epoch=900)
    whole.set_epoch(1)
    plan = whole.batches(0, 900)
    cold = hf.HybridBatchSampler(index, 4, "cosine:0.9..0.2:1500", batches_per_epoch=900)
    cold.set_epoch(1)
    one = cold.batch(start)
    assert one.is_mono == plan.is_mono[start]
    assert np.array_equal(one.query, plan.query[start])


def walk(sampler, changes, epochs=1):
    """Draw epochs, setting α after some numbers of batches; returns batches and where changes took hold."""
    drawn, at = [], []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for batch in sampler:
            drawn.append(batch)
            if len(drawn) in changes:
                at.append((sampler.set_mono_ratio(changes[len(drawn)]), changes[len(drawn)]))
    return drawn, at


def by_kind(sampler, drawn):
    query, passage = sampler.index.pairs(np.array(drawn).ravel())[3:]
    mono = (query == passage).reshape(len(drawn), -1)[:, 0]
    ids = np.array(drawn)
    return mono, ids[mono], ids[~mono]


@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
@pytest.mark.parametrize(
    "changes", [{1: 0.9}, {100: 1.0}, {50: 0.0, 51: 1.0, 170: 0.25}, {299: 0.1, 300: 0.8}]
)
def test_a_change_while_running_loses_and_repeats_nothing(changes, cross):
    index = parallel(3, 200, shared=2)
    options = {"cross": cross, "batches_per_epoch": 300}
    sampler = hf.HybridBatchSampler(index, 4, 0.5, **options)
    drawn, at = walk(sampler, changes)
    assert [batch for batch, _ in at] == list(changes)
    plain = list(hf.HybridBatchSampler(index, 4, 0.5, **options))
    first = min(changes)
    assert drawn[:first] == plain[:first]
    mono, alone, crossing = by_kind(sampler, drawn)
    assert furthest([mono], piecewise((0, 0.5), *at)) <= 1 + 1e-6
    # The j-th batch of a kind is what it would have been: no batch of either kind is left out or comes twice.
    for kind, ratio in ((alone, 1.0), (crossing, 0.0)):
        only = list(hf.HybridBatchSampler(index, 4, ratio, **options))
        assert kind.tolist() == only[: len(kind)]


def test_a_change_holds_for_later_epochs():
    sampler = hf.HybridBatchSampler(parallel(3, 40), 4, 0.5, batches_per_epoch=200)
    drawn, at = walk(sampler, {120: 0.9, 500: 0.2}, epochs=4)
    mono, _, _ = by_kind(sampler, drawn)
    assert furthest(list(mono.reshape(4, 200)), piecewise((0, 0.5), *at)) <= 1 + 1e-6
    assert abs(mono[200:400].mean() - 0.9) < 0.01
    assert abs(mono[600:].mean() - 0.2) < 0.01


def test_resuming_after_a_change_goes_on_alike():
    index = parallel(3, 40)
    sampler = hf.HybridBatchSampler(index, 4, 0.5, batches_per_epoch=200)
    reader, states, drawn = iter(sampler), {}, []
    for count in range(1, 201):
        drawn.append(next(reader))
        if count in (30, 90):
            sampler.set_mono_ratio(0.1 if count == 30 else 0.95)
        if count in (29, 30, 31, 90, 150):
            states[count] = sampler.state_dict()
    for count, state in states.items():
        again = hf.HybridBatchSampler(index, 4, 0.5, batches_per_epoch=200)
        again.load_state_dict(state)
        rest = list(again)
        if count >= 90:
            assert rest == drawn[count:]
        assert len(rest) == 200 - count
        assert again.state_dict()["batch"] == 200
    again.load_state_dict(states[29])
    replay = iter(again)
    assert next(replay) == drawn[29]
    again.set_mono_ratio(0.1)
    assert next(replay) == drawn[30]


def test_what_was_drawn_before_a_change_stays():
    sampler = hf.HybridBatchSampler(parallel(3, 40), 4, 0.5, batches_per_epoch=200)
    before = sampler.batches(0, 200)
    reader = iter(sampler)
    for _ in range(77):
        next(reader)
    at = sampler.set_mono_ratio(0.0)
    after = sampler.batches(0, 200)
    assert at == 77
    assert np.array_equal(before.query[:77], after.query[:77])
    assert not after.is_mono[78:].any()


def test_ranks_that_change_alike_share_one_stream():
    index = parallel(3, 60)
    whole = hf.HybridBatchSampler(index, 6, 0.5, batches_per_epoch=120)
    parts = [
        hf.HybridBatchSampler(index, 6, 0.5, batches_per_epoch=120, rank=r, world_size=3) for r in range(3)
    ]
    changes = {40: 0.9, 80: 0.1}
    expected, _ = walk(whole, changes)
    joined = zip(*(walk(part, changes)[0] for part in parts), strict=True)
    assert [[pair for part in rows for pair in part] for rows in joined] == expected


@pytest.mark.parametrize(
    "given",
    [
        "linear",
        "linear:",
        "linear:0.2",
        "linear:0.2..1.2",
        "linear:0.2..nan",
        "linear:0.2..0.8:0",
        "linear:0.2..0.8:-5",
        "linear:0.2..0.8:x",
        "cosine:a..b",
        "piecewise:",
        "piecewise:5=0.2",
        "piecewise:0=0.2,0=0.3",
        "piecewise:0=0.2,9=0.3,8=0.1",
        "piecewise:0=2",
        "piecewise:0=0.2,99999999999999999999999=0.3",
        "0.5.5",
        "",
        "half",
        lambda _: 1.5,
        lambda _: float("nan"),
        lambda _: "x",
        lambda _: None,
        lambda: 0.5,
    ],
)
def test_no_schedule_is_guessed(given):
    with pytest.raises((HybridFastError, TypeError)) as refusal:
        hf.HybridBatchSampler(parallel(2, 20), 4, given)
    assert "\n" not in str(refusal.value)
    if isinstance(given, str):
        assert re.search("mono_ratio|schedule|change", str(refusal.value))


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), None, "x"])
def test_a_change_to_no_ratio_is_refused(value):
    sampler = hf.HybridBatchSampler(parallel(2, 20), 4)
    before = list(sampler)
    with pytest.raises((HybridFastError, TypeError), match="mono_ratio"):
        sampler.set_mono_ratio(value)
    assert list(sampler) == before


def test_a_state_of_another_schedule_is_refused():
    index = parallel(2, 20)
    state = hf.HybridBatchSampler(index, 4, "linear:0.2..0.8").state_dict()
    for other in (
        0.2,
        "linear:0.2..0.7",
        "cosine:0.2..0.8",
        "linear:0.2..0.8:9",
        lambda batch: 0.2 + batch / 99,
    ):
        with pytest.raises(StateMismatch):
            hf.HybridBatchSampler(index, 4, other).load_state_dict(state)
    hf.HybridBatchSampler(index, 4, "linear:0.2..0.8").load_state_dict(state)


def test_a_kind_that_comes_later_must_be_possible_from_the_start():
    """A schedule that starts monolingual needs cross-lingual pairs by its end."""
    one = parallel(1, 40)
    for schedule in ("linear:1..0.5", "piecewise:0=1,10=0"):
        with pytest.raises(hf.errors.InfeasiblePlan, match="cross"):
            hf.HybridBatchSampler(one, 4, schedule)
    sampler = hf.HybridBatchSampler(one, 4, 1.0)
    with pytest.raises(hf.errors.InfeasiblePlan, match="cross"):
        sampler.set_mono_ratio(0.5)
    assert len(list(sampler)) == 10


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["exact", "coupled", "bernoulli"]),
    st.sampled_from(["batch", "row"]),
    st.sampled_from([0.5, "linear:0.2..0.7"]),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0.0, 0.3, 0.5, 1.0])), min_size=1, max_size=4),
    st.integers(0, 2),
)
def test_a_change_touches_only_batches_not_handed_out(mixing, unit, ratio, steps, epoch):
    """Nothing handed out changes, nothing is lost, and a state brings the changes along."""
    make = lambda: hf.HybridBatchSampler(parallel(3, 160), 8, ratio, mixing=mixing, unit=unit)  # noqa: E731
    sampler = make()
    sampler.set_epoch(epoch)
    walk, out = iter(sampler), []
    for count, value in steps:
        out.extend(itertools.islice(walk, count))
        if len(out) == len(sampler):
            return
        before = sampler.batches(0, len(out)).passage if out else None
        at = sampler.set_mono_ratio(value)
        assert at >= epoch * len(sampler) + len(out)
        assert at == epoch * len(sampler) + len(out) or unit == "row"
        assert sampler.mono_ratio_at(at) == value
        if out:
            np.testing.assert_array_equal(sampler.batches(0, len(out)).passage, before)
    state = sampler.state_dict()
    rest = list(walk)
    assert len(out) + len(rest) == len(sampler)
    pairs = [sampler.index.pairs(ids)[2].tolist() for ids in out + rest]
    assert pairs == sampler.batches(0, len(sampler)).passage.tolist()
    other = make()
    other.load_state_dict(state)
    assert list(other) == rest


def test_a_constant_set_anew_changes_nothing():
    sampler = hf.HybridBatchSampler(parallel(3, 160), 8, 0.5)
    before = sampler.batches(0, len(sampler)).passage
    next(iter(sampler))
    sampler.set_mono_ratio(0.5)
    np.testing.assert_array_equal(sampler.batches(0, len(sampler)).passage, before)


def test_a_kind_that_was_not_planned_is_drawn_when_asked_for():
    sampler = hf.HybridBatchSampler(parallel(3, 160), 8, 1.0)
    sampler.set_mono_ratio(0.0)
    assert not sampler.batches(0, len(sampler)).is_mono.any()


def test_exposure_is_matched_to_the_mean_of_a_schedule():
    """b meets a and c, which never meet: only matched weights keep what is seen of b the same."""
    rows = np.arange(1800)
    group, second = rows // 2, rows % 2
    language = np.where(group % 2 == 0, second, second + 1)
    index = hf.PairIndex.from_columns(group, language, rows, rows, languages=["a", "b", "c"])

    def seen(ratio, weights="exposure-matched:0.5"):
        sampler = hf.HybridBatchSampler(index, 8, ratio, language_weights=weights, batches_per_epoch=2000)
        strata = hf.simulate(sampler).strata
        return (strata.sum(axis=0) + strata.sum(axis=1)) / strata.sum()

    reference = seen(0.5, "uniform")
    for ratio in (0.75, "piecewise:0=0.6,1000=0.9", "linear:0.5..1", lambda batch: 0.6 + batch % 2 * 0.3):
        np.testing.assert_allclose(seen(ratio), reference, atol=0.003)
    assert abs(seen(0.75, "uniform") - reference).max() > 0.01
