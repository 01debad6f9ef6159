"""Exact top-k, ranks and search beside NumPy, torch and faiss: same data, same threads, one run.

Run ``python benches/rivals.py [--threads N] [--quick]`` after installing ``hybrid_fast[train,compare]``;
it prints one table. A rival that is not installed is left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    """Read the options, hold every library to the same threads, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    # Before NumPy and its rivals load, for they read these once.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    compare(options.threads, *((64, 2000, 64) if options.quick else (1024, 13_014, 384)))


def compare(threads: int, queries: int, passages: int, dimension: int) -> None:
    """Time every rival on random embeddings of the size of XQuAD-R and print the table."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    import hybrid_fast as hf

    rng = np.random.default_rng(13)
    q = rng.standard_normal((queries, dimension)).astype(np.float32)
    p = rng.standard_normal((passages, dimension)).astype(np.float32)
    scores = q @ p.T
    golds = [rng.permutation(passages)[:11].tolist() for _ in range(queries)]
    rows, columns = np.repeat(np.arange(queries), 11), np.concatenate(golds)

    def numpy_topk() -> np.ndarray:
        part = np.argpartition(scores, -100, axis=1)[:, -100:]
        values = np.take_along_axis(scores, part, axis=1)
        return np.take_along_axis(part, np.argsort(-values, axis=1, kind="stable"), axis=1)

    def numpy_ranks() -> np.ndarray:
        order = np.argsort(-scores, axis=1, kind="stable")
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(1, passages + 1)[None, :], axis=1)
        return places[rows, columns]

    def numpy_search() -> np.ndarray:
        own = q @ p.T
        return np.argpartition(own, -100, axis=1)[:, -100:]

    timed: dict[str, list[tuple[str, Callable[[], object]]]] = {
        f"top 100 of {queries} × {passages}": [
            ("hybrid_fast", lambda: hf.topk(scores, 100, threads=threads)),
            ("numpy argpartition", numpy_topk),
        ],
        f"ranks of 11 golds, {queries} × {passages}": [
            ("hybrid_fast", lambda: hf.ranks(scores, golds, threads=threads)),
            ("numpy argsort", numpy_ranks),
        ],
        f"search, top 100, dimension {dimension}": [
            ("hybrid_fast", lambda: hf.search(q, p, 100, threads=threads)),
            ("numpy matmul + argpartition", numpy_search),
        ],
        "search with ranks of 11 golds": [
            ("hybrid_fast", lambda: hf.search(q, p, 100, positives=golds, threads=threads)),
            ("numpy matmul + argsort", lambda: (q @ p.T, numpy_ranks())),
        ],
    }
    try:
        import torch
    except ImportError:
        print("torch is not installed: left out")
    else:
        torch.set_num_threads(threads)
        tq, tp, ts = torch.from_numpy(q), torch.from_numpy(p), torch.from_numpy(scores)
        first, _, third, _ = timed.values()
        first.append(("torch topk", lambda: ts.topk(100)))
        third.append(("torch matmul + topk", lambda: (tq @ tp.T).topk(100)))
    try:
        import faiss
    except ImportError:
        print("faiss is not installed: left out")
    else:
        faiss.omp_set_num_threads(threads)
        index = faiss.IndexFlatIP(dimension)
        index.add(p)
        list(timed.values())[2].append(("faiss IndexFlatIP", lambda: index.search(q, 100)))

    table = Table("work", "who", "seconds", "times hybrid_fast", title=f"{processor()}, {threads} thread(s)")
    for work, rivals in timed.items():
        ours = None
        for who, call in rivals:
            seconds = best_of(call)
            ours = ours or seconds
            table.add_row(
                work if who == "hybrid_fast" else "", who, f"{seconds:.4f}", f"{seconds / ours:.2f}"
            )
        table.add_section()
    Console().print(table)


def best_of(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of a few runs: the one least disturbed by the rest of the machine."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def processor() -> str:
    """Return the processor's name where the system tells it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
