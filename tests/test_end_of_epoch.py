"""A state saved at the end of an epoch stands for the next one, whole, in every loop that can save it."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from torch.utils.data import DataLoader, Dataset

import hybrid_fast as hf
from hybrid_fast.training import RankSlices, StatefulBatches
from small_indexes import parallel_index

torch.set_num_threads(1)
INDEX = parallel_index()
LENGTH = 7

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchdata", "ignore:.*set_vital")


class Same(Dataset):
    """Pair ids as they are drawn."""

    def __len__(self):
        return 180

    def __getitem__(self, pair_id):
        return pair_id


def sampler(**changes) -> hf.HybridBatchSampler:
    return hf.HybridBatchSampler(
        INDEX, **{"batch_size": 6, "batches_per_epoch": LENGTH, "seed": 5, **changes}
    )


def epoch_of(number: int, **changes) -> list[list[int]]:
    whole = sampler(**changes)
    whole.set_epoch(number)
    return list(whole)


@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("exhausted", [True, False])
@pytest.mark.parametrize("ranks", [{}, {"rank": 1, "world_size": 2}, {"scope": "rank", "world_size": 2}])
def test_a_plain_loop(epoch, exhausted, ranks):
    ranks = ranks | {"batches_per_epoch": 8}
    first = sampler(**ranks)
    first.set_epoch(epoch)
    walk = iter(first)
    for _ in range(len(first)):
        next(walk)
    if exhausted:
        assert list(walk) == []
    state = json.loads(json.dumps(first.state_dict()))
    for name_the_epoch in (True, False):
        again = sampler(**ranks)
        again.load_state_dict(state)
        assert again.state_dict() == state
        if name_the_epoch:
            again.set_epoch(epoch + 1)
        assert list(again) == epoch_of(epoch + 1, **ranks)
        assert again.epoch == epoch + 1
        again.set_epoch(epoch + 2)
        assert list(again) == epoch_of(epoch + 2, **ranks)
    again.load_state_dict(state)
    again.set_epoch(epoch)  # what is left of a finished epoch
    assert list(again) == []
    again.set_epoch(epoch + 1)
    assert list(again) == epoch_of(epoch + 1, **ranks)


def test_a_later_load_wins_over_an_epoch_named_before():
    done = sampler()
    list(done)
    other = sampler()
    other.set_epoch(4)
    other.load_state_dict(done.state_dict())
    assert list(other) == epoch_of(1)
    other.set_epoch(5)
    next(iter(other))
    other.load_state_dict(done.state_dict())
    assert list(other) == epoch_of(1)


def test_a_pickled_sampler_at_the_end_goes_on():
    done = sampler()
    list(done)
    assert list(pickle.loads(pickle.dumps(done))) == epoch_of(1)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_a_loader_that_are_counted(workers):
    def make():
        return StatefulBatches(
            DataLoader(Same(), batch_sampler=sampler(), num_workers=workers, collate_fn=list)
        )

    batches = make()
    for number, _ in enumerate(batches, 1):
        if number == LENGTH:
            inside = batches.state_dict()
    after = batches.state_dict()
    assert inside == after
    for name_the_epoch in (True, False):
        again = make()
        again.load_state_dict(after)
        if name_the_epoch:
            again.set_epoch(1)
        assert list(again) == epoch_of(1)
        assert again.epoch == 1
    again.load_state_dict(after)
    again.set_epoch(0)
    assert list(again) == []


def torchdata_loader(workers: int, every: int, persistent: bool):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    return torchdata.StatefulDataLoader(
        Same(),
        batch_sampler=sampler(),
        num_workers=workers,
        collate_fn=list,
        snapshot_every_n_steps=every,
        persistent_workers=persistent,
    )


@pytest.mark.parametrize(
    ("workers", "every", "persistent"),
    [(0, 1, False), (0, 3, False), (1, 1, False), (2, 1, True), (2, 3, False), (3, 4, True), (3, 7, False)],
)
@pytest.mark.parametrize("named", [True, False])
def test_torchdatas_loader(workers, every, persistent, named):
    first = torchdata_loader(workers, every, persistent)
    first.batch_sampler.set_epoch(2)
    assert list(first) == epoch_of(2)
    state = pickle.loads(pickle.dumps(first.state_dict()))
    again = torchdata_loader(workers, every, persistent)
    again.load_state_dict(state)
    if named:
        again.batch_sampler.set_epoch(3)
    assert list(again) == epoch_of(3)
    again.batch_sampler.set_epoch(4)
    assert list(again) == epoch_of(4)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("named", [True, False])
def test_torchdatas_loader_saved_in_the_last_step(workers, named):
    first = torchdata_loader(workers, 1, False)
    for number, _ in enumerate(first, 1):
        if number == LENGTH:
            state = first.state_dict()
    again = torchdata_loader(workers, 1, False)
    again.load_state_dict(state)
    if named:
        again.batch_sampler.set_epoch(1)
    assert list(again) == epoch_of(1)


def test_torchdatas_loader_within_an_epoch_goes_on_to_the_epoch_that_is_named():
    for workers in (0, 2):
        first = torchdata_loader(workers, 1, False)
        assert list(itertools.islice(first, 3)) == epoch_of(0)[:3]
        again = torchdata_loader(workers, 1, False)
        again.load_state_dict(first.state_dict())
        again.batch_sampler.set_epoch(0)
        assert list(again) == epoch_of(0)[3:]
        again.batch_sampler.set_epoch(1)
        assert list(again) == epoch_of(1)


def prepared(workers: int, *, dispatch: bool = False, stateful: bool = True):
    configuration = DataLoaderConfiguration(use_stateful_dataloader=stateful, dispatch_batches=dispatch)
    accelerator = Accelerator(cpu=True, dataloader_config=configuration)
    collate = torch.tensor
    return accelerator.prepare(
        DataLoader(Same(), batch_sampler=sampler(), num_workers=workers, collate_fn=collate)
    )


@pytest.mark.parametrize("dispatch", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_accelerates_stateful_loaders(workers, dispatch):
    pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    first = prepared(workers, dispatch=dispatch)
    found, states = [], []
    for batch in first:
        found.append(batch.tolist())
        states.append(pickle.loads(pickle.dumps(first.state_dict())))
    assert found == epoch_of(0)
    states.append(pickle.loads(pickle.dumps(first.state_dict())))
    for state in states[-2:]:
        for named in (True, False):
            again = prepared(workers, dispatch=dispatch)
            again.load_state_dict(state)
            if named:
                again.set_epoch(1)
            assert [batch.tolist() for batch in again] == epoch_of(1)


@pytest.mark.parametrize("dispatch", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("epoch", "taken"), [(0, LENGTH), (1, 3), (1, LENGTH), (2, LENGTH)])
def test_accelerate_counts_on_after_a_resume(epoch, taken, workers, dispatch):
    pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    first = prepared(workers, dispatch=dispatch)
    for number in range(epoch + 1):
        for step, _ in enumerate(first, 1):
            if (number, step) == (epoch, taken):
                state = pickle.loads(pickle.dumps(first.state_dict()))
    again = prepared(workers, dispatch=dispatch)
    again.load_state_dict(state)
    rest, following = epoch_of(epoch)[taken:], epoch + 1
    if not rest:
        rest, following = epoch_of(epoch + 1), epoch + 2
    assert [batch.tolist() for batch in again] == rest
    # No epoch is named: the loader's own count started at 0.
    for number in (following, following + 1):
        assert [batch.tolist() for batch in again] == epoch_of(number)
    again.set_epoch(9)
    assert [batch.tolist() for batch in again] == epoch_of(9)


@pytest.mark.parametrize("dispatch", [False, True])
def test_accelerate_numbers_the_epochs(dispatch):
    loader = prepared(0, dispatch=dispatch, stateful=False)
    for epoch in range(3):
        assert [batch.tolist() for batch in loader] == epoch_of(epoch)
    loader.set_epoch(7)
    assert [batch.tolist() for batch in loader] == epoch_of(7)


FRESH = """
    import json, sys
    sys.path.insert(0, {tests!r})
    import test_end_of_epoch as world
    loader = world.torchdata_loader({workers}, 1, False)
    if {save}:
        list(loader)
        print(json.dumps(loader.state_dict()))
    else:
        loader.load_state_dict(json.loads(sys.stdin.read()))
        loader.batch_sampler.set_epoch(1)
        print(json.dumps(list(loader)))
"""


def test_in_a_fresh_process():
    pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

    def run(save: bool, given: str) -> str:
        script = textwrap.dedent(FRESH).format(tests=str(Path(__file__).parent), save=save, workers=0)
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            input=given,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert json.loads(run(False, run(True, ""))) == epoch_of(1)


def test_what_a_batch_sampler_says_of_itself():
    for changes in ({}, {"rank": 1, "world_size": 3}, {"scope": "rank", "world_size": 2, "rank": 0}):
        one = sampler(**changes | {"batches_per_epoch": 8})
        assert {len(batch) for batch in one} == {one.batch_size}
        assert one.global_batch_size == 6
        assert one.sampler is one
    assert sampler().drop_last is True
    slices = RankSlices(sampler(), 2)
    assert (slices.batch_size, slices.drop_last) == (3, True)


@pytest.mark.parametrize("changes", [{"world_size": 2}, {"world_size": 2, "rank": 1, "scope": "rank"}])
@pytest.mark.parametrize("splits", [False, True])
def test_a_ranks_own_sampler_is_refused_before_it_is_dealt_again(changes, splits):
    from accelerate.data_loader import BatchSamplerShard, prepare_data_loader

    own = sampler(**changes | {"batch_size": 8, "batches_per_epoch": 8})
    with pytest.raises(hf.HybridFastError, match="RankSlices") as caught:
        BatchSamplerShard(own, 2, own.rank, split_batches=splits)
    assert f"rank {own.rank}'s own part (world_size=2)" in str(caught.value)
    with pytest.raises(hf.HybridFastError, match="RankSlices"):
        prepare_data_loader(
            DataLoader(Same(), batch_sampler=own),
            num_processes=2,
            process_index=own.rank,
            split_batches=splits,
        )
