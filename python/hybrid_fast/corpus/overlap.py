"""What training and evaluation data have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus, Rows
from .joining import normalise_text


def overlap(
    corpus: Corpus,
    evaluation: Corpus,
    *,
    query_rows: Sequence[int] | NDArray[np.integer] | None = None,
    passage_rows: Sequence[int] | NDArray[np.integer] | None = None,
) -> dict[str, int]:
    """Count the documents, queries and passages of a corpus that are also in an evaluation set.

    Texts are compared in any language after :func:`~hybrid_fast.corpus.joining.normalise_text` (Unicode
    NFKC, case folded, blanks collapsed); documents by their names, "_" read as a blank.

    Args:
        corpus: the training data.
        evaluation: the evaluation set.
        query_rows: rows of ``corpus.queries`` to look at, for instance those drawn; default: all.
        passage_rows: rows of ``corpus.passages`` to look at; default: all.

    Returns:
        ``{"documents": distinct names in common, "queries": rows of the corpus whose text is that of an
        evaluation query, "passages": rows likewise}``.
    """
    asked = _chosen(len(corpus.queries), query_rows)
    held = _chosen(len(corpus.passages), passage_rows)
    documents = _documents(corpus.queries, asked) | _documents(corpus.passages, held)
    evaluated = _documents(evaluation.queries, None) | _documents(evaluation.passages, None)
    return {
        "documents": len(documents & evaluated),
        "queries": _equal(corpus.queries, asked, evaluation.queries),
        "passages": _equal(corpus.passages, held, evaluation.passages),
    }


def _chosen(count: int, rows: Sequence[int] | NDArray[np.integer] | None) -> list[int] | None:
    if rows is None:
        return None
    distinct = np.unique(np.asarray(rows))
    distinct = distinct[distinct >= 0]
    if len(distinct) and distinct[-1] >= count:
        raise IndexError(f"row {distinct[-1]} of a corpus with {count} rows")
    return [int(row) for row in distinct]


def _documents(rows: Rows, chosen: list[int] | None) -> set[str]:
    names = rows.documents if chosen is None else (rows.documents[row] for row in chosen)
    return {normalise_text(name.replace("_", " ")) for name in set(names)} - {""}


def _equal(rows: Rows, chosen: list[int] | None, evaluation: Rows) -> int:
    texts: Iterable[str] = rows.texts if chosen is None else (rows.texts[row] for row in chosen)
    known = {normalise_text(text) for text in evaluation.texts}
    return sum(normalise_text(text) in known for text in texts)
