"""Ranking measures under their ``ir_measures`` names, with the values of ``trec_eval``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._core import NotANumber
from ._core import measure as core_measure
from .arrays import whole_numbers
from .errors import CorpusError, InvalidArgument
from .ranking import PoolRanks, Ranks

Run: TypeAlias = Mapping[str, Mapping[str, float]] | Iterable[Any] | str | Path
"""Scores as {query: {document: score}}, records with query_id, doc_id and score, or a TREC run file."""

Judgements: TypeAlias = Mapping[str, Mapping[str, int]] | Iterable[Any] | str | Path
"""Grades as {query: {document: grade}}, records with query_id, doc_id and relevance, or a qrels file."""


@dataclass(frozen=True, eq=False)
class Measures:
    """Measures of a set of queries.

    Attributes:
        per_query: float64 values by name of measure, one a query.
        mean: their means over all queries, those without positives included; NaN without queries.
        query_ids: the queries that the values belong to, where they have names.
    """

    per_query: dict[str, NDArray[np.float64]]
    mean: dict[str, float]
    query_ids: tuple[str, ...] | None = None


def measure(ranks: Ranks | PoolRanks, names: Sequence[str], *, grades: Any = None) -> Measures:
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

    A query without positives scores 0 in every measure and counts in the mean.

    Args:
        ranks: from :func:`hybrid_fast.ranks` or a search; of one pool.
        names: measures, as above.
        grades: whole numbers aligned with the positives; 0 or less is judged irrelevant. Default: 1.

    Raises:
        InvalidArgument: an unknown name (the known ones are listed), or ranks of several pools mixed.
        InvalidShape: not one grade a positive.

    Example:
        >>> measure(Ranks(np.array([0, 2]), np.array([1, 4])), ["AP", "RR"]).mean
        {'AP': 0.75, 'RR': 1.0}
    """
    if isinstance(ranks, PoolRanks):
        if len(ranks.labels) > 1:
            raise InvalidArgument(
                f"these are ranks in {len(ranks.labels)} pools; choose one with pool_ranks.select(label)"
            )
        ranks = Ranks(ranks.indptr, ranks.values)
    if not isinstance(ranks, Ranks):
        raise TypeError(f"ranks is {type(ranks).__name__}, expected Ranks")
    wanted = [names] if isinstance(names, str) else list(names)
    columns = core_measure(
        wanted,
        ranks.indptr,
        ranks.values.astype(np.float64),
        None if grades is None else whole_numbers(grades, "grades"),
    )
    return _gather(wanted, columns, None)


def _gather(
    names: list[str], columns: list[NDArray[np.float64]], query_ids: tuple[str, ...] | None
) -> Measures:
    means = [float(column.mean()) if len(column) else math.nan for column in columns]
    return Measures(dict(zip(names, columns, strict=True)), dict(zip(names, means, strict=True)), query_ids)


def measure_run(run: Run, qrels: Judgements, names: Sequence[str]) -> Measures:
    """Return ranking measures of a TREC-style run, as ``ir_measures`` with ``trec_eval`` gives them.

    Documents are ordered by score, equal scores by name from last to first, as ``trec_eval`` does;
    like there, scores that are equal as float32 are equal. The queries are those of ``qrels``, in their
    order: one missing from the run scores 0, one of the run that was never judged is left out.
    Documents that were not judged are irrelevant.

    Args:
        run: {query: {document: score}}, an iterable of records with query_id, doc_id and score (also a
            pandas DataFrame of these columns), or the path of a TREC run file
            (``query Q0 document rank score tag``).
        qrels: {query: {document: grade}}, records with relevance instead of score, or the path of a
            TREC qrels file (``query 0 document grade``).
        names: as for :func:`measure`; ``rank_distance`` and ``Max@R`` need every relevant
            document in the run.

    Raises:
        CorpusError: a malformed file, with the line; FileNotFoundError: no such file.
        NotANumber: a score that is NaN.
        InvalidArgument: an unknown measure.

    Example:
        >>> measure_run({"q": {"a": 2.0, "b": 1.0}}, {"q": {"b": 1}}, ["RR"]).mean
        {'RR': 0.5}
    """
    wanted = [names] if isinstance(names, str) else list(names)
    judged = _table(qrels, "qrels")
    retrieved = _table(run, "run")
    places: list[float] = []
    grades: list[int] = []
    indptr = [0]
    for query, relevances in judged.items():
        where = _places(retrieved.get(query, {}), query)
        for document, grade in relevances.items():
            places.append(where.get(document, math.inf))
            grades.append(_grade(grade, query, document))
        indptr.append(len(places))
    whole = [name for name in wanted if name in ("rank_distance", "Max@R")]
    if whole and any(grade > 0 and math.isinf(place) for place, grade in zip(places, grades, strict=True)):
        raise InvalidArgument(
            f"{whole[0]} needs the rank of every relevant document, and this run lacks some; "
            "rank the whole corpus with hybrid_fast.search"
        )
    columns = core_measure(
        wanted,
        np.array(indptr, dtype=np.int64),
        np.array(places, dtype=np.float64),
        np.array(grades, dtype=np.int64),
    )
    return _gather(wanted, columns, tuple(judged))


def _places(scores: Mapping[str, float], query: str) -> dict[str, int]:
    """Return the place, from 1, of each document: score down, then name down."""
    documents = list(scores)
    values = np.array([scores[document] for document in documents], dtype=np.float64)
    if np.isnan(values).any():
        document = documents[int(np.isnan(values).argmax())]
        raise NotANumber(f"the score of document {document!r} for query {query!r} is NaN")
    # Python orders text by code point, which is the byte order of UTF-8 that trec_eval sorts by.
    with np.errstate(over="ignore"):
        single = values.astype(np.float32).tolist()
    order = sorted(zip(single, documents, strict=True), reverse=True)
    return {document: place for place, (_, document) in enumerate(order, start=1)}


def _grade(grade: object, query: str, document: str) -> int:
    if isinstance(grade, bool) or not isinstance(grade, int | np.integer):
        raise TypeError(
            f"the grade of document {document!r} for query {query!r} is {grade!r}, expected a whole number"
        )
    return int(grade)


def _table(source: Any, kind: str) -> Mapping[str, Mapping[str, Any]]:
    """Return {query: {document: score or grade}} from any of the accepted forms."""
    if isinstance(source, str | Path):
        return _read(Path(source), kind)
    if isinstance(source, Mapping):
        return source
    value = "score" if kind == "run" else "relevance"
    records = source.itertuples(index=False) if hasattr(source, "itertuples") else source
    table: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(records):
        try:
            query, document, of = record.query_id, record.doc_id, getattr(record, value)
        except AttributeError:
            lacking = f"record {number} of the {kind} lacks query_id, doc_id or {value}"
            raise InvalidArgument(lacking) from None
        row = table.setdefault(query, {})
        if document in row:
            raise InvalidArgument(f"the {kind} holds document {document!r} twice for query {query!r}")
        row[document] = of
    return table


def _read(path: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Read a TREC run or qrels file."""
    layout = "query Q0 document rank score tag" if kind == "run" else "query 0 document grade"
    width = len(layout.split())
    table: dict[str, dict[str, Any]] = {}
    with path.open(encoding="utf-8") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if line.isspace():
                    continue
                fields = line.split()
                here = f"{path}, line {number}"
                if len(fields) != width:
                    raise CorpusError(f"{here}: {len(fields)} fields, expected {width} ({layout})")
                query, document, text = fields[0], fields[2], fields[4 if kind == "run" else 3]
                try:
                    value = float(text) if kind == "run" else int(text)
                except ValueError:
                    expected = "a score" if kind == "run" else "a whole number"
                    raise CorpusError(f"{here}: {text!r} is not {expected}") from None
                if value != value:
                    raise CorpusError(f"{here}: the score is NaN")
                row = table.setdefault(query, {})
                if document in row:
                    raise CorpusError(f"{here}: document {document} comes twice for query {query}")
                row[document] = value
        except UnicodeDecodeError as error:
            raise CorpusError(f"{path} is not UTF-8 text: {error}") from None
    return table
