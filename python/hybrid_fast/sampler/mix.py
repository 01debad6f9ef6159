"""The mix of kinds over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Mix:
    """How many batches were monolingual, and how many were asked for, at marks along a run.

    Attributes:
        at: int64 [m], batches (rows, when rows are drawn by kind) up to each mark, from 0.
        monolingual: int64 [m], monolingual ones among them.
        asked: float64 [m], the sum of α over them.
    """

    at: NDArray[np.int64]
    monolingual: NDArray[np.int64]
    asked: NDArray[np.float64]

    def shares(self, windows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the monolingual share and the one asked for in at most ``windows`` stretches of the run."""
        stretches = min(windows, len(self.at) - 1)
        marks = np.arange(stretches + 1) * (len(self.at) - 1) // stretches
        length = np.diff(self.at[marks])
        return np.diff(self.monolingual[marks]) / length, np.diff(self.asked[marks]) / length
