"""Going on in the middle of an epoch: seconds until the first batch is there."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

import hybrid_fast as hf
from compared.parallel_groups import ParallelGroups
from compared.planning import RATIO, groups
from compared.sampler_libraries import Drawing, every
from compared.work import Aim, Contestant, Setting, Work

FAR = 10**7


def half_way(setting: Setting) -> Work:
    """Go on in the middle of an epoch over a million pairs, and far inside a long one."""
    corpus = ParallelGroups(groups(setting))
    size = 16 if setting.quick else 128
    index = corpus.index()
    middle = len(hf.HybridBatchSampler(index, size, RATIO)) // 2
    far = 10**4 if setting.quick else FAR
    seeds = itertools.count()

    def resumed(batch: int, batches: int | None, *, made: bool) -> float:
        start = time.perf_counter()
        sampler = hf.HybridBatchSampler(index, size, RATIO, batches_per_epoch=batches, seed=next(seeds))
        state = sampler.state_dict() | {"batch": batch}
        if made:
            start = time.perf_counter()
        sampler.load_state_dict(state)
        next(iter(sampler))
        return time.perf_counter() - start

    def cold(batch: int) -> hf.Batch:
        sampler = hf.HybridBatchSampler(index, size, RATIO, batches_per_epoch=2 * far, seed=next(seeds))
        return sampler.batch(batch)

    contestants = [
        Contestant(
            "hybrid_fast",
            lambda: resumed(middle, None, made=True),
            role="ours",
            note="guarded",
            own_clock=True,
        ),
        Contestant(
            "hybrid_fast, making the sampler included",
            lambda: resumed(middle, None, made=False),
            role="part",
            own_clock=True,
        ),
        Contestant(
            f"hybrid_fast, at batch {far:,}",
            lambda: resumed(far, 2 * far, made=True),
            role="part",
            own_clock=True,
        ),
        Contestant(f"hybrid_fast, batch({far:,}) of a new sampler", lambda: cold(far), role="part"),
    ]
    contestants += [contestant(drawing, middle) for drawing in every(corpus, size, setting)]
    return Work(
        f"first batch after resuming at batch {middle:,}",
        0,
        "",
        contestants,
        (
            Aim(within=0.01, of=f"hybrid_fast, at batch {far:,}"),
            Aim(within=0.1, of=f"hybrid_fast, batch({far:,}) of a new sampler"),
        ),
        f"{corpus.describe()}, batches of {size}; ours: load_state_dict of a sampler that has drawn nothing, "
        "then its first batch as a list; the others skip the batches before, as accelerate does for them",
    )


def contestant(drawing: Drawing, middle: int) -> Contestant:
    """Return a library that reads up to the middle; one that has random access goes there at once."""
    count = max(1, int(middle * drawing.share))
    at = drawing.at
    if at is not None:
        return Contestant(drawing.who, lambda: at(middle), note=f"{drawing.note}; random access")

    def skipped() -> Any:
        batches: Iterable[Any] = drawing.batches()
        return list(islice(batches, count, count + 1))

    return Contestant(drawing.who, skipped, count / middle, note=drawing.note)
