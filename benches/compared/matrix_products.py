"""Matrix products alone: what every search in float32 must at least do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from compared.work import Contestant, Setting

BLOCK = 1 << 22
"""Scores made at a time: 16 MiB, written over and over."""


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cut the rows so that a block of scores stays near the processor."""
    height = max(1, BLOCK // columns)
    return (slice(start, min(start + height, rows)) for start in range(0, rows, height))


def products(q: NDArray[np.float32], p: NDArray[np.float32], setting: Setting) -> list[Contestant]:
    """Return the products of NumPy and torch, each in its faster way of two."""
    return [*numpy_products(q, p), *torch_products(q, p, setting)]


def numpy_products(q: NDArray[np.float32], p: NDArray[np.float32]) -> list[Contestant]:
    """Return NumPy's product into memory that is there already, whole and in blocks."""
    memory = np.empty((len(q), len(p)), dtype=np.float32)

    def by_queries() -> None:
        for some in blocks(len(q), len(p)):
            np.matmul(q[some], p.T, out=memory[: some.stop - some.start])

    def by_passages() -> None:
        flat = memory.reshape(-1)
        for some in blocks(len(p), len(q)):
            out = flat[: (some.stop - some.start) * len(q)].reshape(len(q), -1)
            np.matmul(q, p[some].T, out=out)

    ways: dict[str, Callable[[], object]] = {
        "NumPy matrix product alone": lambda: np.matmul(q, p.T, out=memory),
        "NumPy matrix product alone, blocks of queries": by_queries,
        "NumPy matrix product alone, blocks of passages": by_passages,
    }
    return [Contestant(who, call, role="part") for who, call in ways.items()]


def torch_products(q: NDArray[np.float32], p: NDArray[np.float32], setting: Setting) -> list[Contestant]:
    """Return torch's, likewise."""
    torch = setting.library("torch")
    if torch is None:
        return []
    queries, passages = torch.from_numpy(q), torch.from_numpy(p)
    memory = torch.empty((len(q), len(p)))

    def by_queries() -> None:
        for some in blocks(len(q), len(p)):
            torch.mm(queries[some], passages.T, out=memory[: some.stop - some.start])

    def by_passages() -> None:
        flat = memory.view(-1)
        for some in blocks(len(p), len(q)):
            out = flat[: (some.stop - some.start) * len(q)].view(len(q), -1)
            torch.mm(queries, passages[some].T, out=out)

    ways: dict[str, Callable[[], object]] = {
        "torch matrix product alone": lambda: torch.mm(queries, passages.T, out=memory),
        "torch matrix product alone, blocks of queries": by_queries,
        "torch matrix product alone, blocks of passages": by_passages,
    }
    return [Contestant(who, call, role="part") for who, call in ways.items()]
