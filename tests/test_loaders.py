"""The sampler under torch's and torchdata's loaders: the same batches in the same order, and exact states."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument, StateMismatch
from hybrid_fast.training import StatefulBatches
from small_indexes import parallel_index

torch.set_num_threads(1)
INDEX = parallel_index()
LENGTH = 22  # three languages of 60 cells, batches of 8: 3 x 7, and one more given by hand
EPOCHS = 2


class Same(Dataset):
    """Pair ids as they are drawn."""

    def __getitem__(self, pair_id):
        return pair_id


def sampler(**changes) -> hf.HybridBatchSampler:
    return hf.HybridBatchSampler(
        INDEX, **{"batch_size": 8, "batches_per_epoch": LENGTH, "seed": 5, **changes}
    )


def loader(source, workers: int, prefetch: int | None = None) -> DataLoader:
    return DataLoader(
        Same(),
        batch_sampler=source,
        num_workers=workers,
        prefetch_factor=prefetch,
        persistent_workers=workers > 0,
        collate_fn=list,
    )


def stream(epochs: int = EPOCHS) -> list[list[int]]:
    plain = sampler()
    batches = []
    for epoch in range(epochs):
        plain.set_epoch(epoch)
        batches += list(plain)
    return batches


def rest_of(batches: StatefulBatches, epochs: int = EPOCHS) -> list[list[int]]:
    found = []
    for epoch in range(batches.epoch, epochs):
        batches.set_epoch(epoch)
        found += list(batches)
    return found


@pytest.mark.parametrize(("workers", "prefetch"), [(0, None), (1, 2), (2, 5), (4, 1)])
def test_a_plain_loader_keeps_batches_and_order(workers, prefetch):
    source = sampler()
    loaded = loader(source, workers, prefetch)
    found = []
    for epoch in range(EPOCHS):
        source.set_epoch(epoch)
        found += list(loaded)
    assert found == stream()
    assert len(loaded) == LENGTH


@pytest.mark.parametrize(("workers", "prefetch"), [(0, None), (1, 3), (2, 2), (4, 8)])
def test_a_state_counts_what_was_handed_out(workers, prefetch):
    expected = stream()
    batches = StatefulBatches(loader(sampler(), workers, prefetch))
    assert len(batches) == LENGTH
    states = [json.dumps(batches.state_dict())]
    ahead = []
    for epoch in range(EPOCHS):
        batches.set_epoch(epoch)
        for number, batch in enumerate(batches, epoch * LENGTH):
            assert batch == expected[number]
            states.append(json.dumps(batches.state_dict()))
            ahead.append(batches.sampler.state_dict()["batch"] - batches.state_dict()["batch"])
    # The sampler's own position is no state of the training: it is what the workers were given.
    assert max(ahead) == (0 if workers == 0 else min(LENGTH - 1, workers * prefetch))
    for taken in (0, 1, 7, LENGTH - 1, LENGTH, LENGTH + 1, 2 * LENGTH):
        for other, factor in ((0, None), (2, 3)):
            again = StatefulBatches(loader(sampler(), other, factor))
            again.load_state_dict(json.loads(states[taken]))
            assert json.loads(states[taken]) == again.state_dict()
            assert rest_of(again) == expected[taken:]


def test_a_state_from_within_an_epoch_is_used_once():
    batches = StatefulBatches(loader(sampler(), 2))
    first = list(itertools.islice(batches, 5))
    assert first == stream(1)[:5]
    state = batches.state_dict()
    assert state["batch"] == 5
    assert list(batches) == stream(1)  # leaving a loop and starting again is a new pass
    batches.load_state_dict(state)
    batches.set_epoch(0)  # the same epoch keeps the position
    assert list(batches) == stream(1)[5:]
    assert list(batches) == stream(1)
    batches.load_state_dict(state)
    batches.set_epoch(1)
    assert list(batches) == stream()[LENGTH:]
    with pytest.raises(StateMismatch):
        batches.load_state_dict({**state, "config": "another"})
    with pytest.raises(StateMismatch):
        batches.load_state_dict({})


def test_an_abandoned_pass_counts_no_more():
    batches = StatefulBatches(loader(sampler(), 0))
    old = iter(batches)
    next(old)
    new = iter(batches)
    next(new)
    next(new)
    next(old)
    assert batches.state_dict()["batch"] == 2


def test_only_loaders_of_this_sampler():
    with pytest.raises(InvalidArgument, match="expected a HybridBatchSampler"):
        StatefulBatches(DataLoader(range(10), batch_size=2))


KILLED = """
    import itertools, json, os, sys
    sys.path.insert(0, {tests!r})
    import test_loaders as world
    from hybrid_fast.atomic import write_text
    from pathlib import Path

    folder, workers, prefetch, steps = Path({folder!r}), {workers}, {prefetch}, {steps}
    batches = world.StatefulBatches(world.loader(world.sampler(), workers, prefetch))
    trained = []
    if (folder / "checkpoint.json").exists():
        checkpoint = json.loads((folder / "checkpoint.json").read_text())
        batches.load_state_dict(checkpoint["batches"])
        trained = checkpoint["trained"]
    for epoch in range(batches.epoch, world.EPOCHS):
        batches.set_epoch(epoch)
        for batch in batches:
            trained.append(batch)  # the "weights": what they were trained on
            if len(trained) % 4 == 0:
                state = {{"batches": batches.state_dict(), "trained": trained}}
                write_text(folder / "checkpoint.json", json.dumps(state))
            if len(trained) == steps:
                os._exit(9)
    write_text(folder / "done.json", json.dumps(trained))
"""


def test_killed_in_the_middle_and_gone_on_with_in_a_fresh_process(tmp_path):
    # Killed between checkpoints, with batches prefetched, in the first epoch, then in the second.
    for workers, prefetch, steps, code in ((2, 4, 10, 9), (0, None, LENGTH + 3, 9), (1, 2, -1, 0)):
        script = textwrap.dedent(KILLED).format(
            tests=str(Path(__file__).parent),
            folder=str(tmp_path),
            workers=workers,
            prefetch=prefetch,
            steps=steps,
        )
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
        assert result.returncode == code, result.stderr
    assert json.loads((tmp_path / "done.json").read_text()) == stream()


@pytest.mark.parametrize(("workers", "every"), [(0, 1), (2, 1), (2, 3)])
def test_torchdatas_stateful_loader_goes_on_within_an_epoch(workers, every):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")

    def stateful():
        return torchdata.StatefulDataLoader(
            Same(),
            batch_sampler=sampler(),
            num_workers=workers,
            collate_fn=list,
            snapshot_every_n_steps=every,
        )

    expected = stream(1)
    assert list(stateful()) == expected
    for taken in (1, 8, LENGTH - 1):
        first = stateful()
        assert list(itertools.islice(first, taken)) == expected[:taken]
        state = json.loads(json.dumps(first.state_dict()))
        second = stateful()
        second.load_state_dict(state)
        assert list(second) == expected[taken:]
        # The next epoch is named as usual, before its loop.
        second.batch_sampler.set_epoch(1)
        assert list(second) == stream()[LENGTH:]


def test_the_page_on_training_runs():
    import re

    page = (Path(__file__).parent.parent / "docs" / "training.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 3
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "training.md", "exec"), namespace)
