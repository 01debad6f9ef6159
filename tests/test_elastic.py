"""The stream over several ranks: simulated here, and in two processes of torchrun (gloo)."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard, SkipBatchSampler

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument
from hybrid_fast.training import RankSlices
from small_indexes import parallel_index

torch.set_num_threads(1)
INDEX = parallel_index(240)
LENGTH = 40


def sampler(**changes) -> hf.HybridBatchSampler:
    return hf.HybridBatchSampler(
        INDEX, **{"batch_size": 24, "batches_per_epoch": LENGTH, "seed": 3, **changes}
    )


def together(slices) -> list[int]:
    return list(itertools.chain.from_iterable(slices))


def dealt(ranks: int, batches: list[list[list[int]]]) -> list[list[int]]:
    """Put the ranks' slices of each step together."""
    assert len(batches) == ranks
    assert {len(of_rank) for of_rank in batches} == {LENGTH}
    return [together(step) for step in zip(*batches, strict=True)]


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("unit", ["batch", "row"])
def test_the_global_stream_is_the_same_for_any_number_of_ranks(ranks, epoch, unit):
    whole = sampler(unit=unit)
    whole.set_epoch(epoch)
    expected = list(whole)
    parts = [sampler(unit=unit, rank=rank, world_size=ranks) for rank in range(ranks)]
    for part in parts:
        part.set_epoch(epoch)
    assert {len(part) for part in parts} == {LENGTH}
    assert dealt(ranks, [list(part) for part in parts]) == expected
    for step in expected:
        group, _, _, _, _ = INDEX.pairs(np.asarray(step))
        assert len(set(group.tolist())) == 24


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_another_number_of_ranks_goes_on_with_the_same_stream(ranks):
    expected = list(sampler())
    before = [sampler(rank=rank, world_size=2) for rank in range(2)]
    for part in before:
        walk = iter(part)
        for _ in range(17):
            next(walk)
    state = before[0].state_dict()
    assert all(part.state_dict() == state for part in before)
    after = [sampler(rank=rank, world_size=ranks) for rank in range(ranks)]
    for part in after:
        part.load_state_dict(state)
    rest = [together(step) for step in zip(*after, strict=True)]
    assert rest == expected[17:]


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
@pytest.mark.parametrize("even", [True, False])
def test_accelerates_dealing_gives_each_rank_its_slice(ranks, even):
    expected = list(sampler())

    def shard(source, rank, splits):
        return BatchSamplerShard(source, ranks, rank, split_batches=splits, even_batches=even)

    for splits in (False, True):
        source = [sampler() if splits else RankSlices(sampler(), ranks) for _ in range(ranks)]
        shards = [shard(source[rank], rank, splits) for rank in range(ranks)]
        assert {len(one) for one in shards} == {LENGTH}
        assert dealt(ranks, [list(one) for one in shards]) == expected
        # How transformers' trainer goes on within an epoch.
        rest = [list(SkipBatchSampler(shard(source[rank], rank, splits), 11)) for rank in range(ranks)]
        assert [together(step) for step in zip(*rest, strict=True)] == expected[11:]


def test_why_whole_batches_must_not_be_dealt():
    """What accelerate makes of a sampler it is simply given: ranks share groups, kinds differ."""
    first, second = (list(BatchSamplerShard(sampler(), 2, rank, even_batches=False)) for rank in range(2))
    assert len(first) + len(second) == LENGTH
    repeated = mixed = 0
    for step in zip(first, second, strict=True):
        group, _, _, query_language, passage_language = INDEX.pairs(np.concatenate(step))
        repeated += len(set(group.tolist())) < len(group)
        mixed += len(set((query_language == passage_language).tolist())) > 1
    assert repeated > 0
    assert mixed > 0


def test_slices_of_slices_are_refused():
    with pytest.raises(InvalidArgument, match="sliced twice"):
        RankSlices(sampler(rank=0, world_size=2), 2)
    with pytest.raises(InvalidArgument, match="whose ranks take whole batches"):
        RankSlices(sampler(scope="rank"), 2)
    with pytest.raises(InvalidArgument, match="5 ranks cannot share"):
        RankSlices(sampler(), 5)


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
def test_scope_rank_deals_guarded_windows(ranks):
    def part(rank, world_size):
        return sampler(scope="rank", guard_window=6, rank=rank, world_size=world_size, batches_per_epoch=48)

    alone = part(0, 1)
    length = len(alone)
    expected = [sorted(ids) for ids in alone]
    parts = [list(part(rank, ranks)) for rank in range(ranks)]
    assert {len(of_rank) for of_rank in parts} == {length // ranks}
    window = 6 // ranks
    for start in range(0, length // ranks, window):
        window_of_all = [sorted(ids) for of_rank in parts for ids in of_rank[start : start + window]]
        assert sorted(window_of_all) == sorted(expected[start * ranks : start * ranks + 6])
        groups = INDEX.pairs(np.concatenate(window_of_all))[0]
        assert len(set(groups.tolist())) == len(groups)
    for of_rank in parts:
        mono = [
            bool((INDEX.pairs(np.asarray(ids))[3] == INDEX.pairs(np.asarray(ids))[4]).all())
            for ids in of_rank
        ]
        assert 0 < sum(mono) < len(mono)


def test_two_processes_see_every_global_batch_exactly_once(tmp_path):
    out = tmp_path / "handed.json"
    script = Path(__file__).with_name("elastic_ranks.py")
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", script, out],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(script.parent)},
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    from test_loaders import stream

    written = json.loads(out.read_text())
    for way in ("own slice", "accelerate, rank slices", "accelerate, split batches"):
        first, second = (of_rank[way] for of_rank in written["handed"])
        assert len(first) == len(second)
        assert {len(ids) for ids in (*first, *second)} == {4}
        assert [one + other for one, other in zip(first, second, strict=True)] == stream(), way
    assert "none of them sees one global batch" in written["refused"]["whole batches dealt"]
    assert "none of them sees one global batch" in written["refused"]["own slices"]
