"""α over time: schedules, functions of the batch, and changes while running."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument, StateMismatch
from test_sampler import full

SCHEDULES = {
    "linear:0.1..0.9": lambda t, length: 0.1 + 0.8 * min(t / length, 1),
    "linear:0.9..0:100": lambda t, _: 0.9 * (1 - min(t / 100, 1)),
    "cosine:1..0": lambda t, length: (1 + math.cos(math.pi * min(t / length, 1))) / 2,
    "piecewise:0=0.25,10=1,50=0,90=0.5": lambda t, _: (
        0.25 if t < 10 else 1 if t < 50 else 0 if t < 90 else 0.5
    ),
}


def kinds(sampler, epochs):
    """Whether each batch (row) of the first epochs is monolingual."""
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        found.append(sampler.batches(0, len(sampler)).is_mono.ravel())
    return found


@pytest.mark.parametrize("text", SCHEDULES)
@pytest.mark.parametrize("unit", ["batch", "row"])
def test_counts_follow_the_integral(text, unit):
    sampler = hf.HybridBatchSampler(full(3, 160), 8, text, unit=unit)
    share, size = SCHEDULES[text], 8 if unit == "row" else 1
    for epoch, drawn in enumerate(kinds(sampler, 3)):
        middles = epoch * len(sampler) + (np.arange(len(drawn)) + 0.5) / size
        asked = np.cumsum([share(t, len(sampler)) for t in middles])
        assert np.abs(np.cumsum(drawn) - asked).max() <= 1 + 1e-6


def test_a_function_is_followed_for_every_epoch():
    share = lambda batch: (batch % 7) / 6  # noqa: E731
    sampler = hf.HybridBatchSampler(full(3, 160), 8, share)
    for epoch, drawn in enumerate(kinds(sampler, 4)):
        asked = np.cumsum([share(epoch * len(sampler) + n) for n in range(len(drawn))])
        assert np.abs(np.cumsum(drawn) - asked).max() <= 0.5 + 1e-9


def test_the_jth_batch_of_a_kind_is_the_same_under_any_schedule():
    index = full(4, 120)
    constant, rising = (hf.HybridBatchSampler(index, 8, ratio) for ratio in (0.5, "linear:0..1"))
    for mono in (False, True):
        batches = []
        for sampler in (constant, rising):
            all_batches = sampler.batches(0, len(sampler))
            batches.append(all_batches.passage[all_batches.is_mono == mono])
        shared = min(map(len, batches))
        assert shared > 5
        np.testing.assert_array_equal(batches[0][:shared], batches[1][:shared])


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
    make = lambda: hf.HybridBatchSampler(full(3, 160), 8, ratio, mixing=mixing, unit=unit)  # noqa: E731
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
    sampler = hf.HybridBatchSampler(full(3, 160), 8, 0.5)
    before = sampler.batches(0, len(sampler)).passage
    next(iter(sampler))
    sampler.set_mono_ratio(0.5)
    np.testing.assert_array_equal(sampler.batches(0, len(sampler)).passage, before)


def test_a_kind_that_was_not_planned_is_drawn_when_asked_for():
    sampler = hf.HybridBatchSampler(full(3, 160), 8, 1.0)
    sampler.set_mono_ratio(0.0)
    assert not sampler.batches(0, len(sampler)).is_mono.any()


def test_states_of_other_schedules_are_refused():
    index = full(3, 160)
    ratios = [0.5, "linear:0.2..0.7", "linear:0.2..0.7:9", "cosine:0.2..0.7", "piecewise:0=0.5,9=0.2"]
    ratios.append(lambda batch: 0.5 if batch < 40 else 0.1)
    samplers = [hf.HybridBatchSampler(index, 8, ratio) for ratio in ratios]
    for one in samplers:
        for other in samplers:
            if one is other:
                other.load_state_dict(one.state_dict())
            else:
                with pytest.raises(StateMismatch, match="configuration"):
                    other.load_state_dict(one.state_dict())


@pytest.mark.parametrize(
    "text", ["linear:0..2", "linear:1", "cosine:0..1:0", "piecewise:", "piecewise:3=0.5", "rising"]
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(InvalidArgument):
        hf.HybridBatchSampler(full(3, 40), 8, text)


def test_exposure_is_matched_to_the_mean_of_a_schedule():
    rows = np.arange(600)
    index = hf.PairIndex.from_columns(
        rows // 3, rows % 3, rows, np.where(rows % 12 == 2, -1, rows), languages=["a", "b", "c"]
    )
    weighted = [
        hf.HybridBatchSampler(index, 8, ratio, language_weights="exposure-matched:0.5")
        for ratio in (0.5, "piecewise:0=0.25,12=0.75")
    ]
    total = len(weighted[1])
    mean = weighted[1].mono_ratio_integral(total) / total
    assert mean > 0.5
    constant = hf.HybridBatchSampler(index, 8, mean, language_weights="exposure-matched:0.5")
    shares = [hf.simulate(one).exposure.strata.diagonal() for one in (constant, weighted[1])]
    np.testing.assert_allclose(shares[0] / shares[0].sum(), shares[1] / shares[1].sum(), atol=0.03)
