"""Plans of guarded batches, half of them monolingual, beside other ways of drawing batches."""

from __future__ import annotations

import itertools
import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hybrid_fast as hf
from compared.numpy_plans import NumpyPlans
from compared.parallel_groups import LANGUAGES, ParallelGroups
from compared.sampler_libraries import Drawing, drawn, every
from compared.work import Aim, Contestant, Setting, Work

RATIO = 0.5
GROUPS = 90_909
GUARDED = "NumPy, batch by batch, passage guard"
UNIT = "M pairs/CPU s"


def own_passages(setting: Setting) -> Work:
    """Plan a million pairs in batches of 128, beside every library."""
    corpus, size = ParallelGroups(groups(setting)), 16 if setting.quick else 128
    aims = (Aim(rate=25), Aim(rate=5, of="hybrid_fast, Python lists"), Aim(12, (GUARDED,)))
    work, batches = epoch(corpus, size, aims)
    work.contestants.extend(turns_alone(size * batches, setting))
    work.contestants.extend(contestant(one, corpus, size, batches) for one in every(corpus, size, setting))
    return work


def shared_passages(setting: Setting) -> Work:
    """Plan a million pairs where four questions share a passage and no column follows a rule."""
    corpus = ParallelGroups(groups(setting), shared=4, shuffled=True)
    return epoch(corpus, 16 if setting.quick else 128, (Aim(12, (GUARDED,)),))[0]


def batches_of(size: int, shared: int, setting: Setting) -> Work:
    """Plan a million pairs in batches of another size."""
    corpus = ParallelGroups(groups(setting), shared, shuffled=shared > 1)
    work, _ = epoch(corpus, 8 if setting.quick else size, ())
    work.contestants[:] = [who for who in work.contestants if "whole epoch" not in who.who]
    return work


small_batches = partial(batches_of, 32, 1)
large_batches = partial(batches_of, 512, 1)
huge_batches = partial(batches_of, 4096, 1)
huge_batches_of_shared = partial(batches_of, 4096, 4)


def groups(setting: Setting) -> int:
    """Return how many groups make a million rows."""
    return 500 if setting.quick else GROUPS


def epoch(corpus: ParallelGroups, size: int, aims: tuple[Aim, ...]) -> tuple[Work, int]:
    """Gather ours and the ways written in NumPy."""
    sampler = hf.HybridBatchSampler(corpus.index(), size, RATIO)
    batches = len(sampler)
    plans = NumpyPlans(corpus, size, batches, RATIO)
    epochs = itertools.count()

    def arrays() -> hf.Batch:
        sampler.set_epoch(next(epochs))
        return sampler.batches(0, batches)

    def lists() -> list[list[int]]:
        sampler.set_epoch(next(epochs))
        return list(sampler)

    cells = np.argsort(corpus.row_of)

    def right(plan: Any) -> bool:
        asked, answered = cells[plan.query], cells[plan.passage]
        return (
            abs(int(plan.is_mono.sum()) - RATIO * batches) <= 0.5
            and np.array_equal(asked // LANGUAGES, plan.group)
            and np.array_equal(answered // LANGUAGES, plan.group)
            and np.array_equal(asked % LANGUAGES, plan.query_language)
            and np.array_equal(answered % LANGUAGES, plan.passage_language)
        )

    def right_and_guarded(plan: Any) -> bool:
        return right(plan) and unrepeated(corpus.identity[plan.group])

    def guarded_lists(plan: list[list[int]]) -> bool:
        asked = corpus.cells[np.array(plan) // LANGUAGES]
        return asked.shape == (batches, size) and unrepeated(corpus.identity[asked // LANGUAGES])

    contestants = [
        Contestant("hybrid_fast", arrays, role="ours", check=right_and_guarded),
        Contestant("hybrid_fast, Python lists", lists, role="part", note="pair ids", check=guarded_lists),
        Contestant(GUARDED, lambda: plans.one_by_one(guard=True), check=right_and_guarded),
        Contestant(
            "NumPy, whole epoch, repaired",
            plans.epoch_repaired,
            note="guarded; plans the epoch before its first batch",
            check=right_and_guarded,
        ),
        Contestant(
            "NumPy, batch by batch",
            lambda: plans.one_by_one(guard=False),
            role="part",
            note="no guard",
            check=right,
        ),
        Contestant("NumPy, whole epoch", plans.epoch_at_once, role="part", note="no guard", check=right),
    ]
    work = Work(
        f"an epoch in batches of {size:,}, α = {RATIO:g}: {batches * size:,} of {corpus.rows:,} rows",
        batches * size,
        UNIT,
        contestants,
        aims,
        f"{corpus.describe()}; another epoch each time; in CPU seconds",
        scale=1e6,
        clock="processor",
    )
    return work, batches


def unrepeated(identity: NDArray[np.int64]) -> bool:
    """Return whether no batch holds an identity twice."""
    ordered = np.sort(identity, axis=1)
    return not bool((ordered[:, 1:] == ordered[:, :-1]).any())


def contestant(drawing: Drawing, corpus: ParallelGroups, size: int, batches: int) -> Contestant:
    """Return a library's way as a contestant; those without a guard do a part of the work."""
    count = max(1, int(batches * drawing.share))

    def guarded(plan: list[Any]) -> bool:
        asked = np.array(plan)
        return asked.shape == (count, size) and unrepeated(corpus.identity[asked // LANGUAGES])

    return Contestant(
        drawing.who,
        lambda: drawn(drawing, count),
        count / batches,
        role="rival" if drawing.guarded else "part",
        note=drawing.note,
        check=guarded if drawing.guarded else lambda plan: len(plan) == count,
    )


def turns_alone(rows: int, setting: Setting) -> list[Contestant]:
    """Return Megatron's helper, which only says whose turn each row is."""
    with warnings.catch_warnings():
        # It misses parts for GPUs, which play no part here.
        warnings.simplefilter("ignore")
        helpers = setting.library("megatron.core.datasets.helpers_cpp")
    if helpers is None:
        return []
    whose, place = np.empty(rows, np.int16), np.empty(rows, np.int64)
    weights = np.full(LANGUAGES, 1 / LANGUAGES)

    def blend() -> NDArray[np.int16]:
        helpers.build_blending_indices(whose, place, weights, LANGUAGES, rows, False)
        return whose

    return [
        Contestant(
            "Megatron blending helper",
            blend,
            role="part",
            note="turns of languages only: no rows, no order, no kinds, no guard",
            check=lambda turns: bool((np.bincount(turns) >= rows // LANGUAGES - 1).all()),
        )
    ]
