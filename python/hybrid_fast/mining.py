"""Hard negatives from a search: passages that an encoder ranks high for a query and that do not answer it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus, HardNegatives, Identities, corpus_identities, row_identities
from .corpus.answers import Answers, answers_of_groups
from .errors import InvalidArgument, InvalidShape
from .searching import SearchResult

_QUERIES_AT_ONCE = 4096


def mine_negatives(
    result: SearchResult,
    corpus: Corpus,
    *,
    identities: str | Sequence[str] | Identities = "given",
    most: int = 30,
    skip_top: int = 0,
    margin: float | None = None,
    same_language: bool = False,
) -> HardNegatives:
    """Choose hard negatives among the best passages that a search found for each query.

    Never chosen: a passage judged relevant to the query (a grade above 0), one whose identity is that
    of such a passage or of a passage in a group that asks the same question, and one whose identity is
    already in the list. Of what is left, in the order of the search, ``skip_top`` passages are passed
    over, for the best ones are often answers that nobody has judged (Qu et al. 2021, RocketQA).

    Args:
        result: ``hf.search`` of all the corpus's queries over all its passages, both in the order of
            their rows; ``k`` well above ``skip_top + most``.
        corpus: the corpus.
        identities: the rules that the index is made with, or identities found by them.
        most: longest list.
        skip_top: passages passed over at the start of each list.
        margin: keep passages that score at least so much less than the query's best positive. A query
            none of whose positives was found gets an empty list: all that was found scores higher.
        same_language: keep passages in the language of the query.

    Returns:
        Lists for all query rows, with the identities and languages of their passages.

    Raises:
        InvalidShape: a search over other queries than the corpus's.
        InvalidArgument: a number out of range, or passages that the corpus does not have.
    """
    if len(result.ids) != len(corpus.queries):
        raise InvalidShape(
            f"the search has {len(result.ids)} queries and {corpus.name} has {len(corpus.queries)}; "
            "search all of them, in the order of their rows"
        )
    if result.ids.max(initial=-1) >= len(corpus.passages):
        raise InvalidArgument(
            f"the search found passage {result.ids.max()}, which {corpus.name} does not have"
        )
    if most < 1 or skip_top < 0 or (margin is not None and not margin >= 0):
        raise InvalidArgument(
            f"most is {most}, skip_top {skip_top}, margin {margin}; expected 1 or more, 0 or more, 0 or more"
        )
    found = corpus_identities(corpus, identities)
    rows = np.unique(np.concatenate([result.ids.ravel(), corpus.qrels.passages]))
    identity = np.full(len(corpus.passages), -1, np.int64)
    identity[rows] = row_identities(corpus, rows, found)
    question = _questions(corpus, found)
    answers = _answers(corpus, found, question, identity)
    counts, passages = [], []
    for start in range(0, len(result.ids), _QUERIES_AT_ONCE):
        ids = result.ids[start : start + _QUERIES_AT_ONCE]
        query = np.arange(start, start + len(ids))[:, None]
        positive = answers.hold(question[query], identity[ids])
        keep = ~positive & (identity[ids] >= 0)
        if same_language:
            keep &= corpus.passages.languages[ids] == corpus.queries.languages[query]
        keep &= _first(np.where(keep, identity[ids], -1))
        keep &= np.cumsum(keep, axis=1) > skip_top
        if margin is not None:
            scores = result.scores[start : start + len(ids)]
            best = np.where(positive, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
            keep &= scores <= best - margin
        keep &= np.cumsum(keep, axis=1) <= most
        counts.append(keep.sum(axis=1))
        passages.append(ids[keep])
    chosen = np.concatenate([np.zeros(0, np.int64), *passages])
    return HardNegatives(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.zeros(0, np.int64), *counts]))]),
        chosen,
        identity[chosen],
        corpus.passages.languages[chosen],
    )


def _questions(corpus: Corpus, found: Identities) -> NDArray[np.int64]:
    """Return the question of each query row; a query in no cell is one of its own."""
    question = int(found.query.max(initial=-1)) + 1 + np.arange(len(corpus.queries))
    asked = corpus.cells.query >= 0
    question[corpus.cells.query[asked]] = found.query[asked]
    return question


def _answers(
    corpus: Corpus, found: Identities, question: NDArray[np.int64], identity: NDArray[np.int64]
) -> Answers:
    """Return what is judged relevant, and what groups that ask the same question hold."""
    cells, qrels = corpus.cells, corpus.qrels
    asked, held = cells.query >= 0, cells.passage >= 0
    grouped = answers_of_groups(
        cells.group[asked], found.query[asked], cells.group[held], found.passage[held]
    )
    judging = np.repeat(np.arange(len(corpus.queries)), np.diff(qrels.indptr))
    relevant = (qrels.grades > 0) & (identity[qrels.passages] >= 0)
    return Answers(
        np.concatenate([question[judging[relevant]], grouped[0]]),
        np.concatenate([identity[qrels.passages[relevant]], grouped[1]]),
    )


def _first(identity: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which entries of each row are the first of their identity."""
    order = np.argsort(identity, axis=1, kind="stable")
    ordered = np.take_along_axis(identity, order, axis=1)
    new = np.ones(identity.shape, bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=1)
    return first
