"""A hundred million rows: their index is built once for all works that need it."""

from __future__ import annotations

import itertools
import resource
import sys
import time
from dataclasses import dataclass
from functools import cache

import hybrid_fast as hf
from compared.parallel_groups import ParallelGroups, indexed
from compared.planning import RATIO, UNIT
from compared.work import Aim, Contestant, Setting, Work

GROUPS = 9_090_909
AT_ONCE = 8192
CALLS = 8


@dataclass(frozen=True)
class Built:
    """An index and what building it took."""

    corpus: ParallelGroups
    index: hf.PairIndex
    seconds: float


@cache
def built(groups: int, shared: int) -> Built:
    """Build an index, and let its columns go."""
    corpus = ParallelGroups(groups, shared)
    columns = corpus.columns()
    start = time.perf_counter()
    index = indexed(columns)
    seconds = time.perf_counter() - start
    del columns
    # The corpus keeps its cells, which are as large as a column.
    return Built(ParallelGroups(groups, shared), index, seconds)


def own_passages(setting: Setting) -> Work:
    """Plan where identities are the rows."""
    return planned(setting, 1, (Aim(rate=12),))


def shared_passages(setting: Setting) -> Work:
    """Plan where four questions share a passage: every row needs a look into 400 MB of identities."""
    return planned(setting, 4, (Aim(rate=12),))


def planned(setting: Setting, shared: int, aims: tuple[Aim, ...]) -> Work:
    """Plan the first million batches' worth of pairs of an epoch, in ranges."""
    large = built(groups(setting), shared)
    sampler = hf.HybridBatchSampler(large.index, 16 if setting.quick else 128, RATIO)
    at_once = len(sampler) // CALLS if setting.quick else AT_ONCE
    epochs = itertools.count()

    def ranges() -> None:
        sampler.set_epoch(next(epochs))
        for call in range(CALLS):
            sampler.batches(call * at_once, (call + 1) * at_once)

    pairs = CALLS * at_once * sampler.batch_size
    return Work(
        f"{pairs:,} pairs of an epoch of {large.corpus.rows:,} rows, batches of {sampler.batch_size}",
        pairs,
        UNIT,
        [Contestant("hybrid_fast", ranges, role="ours")],
        aims,
        f"{large.corpus.describe()}; index of {large.index.bytes / 1e9:.3g} GB, built in "
        f"{large.seconds:.2g} s; the process held at most {peak():.1f} GB so far, columns included; "
        "in CPU seconds",
        scale=1e6,
        clock="processor",
    )


def first_batch(setting: Setting) -> Work:
    """Time the first batch of a new sampler, and one from the middle."""
    large = built(groups(setting), 4)
    size = 16 if setting.quick else 128
    seeds = itertools.count()

    def first() -> hf.Batch:
        return hf.HybridBatchSampler(large.index, size, RATIO, seed=next(seeds)).batch(0)

    def middle() -> hf.Batch:
        sampler = hf.HybridBatchSampler(large.index, size, RATIO, seed=next(seeds))
        return sampler.batch(len(sampler) // 2)

    return Work(
        f"new sampler and its first batch, {large.corpus.rows:,} rows",
        0,
        "",
        [
            Contestant("hybrid_fast", first, role="ours"),
            Contestant("hybrid_fast, a batch from the middle first", middle, role="part"),
        ],
        (Aim(within=1),),
        large.corpus.describe(),
    )


def groups(setting: Setting) -> int:
    """Return how many groups make a hundred million rows."""
    return 700 if setting.quick else GROUPS


def peak() -> float:
    """Return the most memory that this process held, in GB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e9 if sys.platform == "darwin" else most / 1e6
