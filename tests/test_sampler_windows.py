"""Whole batches a rank: windows guarded together, dealt out, the same for any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import InfeasiblePlan
from plan_reference import check_kinds, check_rows_are_pairs
from test_sampler import each, full_table, index_of


def ranks_of(index, world, window, **options):
    return [
        hf.HybridBatchSampler(
            index, 4, options.get("ratio", 0.5), scope="rank", world_size=world, rank=rank,
            guard_window=window, seed=options.get("seed", 3), mixing=options.get("mixing", "exact"),
            cross=options.get("cross", "mixed"),
        )
        for rank in range(world)
    ]  # fmt: skip


@pytest.mark.parametrize("world", [1, 2, 4, 8])
def test_the_stream_is_the_same_for_any_number_of_ranks(world):
    index = index_of(full_table(3, 200, shared=2))
    (alone,) = ranks_of(index, 1, 8)
    whole = alone.batches(0, len(alone))
    samplers = ranks_of(index, world, 8)
    assert {len(one) for one in samplers} == {len(alone) // world}
    for step in range(len(samplers[0])):
        drawn = sorted(one.batch(step).passage.tolist() for one in samplers)
        expected = whole.passage[step * world : (step + 1) * world].tolist()
        assert drawn == sorted(expected)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([2, 4, 6]),
    st.sampled_from(["exact", "coupled", "bernoulli"]),
    st.sampled_from(["mixed", "homogeneous"]),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(1, 3),
    st.integers(0, 9),
)
def test_no_identity_comes_twice_in_a_window(window, mixing, cross, ratio, shared, seed):
    table = full_table(3, 150, shared=shared)
    index = index_of(table)
    (sampler,) = ranks_of(index, 1, window, mixing=mixing, cross=cross, ratio=ratio, seed=seed)
    assert len(sampler) % window == 0
    batches = each(sampler)
    check_rows_are_pairs(table, batches)
    check_kinds(batches)
    whole = sampler.batches(0, len(sampler))
    _, passages = index.identities(sampler._columns(0, len(sampler), None)["pair"].ravel())
    for rows in (whole.group.reshape(-1, window * 4), passages.reshape(-1, window * 4)):
        assert all(len(set(row)) == len(row) for row in rows.tolist())
    found = hf.simulate(sampler)
    assert found.duplicates == 0
    assert found.drift <= 0.5 or mixing != "exact"


def test_no_rank_sees_one_kind_only():
    samplers = ranks_of(index_of(full_table(3, 400)), 2, 2)
    shares = [one.batches(0, len(one)).is_mono.mean() for one in samplers]
    assert all(0.35 < share < 0.65 for share in shares)


def test_states_resume_on_another_number_of_ranks():
    index = index_of(full_table(3, 200))
    two, four = ranks_of(index, 2, 4), ranks_of(index, 4, 4)
    walks = [iter(one) for one in two]
    for _ in range(6):
        for walk in walks:
            next(walk)
    for one in four:
        with pytest.raises(ValueError, match=r"ranks|batch"):
            one.load_state_dict({**two[0].state_dict(), "batch": 10**9})
    state = two[1].state_dict()
    again = ranks_of(index, 2, 4)[1]
    again.load_state_dict(state)
    assert list(again) == list(walks[1])


def test_a_window_of_too_few_groups_is_named():
    with pytest.raises(InfeasiblePlan, match="groups"):
        ranks_of(index_of(full_table(3, 20)), 1, 8)


def test_bad_windows_of_negatives_are_whole():
    """Negatives are guarded over the window that a batch belongs to, wherever reading starts."""
    table = full_table(3, 60)
    index = index_of(table)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(table.passage), (len(table.query), 6))
    options = {"scope": "rank", "guard_window": 4, "hard_negatives": rows}
    sampler = hf.HybridBatchSampler(index, 4, 0.5, **options)
    whole = sampler.batches(0, len(sampler))
    for number in (0, 1, 6, 7):
        np.testing.assert_array_equal(sampler.batch(number).negatives, whole.negatives[number])
