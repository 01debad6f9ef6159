"""The best passages of each query of a tile, in the total order: score down, column up."""

from __future__ import annotations

import torch

_TIED_ROWS = 256


def best_columns(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the values and columns of the ``k`` best of each row; ties by smaller column, exactly."""
    if k >= scores.shape[1]:
        values, columns = scores.sort(dim=1, descending=True, stable=True)
        return values, columns
    # One more than asked: a tie across the edge shows itself, anywhere else the choice is forced.
    values, columns = scores.topk(k + 1, dim=1)
    last = values[:, k - 1 : k]
    tied = (last == values[:, k:]).squeeze(1).nonzero().squeeze(1)
    columns = columns[:, :k].contiguous()
    for rows in torch.split(tied, _TIED_ROWS):
        columns[rows] = _first_of_equals(scores[rows], last[rows], k)
    columns = columns.sort(dim=1).values
    values, order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, order)


def _first_of_equals(scores: torch.Tensor, last: torch.Tensor, k: int) -> torch.Tensor:
    """Return the columns above ``last`` and, to make up ``k``, the first ones equal to it."""
    count = scores.shape[1]
    early = torch.arange(count, 0, -1, dtype=torch.int32, device=scores.device)
    key = torch.where(scores > last, early + count, torch.where(scores == last, early, 0))
    return key.topk(k, dim=1, sorted=False).indices


def joined(
    values: torch.Tensor, ids: torch.Tensor, more_values: torch.Tensor, more_ids: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Join two lists a query, each in the total order, the second with greater ids throughout."""
    both = torch.cat([values, more_values], dim=1)
    values, order = both.sort(dim=1, descending=True, stable=True)
    return values[:, :k], torch.cat([ids, more_ids], dim=1).gather(1, order[:, :k])
