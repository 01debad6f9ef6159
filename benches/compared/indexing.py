"""Building the pair index, beside reading its columns once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compared import hundred_millions
from compared.parallel_groups import ParallelGroups, indexed
from compared.planning import groups
from compared.work import Contestant, Setting, Work

Columns = dict[str, NDArray[np.int64]]


def in_order(setting: Setting) -> Work:
    """Build from a million rows whose columns follow rules."""
    return built(ParallelGroups(groups(setting)))


def in_no_order(setting: Setting) -> Work:
    """Build from a million rows in no order, with passage identities."""
    return built(ParallelGroups(groups(setting), shared=4, shuffled=True))


def of_hundred_millions(setting: Setting) -> Work:
    """Build from 100 million rows whose columns follow rules."""
    return built(ParallelGroups(hundred_millions.groups(setting)))


def built(corpus: ParallelGroups) -> Work:
    """Build an index from int64 columns, one value a cell."""
    columns = corpus.columns()
    # A column given twice is read twice, as any user's two columns would be.
    amount = sum(column.nbytes for column in columns.values())
    index = indexed(columns)
    return Work(
        f"pair index of {corpus.rows:,} rows from {len(columns)} columns",
        amount,
        "GB/s",
        [
            Contestant("hybrid_fast", lambda: indexed(columns), role="ours"),
            Contestant("read: NumPy max", reading(columns, np.max), role="read"),
            Contestant("read: NumPy sum", reading(columns, np.sum), role="read"),
        ],
        data=f"{corpus.describe()}; index of {index.bytes / 1e6:.3g} MB; the read takes every column once",
    )


def reading(columns: Columns, way: Callable[[NDArray[np.int64]], object]) -> Callable[[], object]:
    """Go over every column once."""
    return lambda: [way(column) for column in columns.values()]
