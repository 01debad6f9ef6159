"""A global batch's embeddings on every process that holds a slice of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed
from torch.nn import functional as F


def processes() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gathered(embeddings: torch.Tensor) -> torch.Tensor:
    """Return the rows of all processes in the order of their ranks, with gradients to each of them.

    Every process then computes the loss of the whole global batch. Its gradient reaches a row once
    from each process, and data-parallel training averages over the processes: together that is the
    gradient of one process with the whole batch.

    Args:
        embeddings: float tensor [own rows, d]; processes may have different numbers of rows, and none.
    """
    counts = torch.zeros(processes(), dtype=torch.int64, device=embeddings.device)
    counts[distributed.get_rank()] = len(embeddings)
    distributed.all_reduce(counts)
    sizes = counts.tolist()
    padded = F.pad(embeddings, (0, 0, 0, max(sizes) - len(embeddings)))
    if not padded.requires_grad and torch.is_grad_enabled():
        # Going back is a joint step of all processes, also of one without rows.
        padded.requires_grad_()
    rows: torch.Tensor = _Gather.apply(padded)
    return torch.cat([part[:size] for part, size in zip(rows.chunk(len(sizes)), sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """Rows of equal number from every process; back, the sum of all gradients to one's own."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(processes())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.chunk(processes())[distributed.get_rank()]
