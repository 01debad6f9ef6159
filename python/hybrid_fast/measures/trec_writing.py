"""Runs written in the TREC format, for trec_eval and ir_measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..quoting import quoted

TAG = "hybrid_fast"


def write_ranked(
    path: Path,
    query_ids: Sequence[str] | None,
    passage_ids: Sequence[str] | None,
    ids: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> None:
    """Write ``query Q0 passage rank score tag`` lines; ranks count from 1.

    Scores are written in full (nine digits), so that a reader sorts as we did, ties apart: trec_eval
    orders equal scores by descending passage id, this package by ascending row. Rows without ids are called
    by their numbers.

    Raises:
        InvalidArgument: an id that is empty or holds a space.
    """
    queries = range(len(ids)) if query_ids is None else [word(name) for name in query_ids]
    with path.open("w", encoding="utf-8") as file:
        for query, (row, values) in enumerate(zip(ids, scores, strict=True)):
            for rank, (passage, score) in enumerate(zip(row, values, strict=True), start=1):
                name = passage if passage_ids is None else word(passage_ids[passage])
                file.write(f"{queries[query]} Q0 {name} {rank} {score:.9g} {TAG}\n")


def word(name: str) -> str:
    """Return an id that the TREC format can express.

    Raises:
        InvalidArgument: it is empty or holds a space.
    """
    if not name or any(character.isspace() for character in name):
        raise InvalidArgument(
            f"the id {quoted(name)} is empty or holds a space, which the TREC format cannot express"
        )
    return name
