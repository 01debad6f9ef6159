"""Run by torchrun in test_elastic.py: what each of several processes is handed out, written by rank 0."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import Accelerator, DataLoaderConfiguration
from torch.utils.data import DataLoader

import hybrid_fast as hf
from hybrid_fast.errors import InvalidArgument
from hybrid_fast.training import RankSlices, StatefulBatches
from test_loaders import EPOCHS, INDEX, LENGTH, Same

STOP = 5
"""Batches before the training is left, and gone on with from its state."""


def sampler(**changes) -> hf.HybridBatchSampler:
    return hf.HybridBatchSampler(
        INDEX, **{"batch_size": 8, "batches_per_epoch": LENGTH, "seed": 5, **changes}
    )


def loader(source, workers: int = 0) -> DataLoader:
    return DataLoader(Same(), batch_sampler=source, num_workers=workers, collate_fn=torch.tensor)


def walk(make) -> list[list[int]]:
    """Two epochs, left in the middle of the second and gone on with from the state."""
    batches = make()
    handed = []
    for epoch in range(EPOCHS):
        batches.set_epoch(epoch)
        for number, batch in enumerate(batches):
            handed.append(batch.tolist())
            if epoch == 1 and number + 1 == STOP:
                break
    state = json.loads(json.dumps(batches.state_dict()))
    again = make()
    again.load_state_dict(state)
    for epoch in range(again.epoch, EPOCHS):
        again.set_epoch(epoch)
        handed += [batch.tolist() for batch in again]
    return handed


def main(out: Path) -> None:
    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    sliced = Accelerator(cpu=True)
    found = {
        "own slice": walk(lambda: StatefulBatches(loader(sampler(rank=rank, world_size=ranks), 1))),
        "accelerate, rank slices": walk(
            lambda: StatefulBatches(sliced.prepare(loader(RankSlices(sampler(), ranks), 1)))
        ),
    }
    twice = {
        "whole batches dealt": lambda: sampler(),
        "own slices": lambda: sampler(rank=rank, world_size=ranks),
    }
    refused = {}
    for name, make in twice.items():
        try:
            StatefulBatches(sliced.prepare(loader(make())))
        except InvalidArgument as error:
            refused[name] = str(error)
    split = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(split_batches=True))
    found["accelerate, split batches"] = walk(lambda: StatefulBatches(split.prepare(loader(sampler()))))
    gathered: list[dict] = [{} for _ in range(ranks)]
    dist.all_gather_object(gathered, found)
    if rank == 0:
        out.write_text(json.dumps({"handed": gathered, "refused": refused}))
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
