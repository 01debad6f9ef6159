"""Scores of a block of queries against a block of passages, in one arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def plain_float32() -> Iterator[None]:
    """Multiply in float32 whatever the process has set: no TensorFloat-32; put back after."""
    matmul = torch.backends.cuda.matmul
    # torch 2.9 replaced the switch, and reading the old one after the new one was used is an error there.
    switch, plain = ("fp32_precision", "ieee") if hasattr(matmul, "fp32_precision") else ("allow_tf32", False)
    before = getattr(matmul, switch)
    setattr(matmul, switch, plain)
    try:
        with torch.inference_mode():
            yield
    finally:
        setattr(matmul, switch, before)


class Tiles:
    """Buffers for one tile, whose shape never changes.

    Smaller blocks leave rows of earlier ones behind them, which are not looked at: with one shape there is
    one kernel, so that a pair's score does not hang on the block it is computed in.
    """

    def __init__(self, device: torch.device, queries: int, passages: int, dimensions: int) -> None:
        self.queries = torch.zeros((queries, dimensions), dtype=torch.float32, device=device)
        self.passages = torch.zeros((passages, dimensions), dtype=torch.float32, device=device)
        self.scores = torch.empty((queries, passages), dtype=torch.float32, device=device)

    def score(self, queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
        """Return scores [queries, passages], overwritten by the next call."""
        self.queries[: len(queries)] = queries
        self.passages[: len(passages)] = passages
        # Autocast leaves a product alone that is written to given memory.
        torch.mm(self.queries, self.passages.T, out=self.scores)
        # −0 becomes +0, for selection on a device tells them apart.
        return self.scores[: len(queries), : len(passages)].add_(0.0)
