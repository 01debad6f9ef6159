"""Defects that were seen in other samplers, each shown not to be ours."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

import hybrid_fast as hf
from parallel_index import parallel


def stream(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_epoch_1_of_seed_42_is_not_epoch_0_of_seed_43(ratio):
    index = parallel(3, 200)
    streams = {
        (seed, epoch): stream(hf.HybridBatchSampler(index, 10, ratio, seed=seed), epoch)
        for seed in (41, 42, 43)
        for epoch in (0, 1, 2)
    }
    for left, right in itertools.combinations(streams, 2):
        equal = sum(a == b for a, b in zip(streams[left], streams[right], strict=True))
        assert equal == 0, (left, right)


def test_parallel_languages_of_equal_size_are_not_walked_in_the_same_order():
    plan = hf.HybridBatchSampler(parallel(6, 1000), 50, 1.0).batches(0, 120)
    orders = [plan.group[plan.query_language[:, 0] == number].ravel() for number in range(6)]
    for left, right in itertools.combinations(orders, 2):
        assert (left == right).sum() < 12


@pytest.mark.parametrize("world", [2, 8])
@pytest.mark.parametrize("cross", ["mixed", "homogeneous"])
def test_ranks_of_a_step_hold_one_language_where_it_is_monolingual(world, cross):
    index = parallel(5, 300)
    ranks = [
        hf.HybridBatchSampler(index, 16, 0.5, cross=cross, rank=rank, world_size=world)
        for rank in range(world)
    ]
    for step in range(len(ranks[0])):
        parts = [rank.batch(step) for rank in ranks]
        assert len({part.is_mono for part in parts}) == 1
        strata = {
            pair
            for part in parts
            for pair in zip(part.query_language.tolist(), part.passage_language.tolist(), strict=True)
        }
        if parts[0].is_mono:
            assert len(strata) == 1
            assert all(query == passage for query, passage in strata)
        else:
            assert all(query != passage for query, passage in strata)


def test_no_passage_comes_twice_in_a_step_across_8_ranks():
    """Elsewhere each rank checks only its own rows: 1.55 % of pairs repeat a passage across ranks."""
    index = parallel(4, 1200, shared=4)
    ranks = [hf.HybridBatchSampler(index, 128, 0.5, rank=rank, world_size=8) for rank in range(8)]
    for batches in zip(*ranks, strict=True):
        ids = np.array([pair for batch in batches for pair in batch])
        assert len(ids) == 128
        _, passage = index.identities(ids)
        group = index.pairs(ids)[0]
        assert len(np.unique(passage)) == len(np.unique(group)) == 128


@pytest.mark.parametrize("world", [1, 2, 8])
@pytest.mark.parametrize("shared", [1, 2, 30])
@pytest.mark.filterwarnings("ignore:.*identity.*rows in")
def test_the_length_is_what_comes_on_every_rank(world, shared):
    """Elsewhere ``len`` counts batches that duplicates make impossible: iterators end early, ranks hang."""
    index = parallel(3, 480, shared=shared)
    for epoch in (0, 1, 7):
        for ratio in (0.3, 1.0):
            lengths = set()
            for rank in {0, world - 1}:
                sampler = hf.HybridBatchSampler(index, 16, ratio, rank=rank, world_size=world)
                drawn = stream(sampler, epoch)
                assert {len(batch) for batch in drawn} == {16 // world}
                lengths |= {len(drawn), len(sampler)}
            assert lengths == {3 * 480 // 16}


def test_rows_beyond_what_other_samplers_take():
    """Elsewhere more than 2²⁴ weights are refused."""
    groups = 2**24 // 2 + 5
    index = parallel(2, groups)
    sampler = hf.HybridBatchSampler(index, 64, 0.5)
    assert len(sampler) == 2 * (groups // 64)
    plan = sampler.batches(len(sampler) - 40, len(sampler))
    assert plan.query.max() > 2**23
    for ids in plan.group:
        assert len(np.unique(ids)) == 64


def test_resuming_does_not_read_what_was_drawn():
    """Elsewhere it takes a time that grows with the batches before: up to 10 s for a million pairs."""
    index = parallel(4, 500, shared=2)
    sampler = hf.HybridBatchSampler(index, 8, 0.5, batches_per_epoch=3 * 10**7)
    sampler.load_state_dict(sampler.state_dict() | {"batch": 10**7})
    start = time.process_time()
    first = next(iter(sampler))
    assert time.process_time() - start < 0.5
    assert len(first) == 8
    assert np.array_equal(np.array(first), ids_of(sampler, sampler.batch(10**7)))
    assert sampler.state_dict()["batch"] == 10**7 + 1


def ids_of(sampler, batch):
    """Pair ids from the columns: the query's cell is its row here."""
    return batch.query * len(sampler.index.languages) + batch.passage_language


def test_prefetched_batches_are_not_counted_as_drawn():
    sampler = hf.HybridBatchSampler(parallel(3, 100), 5)
    reader = iter(sampler)
    for count in range(1, 20):
        next(reader)
        assert sampler.state_dict()["batch"] == count


def test_resuming_twice_loses_and_repeats_nothing():
    index = parallel(3, 100)
    whole = stream(hf.HybridBatchSampler(index, 5))
    drawn = []
    state = None
    for stop in (7, 11, 1, 10**6):
        sampler = hf.HybridBatchSampler(index, 5)
        if state is not None:
            sampler.load_state_dict(state)
        for batch in itertools.islice(sampler, stop):
            drawn.append(batch)
            state = sampler.state_dict()
    assert drawn == whole


def test_epochs_after_a_resumed_one_are_whole():
    index = parallel(3, 100)
    sampler = hf.HybridBatchSampler(index, 5)
    sampler.load_state_dict(sampler.state_dict() | {"batch": 50})
    assert len(list(sampler)) == 10
    sampler.set_epoch(1)
    assert len(list(sampler)) == 60


def test_an_identity_of_most_rows_ends_no_epoch_early():
    """A passage with many queries: the rows that cannot be placed are named and wait, batches stay full."""
    groups = 400
    cells = np.arange(2 * groups)
    hub = np.where(cells // 2 < 300, 0, cells // 2)
    with pytest.warns(UserWarning, match="passage identity 0 has 300 rows"):
        sampler = hf.HybridBatchSampler(parallel(2, groups, passage_identity=hub), 20, 1.0)
    plan = sampler.batches(0, len(sampler))
    assert plan.group.shape == (40, 20)
    assert ((plan.group < 300).sum(axis=1) <= 1).all()


def test_a_later_sampler_does_not_depend_on_the_global_generators():
    index = parallel(3, 100)
    np.random.seed(1)  # noqa: NPY002 - other samplers read the global generator
    first = stream(hf.HybridBatchSampler(index, 5))
    np.random.seed(2)  # noqa: NPY002
    assert stream(hf.HybridBatchSampler(index, 5)) == first
