"""Other libraries' ways of drawing batches from a corpus of parallel groups.

None of them knows of monolingual and cross-lingual kinds, so they draw monolingual pairs: those with a
dataset for each language by their rule, the others from all pairs. Where a library guards or hashes
what a row holds, a row holds two short texts; longer ones cost it more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from compared.parallel_groups import LANGUAGES, ParallelGroups
from compared.work import Setting


@dataclass(frozen=True)
class Drawing:
    """A library's way.

    Attributes:
        who: library and way.
        batches: starts an epoch and returns its batches.
        share: the part of an epoch to time.
        note: what it does not do.
        guarded: whether no passage may come twice in a batch.
        at: returns one batch without those before it, where the library can.
    """

    who: str
    batches: Callable[[], Iterable[Any]]
    share: float = 1.0
    note: str = ""
    guarded: bool = False
    at: Callable[[int], Any] | None = None


def every(corpus: ParallelGroups, size: int, setting: Setting) -> Iterator[Drawing]:
    """Go through all libraries that are installed."""
    yield from sentence_transformers(corpus, size, setting)
    yield from torch_samplers(corpus, size, setting)
    yield from grain_datasets(corpus, size, setting)
    yield from interleaved(corpus, size, setting)


def drawn(drawing: Drawing, count: int) -> list[Any]:
    """Start an epoch and draw some batches."""
    return list(islice(drawing.batches(), count))


def sentence_transformers(corpus: ParallelGroups, size: int, setting: Setting) -> Iterator[Drawing]:
    """Return its samplers without duplicates and those over several datasets."""
    samplers = setting.library("sentence_transformers.base.sampler")
    datasets = setting.library("datasets")
    torch = setting.library("torch")
    if samplers is None or datasets is None or torch is None:
        return
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    columns = {
        "query": [f"q{row}" for row in corpus.row_of.tolist()],
        "passage": [f"p{one}" for one in np.repeat(corpus.identity, LANGUAGES).tolist()],
    }
    pairs = datasets.Dataset.from_dict(columns)
    plain = samplers.NoDuplicatesBatchSampler(pairs, size, drop_last=True, generator=torch.Generator())
    yield Drawing("sentence-transformers NoDuplicates", following(plain), 0.01, "no kinds", guarded=True)
    try:
        hashed = samplers.NoDuplicatesBatchSampler(
            pairs, size, drop_last=True, generator=torch.Generator(), precompute_hashes=True
        )
    except (TypeError, ImportError):
        setting.missing.add("sentence-transformers NoDuplicates, hashed")
    else:
        # Hashing belongs to the first epoch and stays out of the timing.
        next(iter(hashed))
        note = "no kinds; hashing not timed"
        yield Drawing(
            "sentence-transformers NoDuplicates, hashed", following(hashed), 0.1, note, guarded=True
        )
    parts = torch.utils.data.ConcatDataset([range(corpus.groups)] * LANGUAGES)
    for name in ("Proportional", "RoundRobin"):
        generator = torch.Generator()
        each = [
            samplers.DefaultBatchSampler(
                torch.utils.data.RandomSampler(range(corpus.groups), generator=generator),
                size,
                drop_last=True,
            )
            for _ in range(LANGUAGES)
        ]
        kind = getattr(samplers, f"{name}BatchSampler")
        yield Drawing(
            f"sentence-transformers {name}",
            following(kind(parts, each, generator)),
            note="no kinds, no guard",
        )


def following(sampler: Any) -> Callable[[], Iterable[Any]]:
    """Let each call draw the next epoch."""
    epoch = iter(range(2**62))

    def start() -> Iterable[Any]:
        sampler.set_epoch(next(epoch))
        batches: Iterable[Any] = sampler
        return batches

    return start


def torch_samplers(corpus: ParallelGroups, size: int, setting: Setting) -> Iterator[Drawing]:
    """Return torch's weighted and its plain sampler."""
    torch = setting.library("torch")
    if torch is None:
        return
    data = torch.utils.data
    weighted = data.WeightedRandomSampler(torch.ones(corpus.rows), corpus.rows)
    yield Drawing(
        "torch WeightedRandomSampler",
        lambda: data.BatchSampler(weighted, size, drop_last=True),
        note="no kinds, no guard, pairs repeat; at most 2²⁴ rows",
    )
    shuffled = data.RandomSampler(range(corpus.rows))
    yield Drawing(
        "torch RandomSampler",
        lambda: data.BatchSampler(shuffled, size, drop_last=True),
        note="no kinds, no guard",
    )


def grain_datasets(corpus: ParallelGroups, size: int, setting: Setting) -> Iterator[Drawing]:
    """Return grain's mixed datasets, a dataset of batches for each language."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    grain = setting.library("grain")
    if grain is None:
        return
    each = [
        grain.MapDataset.range(number * corpus.groups, (number + 1) * corpus.groups)
        .shuffle(seed=number)
        .batch(size, drop_remainder=True)
        for number in range(LANGUAGES)
    ]
    mixed = grain.MapDataset.mix(each, weights=[1 / LANGUAGES] * LANGUAGES)
    yield Drawing(
        "grain MapDataset.mix",
        lambda: (mixed[place] for place in range(len(mixed))),
        0.05,
        "no kinds, no guard",
        at=lambda place: mixed[place],
    )


def interleaved(corpus: ParallelGroups, size: int, setting: Setting) -> Iterator[Drawing]:
    """Return interleaved datasets, a dataset for each language."""
    datasets = setting.library("datasets")
    if datasets is None:
        return
    datasets.disable_progress_bars()
    seeds = iter(range(2**62))

    def start() -> Iterable[Any]:
        each = [
            datasets.Dataset.from_dict({"row": np.arange(groups)}).shuffle(seed=next(seeds))
            for _ in range(LANGUAGES)
        ]
        mixed = datasets.interleave_datasets(
            each, probabilities=[1 / LANGUAGES] * LANGUAGES, seed=next(seeds)
        )
        batches: Iterable[Any] = mixed.iter(batch_size=size)
        return batches

    # Its plan is made for a whole epoch, so it gets a smaller corpus; it ends with its first language.
    groups = max(4 * size, corpus.groups // 20)
    yield Drawing("datasets interleave_datasets", start, 0.7 * groups / corpus.groups, "no kinds, no guard")
