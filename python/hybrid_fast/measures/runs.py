"""Measures of TREC-style runs against judgements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from ..measure_names import KNOWN, MeasureName, MeasureNames, measure_names
from ..quoting import quoted
from ..ranking import Ties
from .ids import by_number
from .judged import JudgedLists
from .results import Measures, gathered
from .tables import Judgements, Run, filled, table_of
from .values import values

AveragedOver = Literal["qrels", "run"]


def measure_run(
    run: Run,
    qrels: Judgements,
    names: MeasureNames,
    *,
    ties: Ties = "trec_eval",
    queries: AveragedOver = "qrels",
    ignore_identical_ids: bool = False,
) -> Measures:
    """Return ranking measures of a TREC-style run, as ``ir_measures`` with ``trec_eval`` gives them.

    The queries are those of ``qrels``, in their order: one missing from the run scores 0, one of the run
    that was never judged is left out. Documents that were not judged are irrelevant. Ids are text: numbers
    are turned into it on both sides, so that 1, 1.0 and "1" are one id. Scores that are equal as float32
    are equal, as in trec_eval.

    Args:
        run: {query: {document: score}}; a data frame of pandas, polars or pyarrow or an iterable of records,
            with query_id (qid, q_id), doc_id (docno) and score; or a file, by its path or open: the TREC
            format (``query Q0 document rank score tag``), MS MARCO's (query, document and rank), ranx's JSON
            and Parquet, plain or compressed by gzip, bzip2 or xz.
        qrels: {query: {document: grade}} or {query: set of documents}, or as for ``run`` with relevance
            instead of score; the TREC format is ``query 0 document grade``.
        names: as for :func:`measure`, also those that need the length of each list (``Judged@10``, ``SetP``,
            ``NumRet``); ``rank_distance`` and ``Max@R`` need every relevant document in the run.
        ties: where documents of equal score stand: ``"trec_eval"`` by id from last to first, ``"id"`` from
            first to last, with the digits in ids read as numbers (as :func:`hybrid_fast.search` ranks rows
            that are numbered so), ``"worst"`` each after all of them, ``"mean"`` each at their mean place.
        queries: whose mean is taken: ``"qrels"`` all judged queries (``trec_eval -c``), ``"run"`` those of
            them that the run has.
        ignore_identical_ids: leave out of the run a document whose id is its query's, as BEIR and mteb do.

    Raises:
        CorpusError: a malformed file, with the line; FileNotFoundError: no such file.
        NotANumber: a score that is NaN.
        InvalidArgument: an unknown measure or option; an empty run or qrels, no query in common, an id twice.
        TypeError: an id, score or grade of another type.

    Example:
        >>> measure_run({"q": {"a": 2.0, "b": 1.0}}, {"q": {"b": 1}}, ["RR"]).mean
        {'RR': 0.5}
    """
    wanted = measure_names(names)
    if not wanted:
        raise InvalidArgument(f"no measures are named; known are {KNOWN}")
    _check_option("ties", ties, get_args(Ties))
    _check_option("queries", queries, get_args(AveragedOver))
    retrieved, judged = table_of(run, "run"), table_of(qrels, "qrels")
    filled(retrieved, run, "run")
    filled(judged, qrels, "qrels")
    if not judged.keys() & retrieved.keys():
        raise InvalidArgument(
            f"no query of the run is in the qrels: the run has {_some(retrieved)}, "
            f"the qrels have {_some(judged)}"
        )
    if queries == "run":
        judged = {query: grades for query, grades in judged.items() if query in retrieved}
    if ignore_identical_ids:
        retrieved = {
            query: {document: score for document, score in scores.items() if document != query}
            for query, scores in retrieved.items()
            if query in judged
        }
    lists = _lists(judged, retrieved, ties)
    _check_all_ranked(wanted, lists)
    columns = values(wanted, lists)
    missing = np.array([query not in retrieved for query in judged], dtype=bool)
    if missing.any():
        columns = [np.where(missing, 0.0, column) for column in columns]
    return gathered(wanted, columns, tuple(judged))


def _lists(
    judged: Mapping[str, Mapping[str, int]], retrieved: Mapping[str, Mapping[str, float]], ties: Ties
) -> JudgedLists:
    """Return where the judged documents of each query rank in the run."""
    ranks: list[float] = []
    grades: list[int] = []
    indptr = [0]
    lengths = []
    for query, relevances in judged.items():
        scores = retrieved.get(query, {})
        ranks += _places(scores, list(relevances), ties)
        grades += relevances.values()
        indptr.append(len(ranks))
        lengths.append(len(scores))
    return JudgedLists(
        np.array(indptr, dtype=np.int64),
        np.array(ranks, dtype=np.float64),
        np.array(grades, dtype=np.int64),
        np.array(lengths, dtype=np.int64),
        "mean" if ties == "mean" else "worst",
    )


def _places(scores: Mapping[str, float], documents: list[str], ties: Ties) -> list[float]:
    """Return the place from 1 of each document among those with a score; infinity where it has none."""
    present = [document for document in documents if document in scores]
    if not present:
        return [math.inf] * len(documents)
    names = list(scores)
    with np.errstate(over="ignore"):
        single = np.fromiter(scores.values(), dtype=np.float64, count=len(names)).astype(np.float32)
    place_of = dict(zip(names, range(len(names)), strict=True))
    own = single[[place_of[document] for document in present]]
    ascending = np.sort(single)
    better = len(names) - np.searchsorted(ascending, own, side="right")
    level = np.searchsorted(ascending, own, side="right") - np.searchsorted(ascending, own, side="left")
    if ties == "worst":
        found: NDArray[Any] = (better + level).astype(np.float64)
    elif ties == "mean":
        found = better + (level + 1) / 2
    else:
        found = better + 1.0
        for score in np.unique(own[level > 1]):
            group = [names[place] for place in np.flatnonzero(single == score)]
            # Python orders text by code point, which is the byte order of UTF-8 that trec_eval sorts by.
            group.sort(key=by_number if ties == "id" else None, reverse=ties == "trec_eval")
            behind = {name: place for place, name in enumerate(group)}
            for place in np.flatnonzero(own == score):
                found[place] += behind[present[place]]
    place_by_name = dict(zip(present, found.tolist(), strict=True))
    return [place_by_name.get(document, math.inf) for document in documents]


def _check_all_ranked(wanted: list[MeasureName], lists: JudgedLists) -> None:
    whole = [name.text for name in wanted if name.kind in ("rank_distance", "Max@R")]
    if whole and np.any((lists.known_grades > 0) & np.isinf(lists.ranks)):
        raise InvalidArgument(
            f"{whole[0]} needs the rank of every relevant document, and this run lacks some; "
            "rank the whole corpus with hybrid_fast.search"
        )


def _check_option(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        choices = ", ".join(map(repr, known[:-1]))
        raise InvalidArgument(f"{name} is {quoted(value)}, expected {choices} or {known[-1]!r}")


def _some(names: Mapping[str, object]) -> str:
    """Return the first few ids for a message."""
    shown = ", ".join(quoted(name) for name in islice(names, 3))
    return shown + (", …" if len(names) > 3 else "")
