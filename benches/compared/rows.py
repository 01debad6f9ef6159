"""Dividing rows among threads, for the contestants that are written in NumPy."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Return a pool that lasts as long as the process, as ours does."""
    made = ThreadPoolExecutor(threads)
    atexit.register(made.shutdown)
    return made


def over_rows(rows: int, threads: int, part: Callable[[int, int], None]) -> None:
    """Call ``part(start, stop)`` for all rows, at once for equal parts where there are several threads."""
    if threads == 1:
        part(0, rows)
        return
    # NumPy lets go of the interpreter inside its loops.
    edges = [rows * place // (4 * threads) for place in range(4 * threads + 1)]
    list(pool(threads).map(part, edges[:-1], edges[1:]))
