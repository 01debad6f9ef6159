"""Texts that are a question in one group and a passage in another: what identities of one side cannot say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus
from .folding import folded
from .identities import Identities
from .joining import normalise_text

Int64s = NDArray[np.int64]


def texts_in_both_roles(corpus: Corpus, found: Identities) -> tuple[Int64s, Int64s] | None:
    """Return for each cell the texts it brings that are questions and passages of several groups.

    A question and a passage are compared by the loosest rule of the identities. What holds for a text
    holds for its identity: a question brings the texts of its translations, a passage likewise.

    Args:
        corpus: the corpus.
        found: the identities of its cells.

    Returns:
        (indptr, ids) as :meth:`hybrid_fast.PairIndex.from_columns` takes them; None where there is no
        such text.
    """
    cells = corpus.cells
    asked, answered = np.flatnonzero(cells.query >= 0), np.flatnonzero(cells.passage >= 0)
    compared = _compared(found)
    numbers: dict[str, int] = {}
    query_rows, query_place = np.unique(cells.query[asked], return_inverse=True)
    of_query = np.fromiter(
        (
            numbers.setdefault(compared(corpus.queries.texts[row]), len(numbers))
            for row in query_rows.tolist()
        ),
        np.int64,
        len(query_rows),
    )
    passage_rows, passage_place = np.unique(cells.passage[answered], return_inverse=True)
    of_passage = np.fromiter(
        (numbers.get(compared(corpus.passages.texts[row]), -1) for row in passage_rows.tolist()),
        np.int64,
        len(passage_rows),
    )
    question, passage = of_query[query_place], of_passage[passage_place]
    both = np.intersect1d(question, passage)
    cell, text = (
        np.concatenate(parts)
        for parts in zip(
            _spread(found.query[asked], asked, question, np.isin(question, both)),
            _spread(found.passage[answered], answered, passage, np.isin(passage, both)),
            strict=True,
        )
    )
    # A question that is the passage of its own group only meets nothing.
    lowest, highest = np.full(len(numbers), np.iinfo(np.int64).max), np.full(len(numbers), -1)
    np.minimum.at(lowest, text, cells.group[cell])
    np.maximum.at(highest, text, cells.group[cell])
    kept = lowest[text] < highest[text]
    if not kept.any():
        return None
    lists = np.unique(np.stack([cell[kept], text[kept]], axis=1), axis=0)
    counts = np.bincount(lists[:, 0], minlength=len(cells))
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]), lists[:, 1]


def _compared(found: Identities) -> Callable[[str], str]:
    if {"normalised", "near-duplicate"} & set(found.rules):
        return folded
    return normalise_text if "given" in found.rules else str


def _spread(identity: Int64s, cell: Int64s, text: Int64s, taken: NDArray[np.bool_]) -> tuple[Int64s, Int64s]:
    """Return cells and texts: every cell of an identity gets the texts that some of its cells hold."""
    of = np.unique(np.stack([identity[taken], text[taken]], axis=1), axis=0)
    first, last = (np.searchsorted(of[:, 0], identity, side=side) for side in ("left", "right"))
    counts = last - first
    place = (
        np.arange(int(counts.sum()))
        - np.repeat(np.cumsum(counts) - counts, counts)
        + np.repeat(first, counts)
    )
    return np.repeat(cell, counts), of[place, 1]
