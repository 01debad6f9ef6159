"""Runs the works in one process and times their contestants in turns."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from typing import Any

from compared import dense_ranks, dense_topk, embeddings_search, importing, measures, xquad_r
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
}


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
            best[who.who] = min(best[who.who], seconds(who))
    gc.enable()
    return {
        "title": work.title,
        "amount": work.amount,
        "unit": work.unit,
        "data": work.data,
        "aims": [{"times": aim.times, "against": aim.against, "read": aim.read} for aim in work.aims],
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


def seconds(who: Contestant) -> float:
    """Return the time that the whole work would take at the pace of one call."""
    start = time.perf_counter()
    answer = who.call()
    passed = time.perf_counter() - start
    if who.own_clock:
        return float(answer)
    # Returned memory is freed outside the timing, for everybody.
    del answer
    return passed / who.share
