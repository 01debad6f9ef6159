"""How far apart a query's golds rank in one pool, where that can be said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..measures import measure
from ..ranking import Ranks


def rank_distance(indptr: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return worst − best rank of each query's golds; NaN for a query with fewer than two.

    Source: arXiv 2408.10536, section 4. With n golds the floor is n − 1; with one gold there is no
    distance, and counting it as 0 would make a corpus look less biased than it is.

    Args:
        indptr: int64 [queries + 1], compressed sparse rows.
        ranks: int64 rank of each gold, in one pool of all languages.
    """
    found = measure(Ranks(indptr, ranks), ["rank_distance"]).per_query["rank_distance"]
    return np.where(np.diff(indptr) > 1, found, np.nan)


def max_at_r(indptr: NDArray[np.int64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the worst rank of each query's golds; NaN for a query without golds.

    Source: arXiv 2604.05684. With n golds the floor is n.

    Args:
        indptr: int64 [queries + 1], compressed sparse rows.
        ranks: int64 rank of each gold, in one pool of all languages.
    """
    found = measure(Ranks(indptr, ranks), ["Max@R"]).per_query["Max@R"]
    return np.where(np.diff(indptr) > 0, found, np.nan)
