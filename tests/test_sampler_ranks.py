"""Whole batches dealt to ranks: one stream for any number of ranks, guarded over a window."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hybrid_fast as hf
from hybrid_fast.errors import HybridFastError, InfeasiblePlan, InvalidArgument
from parallel_index import parallel
from plan_reference import check_kinds, check_rows_are_pairs
from test_sampler import each, full_table, index_of

COLUMNS = ("group", "query", "passage", "query_language", "passage_language")


def ranks(index, world, *, window, size=8, ratio=0.5, **options):
    return [
        hf.HybridBatchSampler(
            index, size, ratio, scope="rank", guard_window=window, rank=rank, world_size=world, **options
        )
        for rank in range(world)
    ]


def steps(samplers):
    """Batches as [step, rank, row] columns, and their kinds."""
    plans = [sampler.batches(0, len(sampler)) for sampler in samplers]
    joined = {name: np.stack([getattr(plan, name) for plan in plans], axis=1) for name in COLUMNS}
    return joined, np.stack([plan.is_mono for plan in plans], axis=1)


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_every_rank_gets_as_many_batches(world):
    index = parallel(3, 500)
    for batches in (None, 24, 25, 100):
        samplers = ranks(index, world, window=24, size=4, batches_per_epoch=batches)
        lengths = {len(sampler) for sampler in samplers} | {len(list(sampler)) for sampler in samplers}
        assert len(lengths) == 1
        assert lengths.pop() * world % 24 == 0


@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
@pytest.mark.parametrize("unit", ["batch", "row"])
def test_one_stream_for_any_number_of_ranks(unit, cross):
    index = parallel(3, 4000, shared=2)
    streams = {
        world: steps(ranks(index, world, window=24, unit=unit, cross=cross, batches_per_epoch=96))
        for world in (1, 2, 3, 8)
    }
    whole, kinds = streams[1]
    for world, (columns, mono) in streams.items():
        for step in range(96 // world):
            mine = slice(step * world, (step + 1) * world)
            for name in ("query", "passage"):
                expected = sorted(map(tuple, whole[name][mine, 0].tolist()))
                assert sorted(map(tuple, columns[name][step].tolist())) == expected
            if unit == "batch":
                assert mono[step].sum() == kinds[mine].sum()


@pytest.mark.parametrize("world", [1, 2, 4])
def test_no_identity_twice_in_a_window(world):
    index = parallel(4, 1200, shared=3)
    samplers = ranks(index, world, window=8, size=16, batches_per_epoch=160)
    columns, _ = steps(samplers)
    windows = columns["group"].reshape(20, -1)
    for identity in (windows, windows // 3):
        ordered = np.sort(identity, axis=1)
        assert not (ordered[:, 1:] == ordered[:, :-1]).any()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([2, 4, 6]),
    st.sampled_from(["exact", "coupled", "bernoulli"]),
    st.sampled_from(["mixed", "homogeneous"]),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(1, 3),
    st.integers(0, 9),
)
def test_any_window_holds_its_promises(window, mixing, cross, ratio, shared, seed):
    table = full_table(3, 150, shared=shared)
    (sampler,) = ranks(
        index_of(table), 1, window=window, size=4, ratio=ratio, mixing=mixing, cross=cross, seed=seed
    )
    batches = each(sampler)
    check_rows_are_pairs(table, batches)
    check_kinds(batches)
    groups = sampler.batches(0, len(sampler)).group.reshape(-1, window * 4)
    for identity in (groups, groups // shared):
        assert all(len(set(row)) == len(row) for row in identity.tolist())
    found = hf.simulate(sampler)
    assert found.duplicates == 0
    assert found.drift <= 0.5 or mixing != "exact"


@pytest.mark.parametrize(("world", "window"), [(2, 2), (2, 8), (4, 4), (8, 8), (3, 6)])
@pytest.mark.parametrize("ratio", [0.5, 0.25])
def test_every_rank_sees_both_kinds_in_their_share(world, window, ratio):
    """Elsewhere kinds that alternate would give one rank the one kind, and the other the other."""
    samplers = ranks(
        parallel(3, 2000), world, window=window, size=2, ratio=ratio, batches_per_epoch=240 * window
    )
    _, mono = steps(samplers)
    count = len(mono)
    for rank in range(world):
        assert abs(mono[:, rank].mean() - ratio) < 4.5 * math.sqrt(ratio * (1 - ratio) / count)
    counts = np.cumsum(mono.ravel())
    ends = np.arange(window, len(counts) + 1, window)
    assert np.abs(counts[ends - 1] - ratio * ends).max() <= 0.5


def test_every_rank_sees_every_language():
    samplers = ranks(parallel(4, 2000), 4, window=4, size=2, ratio=1.0, batches_per_epoch=4000)
    columns, _ = steps(samplers)
    for rank in range(4):
        shares = np.bincount(columns["query_language"][:, rank, 0], minlength=4) / 1000
        assert np.abs(shares - 0.25).max() < 4.5 * math.sqrt(0.25 * 0.75 / 1000)


def test_ranks_walk_on_from_a_state():
    index = parallel(3, 300)
    for rank, sampler in enumerate(ranks(index, 3, window=6, batches_per_epoch=60)):
        whole = list(sampler)
        reader = iter(sampler)
        for _ in range(7):
            next(reader)
        state = sampler.state_dict()
        again = ranks(index, 3, window=6, batches_per_epoch=60)[rank]
        again.load_state_dict(state)
        assert list(again) == whole[7:]
        assert [again.batch(step).query.tolist() for step in (0, 13)] == [
            again.index.pairs(np.array(whole[step]))[1].tolist() for step in (0, 13)
        ]


def test_dealing_differs_between_epochs_and_seeds():
    index = parallel(3, 300)

    def kinds(seed, epoch):
        sampler = ranks(index, 2, window=2, size=2, seed=seed, batches_per_epoch=400)[0]
        sampler.set_epoch(epoch)
        return sampler.batches(0, 200).is_mono

    first = kinds(1, 0)
    for other in (kinds(1, 1), kinds(2, 0)):
        assert 0.3 < (first == other).mean() < 0.7


def test_simulation_of_one_rank_counts_all_ranks():
    index = parallel(3, 300, shared=2)
    for sampler in ranks(index, 3, window=6, batches_per_epoch=60):
        found = hf.simulate(sampler)
        assert found.duplicates == 0
        assert found.drift <= 0.5


def test_windows_that_cannot_be_shared_or_filled_are_refused():
    index = parallel(3, 60)
    with pytest.raises(InvalidArgument, match="guard_window"):
        ranks(index, 2, window=3)
    with pytest.raises(InvalidArgument, match="guard_window"):
        hf.HybridBatchSampler(index, 8, guard_window=4)
    with pytest.raises((InfeasiblePlan, InvalidArgument), match="60"):
        ranks(index, 1, window=8, size=8)
    for window in (0, -1, 1.5, "x", True):
        with pytest.raises((HybridFastError, TypeError), match="guard_window"):
            ranks(index, 1, window=window)
