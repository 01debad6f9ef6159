"""What a sampler returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch, or the batches of a range with one axis more in front.

    Attributes:
        is_mono: whether the batch is monolingual; one value a row when rows are drawn by kind.
        group: int64 [b], group ids as given.
        query: int64 [b], query rows as given.
        passage: int64 [b], passage rows as given.
        query_language: int16 [b], positions in ``index.languages``.
        passage_language: int16 [b], positions in ``index.languages``.
        negatives: int64 [b, n], passage rows of hard negatives, −1 where one is masked; None without.
    """

    is_mono: Any
    group: NDArray[np.int64]
    query: NDArray[np.int64]
    passage: NDArray[np.int64]
    query_language: NDArray[np.int16]
    passage_language: NDArray[np.int16]
    negatives: NDArray[np.int64] | None = None
