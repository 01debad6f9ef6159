"""What measuring returns: values of every query and their means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..measure_names import KINDS, MeasureName

T = TypeVar("T")


class ByMeasure(dict[str, T]):
    """Values by name of measure; a measure object of ir_measures finds its own."""

    def __missing__(self, key: object) -> T:
        """Look a measure object up under its name."""
        if not isinstance(key, str) and str(key) in self:
            return self[str(key)]
        raise KeyError(key)


@dataclass(frozen=True, eq=False)
class Measures:
    """Measures of a set of queries.

    Attributes:
        per_query: float64 values by name of measure, one a query.
        mean: their means over all queries, those without positives included; NaN without queries.
            Counts (NumRet, NumRel, NumRelRet, NumQ) are summed, as trec_eval and ir_measures do.
        query_ids: the queries that the values belong to, where they have names.
    """

    per_query: dict[str, NDArray[np.float64]]
    mean: dict[str, float]
    query_ids: tuple[str, ...] | None = None


def gathered(
    names: Sequence[MeasureName], columns: Sequence[NDArray[Any]], query_ids: tuple[str, ...] | None
) -> Measures:
    """Return columns of values with their means."""
    per_query: ByMeasure[NDArray[np.float64]] = ByMeasure()
    mean: ByMeasure[float] = ByMeasure()
    for name, column in zip(names, columns, strict=True):
        per_query[name.text] = column
        if KINDS[name.kind].counts:
            mean[name.text] = float(column.sum())
        else:
            mean[name.text] = float(column.mean()) if len(column) else math.nan
    return Measures(per_query, mean, query_ids)
