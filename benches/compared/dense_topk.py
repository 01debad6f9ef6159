"""The best passages of each query, from a matrix of scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hybrid_fast as hf
from compared.reading import readers
from compared.rows import over_rows
from compared.work import Aim, Contestant, Setting, Work


def hundred(setting: Setting) -> Work:
    """Top-100 of 100,000."""
    aims = (Aim(3.5, ("faiss",)), Aim(read=(0.7, 0.5, 0.7)))
    return selected(setting, (1000, 100_000), 100, aims)


def thousand(setting: Setting) -> Work:
    """Top-1000 of a million."""
    aims = (Aim(4, ("faiss",)), Aim(read=(0.65, 0.6, 0.7)))
    return selected(setting, (200, 1_000_000), 1000, aims)


def ascending(setting: Setting) -> Work:
    """Top-100 of rows in which every score beats all before it."""
    aims = (Aim(2.5, ("NumPy",)), Aim(read=(0.45, 0.3, None)))
    return selected(setting, (1000, 100_000), 100, aims, sort=True)


def narrow(setting: Setting) -> Work:
    """Top-100 of 13,000."""
    return selected(setting, (10_000, 13_000), 100, (Aim(2), Aim(read=(0.42, 0.24, None))))


def matrix(setting: Setting, shape: tuple[int, int], sort: bool = False) -> NDArray[np.float32]:
    """Return normal scores."""
    queries, passages = shape if not setting.quick else (50, 2000)
    scores = np.random.default_rng(13).standard_normal((queries, passages), dtype=np.float32)
    if sort:
        scores.sort(axis=1)
    return scores


def selected(
    setting: Setting, shape: tuple[int, int], k: int, aims: tuple[Aim, ...], sort: bool = False
) -> Work:
    """Gather the contestants."""
    scores = matrix(setting, shape, sort)

    def ours() -> NDArray[np.float32]:
        return hf.topk(scores, k, threads=setting.threads)[0]

    expected = ours()

    def same(values: NDArray[np.float32]) -> bool:
        return bool((values == expected[: len(values)]).all())

    contestants = [Contestant("hybrid_fast", ours, role="ours")]
    for who, of_row in (
        ("NumPy argpartition, row by row", by_ids),
        ("NumPy partition, row by row", by_values),
    ):
        contestants.append(
            Contestant(who, partial(with_numpy, scores, k, setting.threads, of_row), check=same)
        )
    contestants.append(Contestant("NumPy argpartition, whole matrix", lambda: whole(scores, k), check=same))
    contestants += torch_contestant(scores, k, setting, same, slow=sort)
    contestants += faiss_contestant(scores, k, setting, same, slow=sort)
    contestants += readers(scores, setting)
    kind = "in ascending order, " if sort else ""
    return Work(
        f"top-{k} of {len(scores):,} × {scores.shape[1]:,} f32, {kind}with ids, sorted",
        scores.nbytes,
        "GB/s",
        contestants,
        aims,
        "normal scores" + (", each row sorted up" if sort else ""),
    )


def with_numpy(
    scores: NDArray[np.float32],
    k: int,
    threads: int,
    of_row: Callable[[NDArray[np.float32], int], NDArray[np.int64]],
) -> NDArray[np.float32]:
    """Select row by row, which keeps the row in the cache; rows shared among threads."""
    values = np.empty((len(scores), k), dtype=np.float32)
    ids = np.empty((len(scores), k), dtype=np.int64)

    def part(start: int, stop: int) -> None:
        for query in range(start, stop):
            row = scores[query]
            best = of_row(row, k)
            own = row[best]
            order = np.argsort(-own)[:k]
            ids[query], values[query] = best[order], own[order]

    over_rows(len(scores), threads, part)
    return values


def by_ids(row: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Partition the ids."""
    best: NDArray[np.int64] = np.argpartition(row, len(row) - k)[len(row) - k :]
    return best


def by_values(row: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Partition the values for a threshold, then find who reaches it."""
    return np.flatnonzero(row >= np.partition(row, len(row) - k)[len(row) - k])


def whole(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Do it with one call for all rows, as most people write it."""
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    values = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-values, axis=1)
    np.take_along_axis(best, order, axis=1)
    return np.take_along_axis(values, order, axis=1)


def torch_contestant(
    scores: NDArray[np.float32], k: int, setting: Setting, same: Callable[[Any], bool], slow: bool
) -> list[Contestant]:
    """Return ``torch.topk``."""
    torch = setting.library("torch")
    if torch is None:
        return []
    rows = len(scores) // 4 if slow else len(scores)
    tensor = torch.from_numpy(scores)[:rows]
    return [Contestant("torch.topk", lambda: tensor.topk(k)[0].numpy(), rows / len(scores), check=same)]


def faiss_contestant(
    scores: NDArray[np.float32], k: int, setting: Setting, same: Callable[[Any], bool], slow: bool
) -> list[Contestant]:
    """Return faiss's heaps, which select from any matrix of scores."""
    faiss = setting.library("faiss")
    if faiss is None:
        return []
    rows = len(scores) // 4 if slow else len(scores)

    def heaps() -> NDArray[np.float32]:
        values = np.empty((rows, k), dtype=np.float32)
        ids = np.empty((rows, k), dtype=np.int64)
        heap = faiss.float_minheap_array_t()
        heap.nh, heap.k = rows, k
        heap.val, heap.ids = faiss.swig_ptr(values), faiss.swig_ptr(ids)
        heap.heapify()
        heap.addn(scores.shape[1], faiss.swig_ptr(scores))
        heap.reorder()
        return values

    return [Contestant("faiss heap", heaps, rows / len(scores), check=same)]


def half(setting: Setting) -> Work:
    """Float16 scores beside float32 ones: counting and selecting."""
    wide = matrix(setting, (10_000, 13_000))
    scores = wide.astype(np.float16)
    golds = np.random.default_rng(1).integers(0, scores.shape[1], len(scores)).astype(np.int64)
    csr = (np.arange(len(scores) + 1, dtype=np.int64), golds)
    threads = setting.threads
    torch = setting.library("torch")
    contestants = [
        Contestant("hybrid_fast ranks, f16", lambda: hf.ranks(scores, csr, threads=threads), role="ours"),
        Contestant("hybrid_fast ranks, f32", lambda: hf.ranks(wide, csr, threads=threads), role="part"),
        Contestant("hybrid_fast top-100, f16", lambda: hf.topk(scores, 100, threads=threads), role="part"),
        Contestant("hybrid_fast top-100, f32", lambda: hf.topk(wide, 100, threads=threads), role="part"),
    ]
    if torch is not None:
        rows = len(scores) // 10
        tensor = torch.from_numpy(scores)[:rows]
        contestants.append(Contestant("torch.topk, f16", lambda: tensor.topk(100), rows / len(scores)))
        some = torch.from_numpy(scores)[:rows]
        own = some.gather(1, torch.from_numpy(golds)[:rows, None])
        contestants.append(Contestant("torch count, f16", lambda: (some > own).sum(1), rows / len(scores)))
    return Work(
        f"float16 scores, {len(scores):,} × {scores.shape[1]:,}: ranks of 1 positive, top-100",
        scores.size,
        "G scores/s",
        contestants,
        (Aim(1.0, ("hybrid_fast ranks, f32",)),),
        "normal scores; positives anywhere",
    )
