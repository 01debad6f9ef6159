"""Runs the works in one process and times their contestants in turns."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from compared import (
    dense_ranks,
    dense_topk,
    embeddings_search,
    hundred_millions,
    importing,
    indexing,
    measures,
    planning,
    resuming,
    xquad_r,
)
from compared.machine import describe
from compared.work import Contestant, Setting, Work

WORKS: dict[str, Callable[[Setting], Work]] = {
    "ranks-few": dense_ranks.few,
    "ranks-11": dense_ranks.eleven,
    "ranks-11-anywhere": dense_ranks.eleven_anywhere,
    "topk-100": dense_topk.hundred,
    "topk-1000": dense_topk.thousand,
    "topk-ascending": dense_topk.ascending,
    "topk-13000": dense_topk.narrow,
    "half": dense_topk.half,
    "search": embeddings_search.anisotropic,
    "search-isotropic": embeddings_search.isotropic,
    "xquad-r": xquad_r.three_settings,
    "measure": measures.from_ranks,
    "import": importing.package,
    "sampler": planning.own_passages,
    "sampler-shared": planning.shared_passages,
    "sampler-32": planning.small_batches,
    "sampler-512": planning.large_batches,
    "sampler-4096": planning.huge_batches,
    "sampler-4096-shared": planning.huge_batches_of_shared,
    "sampler-resume": resuming.half_way,
    "sampler-index": indexing.in_order,
    "sampler-index-shuffled": indexing.in_no_order,
    "sampler-100m-index": indexing.of_hundred_millions,
    "sampler-100m": hundred_millions.own_passages,
    "sampler-100m-shared": hundred_millions.shared_passages,
    "sampler-100m-first": hundred_millions.first_batch,
}

ONE_THREAD = ("sampler",)
"""Beginnings of works that no contestant does with several threads."""

LARGE = ("sampler-100m",)
"""Beginnings of works on 100 million rows."""


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Return all figures of one number of threads."""
    names = options.only or list(WORKS)
    unknown = [name for name in names if name not in WORKS]
    if unknown:
        sys.exit(f"no work {unknown[0]!r}; there are {', '.join(WORKS)}")
    setting = Setting(options.threads[0], options.quick, options)
    rounds = 1 if options.quick else max(1, options.rounds)
    works = {}
    for name in names:
        if name.startswith(ONE_THREAD) and setting.threads > 1:
            print(f"{name}: its contestants use one thread; left out", file=sys.stderr, flush=True)
            continue
        if name.startswith(LARGE) and not (options.full or options.quick):
            print(f"{name}: left out; --full does it", file=sys.stderr, flush=True)
            continue
        print(f"{name}, {setting.threads} thread(s) …", file=sys.stderr, flush=True)
        works[name] = timed(WORKS[name](setting), rounds)
        gc.collect()
    return {
        "threads": setting.threads,
        "quick": setting.quick,
        "rounds": rounds,
        "machine": describe(setting),
        "missing": sorted(setting.missing),
        "works": works,
    }


def timed(work: Work, rounds: int) -> dict[str, Any]:
    """Time every contestant of a work: once to warm up, then in turns."""
    differs = {who.who for who in work.contestants if who.check and not who.check(who.call())}
    for who in work.contestants:
        if not who.check:
            who.call()
    best = dict.fromkeys((who.who for who in work.contestants), float("inf"))
    gc.disable()
    for _ in range(rounds):
        for who in work.contestants:
            # Idle threads of the last contestant's library spin for a while.
            time.sleep(0.02)
            best[who.who] = min(best[who.who], seconds(who, work.clock))
    gc.enable()
    return {
        "title": work.title,
        "amount": work.amount,
        "unit": work.unit,
        "data": work.data,
        "scale": work.scale,
        "clock": work.clock,
        "aims": [asdict(aim) for aim in work.aims],
        "contestants": [
            {
                "who": who.who,
                "role": who.role,
                "seconds": best[who.who],
                "share": who.share,
                "note": who.note,
                "differs": who.who in differs,
            }
            for who in work.contestants
        ],
    }


def seconds(who: Contestant, clock: str) -> float:
    """Return the time that the whole work would take at the pace of one call."""
    now = time.process_time if clock == "processor" else time.perf_counter
    start = now()
    answer = who.call()
    passed = now() - start
    if who.own_clock:
        return float(answer)
    # Returned memory is freed outside the timing, for everybody.
    del answer
    return passed / who.share
