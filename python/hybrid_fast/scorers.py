"""What computes scores: the compiled core, or a device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import score_positives as core_score_positives
from ._core import search as core_search
from .arrays import Matrix, embeddings
from .errors import InvalidArgument
from .progress import Progress
from .shards import Found, Scorer, Targets

PRECISIONS = ("auto", "f32")


@dataclass(frozen=True)
class CoreScorer:
    """Scores from the compiled core."""

    threads: int | None
    precision: str = "auto"
    name: str = "cpu"

    def matrix(self, value: Matrix, name: str) -> NDArray[Any]:
        """Return checked embeddings, in place."""
        return embeddings(value, name)

    def score_positives(
        self,
        queries: NDArray[Any],
        passages: NDArray[Any],
        indptr: NDArray[np.int64],
        ids: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Return the score of each positive; ids are rows of ``passages``."""
        return core_score_positives(queries, passages, indptr, ids, self.threads)

    def search(
        self,
        queries: NDArray[Any],
        passages: NDArray[Any],
        k: int,
        first_id: int,
        corpus: int,
        pools: NDArray[np.uint32] | None,
        targets: Targets | None,
        progress: Progress | None,
    ) -> Found:
        """Return the best ``k`` of these passages and the counts of the targets among them."""
        indptr, ids, scores, own = targets or (None, None, None, None)
        labels = None if targets is None else pools
        return core_search(
            queries,
            passages,
            k,
            first_id,
            corpus,
            labels,
            indptr,
            ids,
            scores,
            own,
            self.threads,
            progress,
            self.precision,
        )


def scorer_for(device: str, precision: str, threads: int | None) -> Scorer:
    """Return what computes scores on a device.

    Raises:
        InvalidArgument: an unknown precision or device.
        NotSupported: a CUDA device that is not there.
        ImportError: a CUDA device without torch.
    """
    if precision not in PRECISIONS:
        known = ", ".join(map(repr, PRECISIONS))
        raise InvalidArgument(f"precision is {precision!r}, expected one of {known}")
    name = str(device)
    if name == "cpu":
        return CoreScorer(threads, precision)
    if not re.fullmatch(r"cuda(:\d+)?", name, re.ASCII):
        raise InvalidArgument(f"device is {name!r}, expected 'cpu', 'cuda' or 'cuda:<number>'")
    try:
        from .device import DeviceScorer, cuda_device
    except ImportError:
        message = f"device={name!r} needs torch; pip install 'hybrid_fast[train]' brings it"
        raise ImportError(message) from None
    return DeviceScorer(cuda_device(name))
