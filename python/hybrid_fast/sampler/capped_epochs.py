"""Weights that are as even as a cap on the repetitions of a language lets them be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument


@dataclass(frozen=True)
class CappedEpochs:
    """As even over languages as a budget of rows allows without going through one too often.

    UniMax (Chung et al. 2023, arXiv 2304.09151, algorithm 1): from the smallest language to the
    largest, each gets an equal part of the rows that are left, but at most ``epochs`` times its own.
    The weights are in proportion to those rows. The size of a language is its number of monolingual
    pairs (without any: of its queries or, if greater, of its largest language pair). A cross-lingual
    language pair gets the product of its two weights, as always: the cap holds for the rows of
    monolingual batches, and the exposure ledger shows the others.

    Attributes:
        epochs: the most times that a language is gone through, above 0. A budget above
            ``epochs`` × all rows cannot keep it: the weights are then in proportion to size.
        rows: the budget, rows of the whole training; default: those of one epoch of the sampler.
    """

    epochs: float = 4.0
    rows: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epochs) and self.epochs > 0):
            raise InvalidArgument(
                f"the cap of CappedEpochs is {self.epochs} epochs, expected a number above 0"
            )
        if self.rows is not None and self.rows < 1:
            raise InvalidArgument(f"the budget of CappedEpochs is {self.rows} rows, expected 1 or more")


def capped_rows(sizes: Sequence[int], budget: int, epochs: float) -> NDArray[np.float64]:
    """Return the rows that each language gets of a budget; 0 for a language of size 0."""
    rows = np.zeros(len(sizes))
    present = sorted((size, number) for number, size in enumerate(sizes) if size > 0)
    left = float(budget)
    for visited, (size, number) in enumerate(present):
        rows[number] = min(left / (len(present) - visited), epochs * size)
        left -= rows[number]
    return rows
