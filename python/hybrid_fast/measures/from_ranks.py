"""Measures of ranks, as a search or :func:`hybrid_fast.ranks` gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import is_missing, whole_numbers
from ..errors import InvalidArgument, InvalidShape
from ..measure_names import MeasureNames, measures_of_ranks
from ..ranking import PoolRanks, Ranks
from .judged import JudgedLists
from .results import Measures, gathered
from .values import values


def measure(ranks: Ranks | PoolRanks, names: MeasureNames, *, grades: Any = None) -> Measures:
    """Return ranking measures of each query and their means, from the ranks of its positives.

    ======================  =====================================================================
    ``AP``, ``AP@k``        mean over all positives of the precision at each one's rank (within k)
    ``RR``, ``RR@k``        1 / rank of the first positive, 0 when it is beyond k
    ``nDCG``, ``nDCG@k``    Σ grade / log₂(1 + rank) over that of the ideal order; linear gain
    ``R@k``, ``P@k``        positives within k, divided by all positives, by k
    ``Success@k``           1 when a positive is within k
    ``rank_distance``       worst minus best rank of the positives (arXiv 2408.10536)
    ``Max@R``               worst rank, the depth that collects every positive (arXiv 2604.05684)
    ======================  =====================================================================

    Also ``Rprec``, ``IPrec@recall``, ``ERR``, ``RBP(rel=1)``, ``SetR``, ``NumRel``, ``NumRelRet``, ``NumQ``,
    and with documents of grade 0 among the positives ``Bpref`` and ``infAP``; docs/measures.md has them
    all, their parameters (``P(rel=2)@5``, ``nDCG(dcg='exp-log2')@10``) and their other names. ``Judged``,
    ``SetP``, ``SetF``, ``SetAP`` and ``NumRet`` need the length of each ranked list: :func:`measure_run`.

    A query without positives scores 0 in every measure and counts in the mean.

    Args:
        ranks: from :func:`hybrid_fast.ranks` or a search; of one pool.
        names: measures, as above or as objects of ir_measures.
        grades: whole numbers aligned with the positives; 0 or less is judged irrelevant. Default: 1.

    Raises:
        InvalidArgument: an unknown name (the nearest and the known ones are named), or ranks of several
            pools mixed.
        InvalidShape: not one grade a positive.
        TypeError: grades that are not whole numbers.

    Example:
        >>> measure(Ranks(np.array([0, 2]), np.array([1, 4])), ["AP", "RR"]).mean
        {'AP': 0.75, 'RR': 1.0}
    """
    wanted = measures_of_ranks(names)
    if isinstance(ranks, PoolRanks):
        if len(ranks.labels) > 1:
            raise InvalidArgument(
                f"these are ranks in {len(ranks.labels)} pools; choose one with pool_ranks.select(label)"
            )
        ranks = Ranks(ranks.indptr, ranks.values)
    if not isinstance(ranks, Ranks):
        raise TypeError(f"ranks is {type(ranks).__name__}, expected Ranks")
    given = None if grades is None else whole_grades(grades)
    if given is not None and len(given) != len(ranks.values):
        raise InvalidShape(f"there are {len(given)} grades for {len(ranks.values)} ranks")
    shared = "mean" if ranks.values.dtype.kind == "f" else "worst"
    lists = JudgedLists(ranks.indptr, ranks.values.astype(np.float64), given, shared=shared)
    return gathered(wanted, values(wanted, lists), None)


def whole_grades(grades: Any) -> NDArray[np.int64]:
    """Return grades as int64; decimal numbers that are whole are taken.

    Raises:
        TypeError: grades that are not whole numbers.
        InvalidArgument: a grade that is missing, with its place, or beyond int64.
        InvalidShape: not one dimension.
    """
    array = np.asarray(grades.tolist() if hasattr(grades, "tolist") else grades)
    if array.ndim == 1 and array.dtype.kind in "fO":
        for place, value in enumerate(array.tolist()):
            if is_missing(value):
                raise InvalidArgument(f"grades lack a value at place {place} ({value!r})")
    if array.ndim == 1 and array.size and array.dtype.kind == "f":
        array = array.astype(np.float64)
        if np.any(np.abs(array) >= 2.0**63):
            raise InvalidArgument(f"grades hold {np.abs(array).max():g}, which is beyond int64")
        broken = array != np.rint(array)
        if broken.any():
            place = int(broken.argmax())
            raise TypeError(
                f"grades are {array.dtype}, expected whole numbers (place {place} has {array[place]})"
            )
        array = array.astype(np.int64)
    return whole_numbers(array if array.size else grades, "grades")
