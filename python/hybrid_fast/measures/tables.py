"""Runs and qrels in every form people have them, as {query: {document: score or grade}} of text ids."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..arrays import column_values, is_missing
from ..errors import InvalidArgument, NotANumber
from ..quoting import quoted
from .columns import columns_of, record_fields
from .files import naming, read_file
from .ids import text_id

Run: TypeAlias = Mapping[Any, Mapping[Any, float]] | Iterable[Any] | str | Path
"""Scores as {query: {document: score}}, a data frame, records, or a file (open or named)."""

Judgements: TypeAlias = (
    Mapping[Any, Mapping[Any, int] | set[Any] | frozenset[Any]] | Iterable[Any] | str | Path
)
"""Grades as {query: {document: grade}} or {query: set of documents}, a data frame, records, or a file."""

Table: TypeAlias = dict[str, dict[str, Any]]


def read_run(source: Run) -> dict[str, dict[str, float]]:
    """Return {query: {document: score}} from any form of a run; ids become text.

    Args:
        source: {query: {document: score}}; a data frame of pandas, polars or pyarrow; records with
            attributes; or a file by its name or open: the TREC format, MS MARCO's three columns
            (query, document, rank), ranx's JSON and Parquet.

    Raises:
        CorpusError: a malformed file, with the line; FileNotFoundError: no such file.
        NotANumber: a score that is NaN.
        InvalidArgument: no documents, a missing id, or a document twice for one query.
        TypeError: an id or a score of another type, or a form that is none of these.
    """
    return filled(table_of(source, "run"), source, "run")


def read_qrels(source: Judgements) -> dict[str, dict[str, int]]:
    """Return {query: {document: grade}} from any form of qrels; ids become text.

    Args:
        source: as for :func:`read_run`, with whole grades instead of scores; {query: set of documents}
            gives each the grade 1.

    Raises:
        CorpusError, FileNotFoundError, InvalidArgument, TypeError: as for :func:`read_run`.
    """
    return filled(table_of(source, "qrels"), source, "qrels")


def filled(table: Table, source: object, kind: str) -> Table:
    """Return the table read from a source, which must hold a document.

    Raises:
        InvalidArgument: it holds none.
    """
    if any(table.values()):
        return table
    read = isinstance(source, Iterator) or hasattr(source, "read")
    why = " (it may have been read to its end before: read it into a list or dictionary once)" if read else ""
    named = f" {source}" if isinstance(source, str | Path) else ""
    raise InvalidArgument(f"the {kind}{named} hold{'s' if kind == 'run' else ''} no documents{why}")


def table_of(source: Any, kind: str) -> Table:
    """Return what a run or qrels ("run", "qrels") holds, with text ids and checked values; maybe nothing."""
    value_of = score_of if kind == "run" else grade_of
    if isinstance(source, str | Path) or hasattr(source, "read"):
        table, held = read_file(source, kind)
        if table is not None:
            return table
        with naming(source):
            return table_of(held, kind)
    if isinstance(source, Mapping):
        return _of_mapping(source, value_of, kind)
    if hasattr(source, "collect"):
        source = source.collect()  # polars' lazy frames
    if hasattr(source, "columns") or hasattr(source, "column_names"):
        names = columns_of(source, kind)
        values = [
            column_values(source[name], f"column {name!r} of the {kind}", "one value a row") for name in names
        ]
        return _of_columns(values, names, value_of, kind)
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        form = "score" if kind == "run" else "grade"
        raise TypeError(
            f"the {kind} is {type(source).__name__}, expected {{query: {{document: {form}}}}}, a data frame, "
            "records, or a file"
        )
    return _of_records(source, value_of, kind)


def _of_mapping(source: Mapping[Any, Any], value_of: Any, kind: str) -> Table:
    table: Table = {}
    for query, row in source.items():
        name = text_id(query, f"a query of the {kind}")
        if name in table:
            raise InvalidArgument(f"the {kind} holds query {quoted(name)} twice, as text and as a number")
        if kind == "qrels" and isinstance(row, set | frozenset):
            row = dict.fromkeys(row, 1)
        if not isinstance(row, Mapping):
            inner = "{document: score}" if kind == "run" else "{document: grade} or a set of documents"
            raise TypeError(f"query {quoted(name)} of the {kind} has {type(row).__name__}, expected {inner}")
        found: dict[str, Any] = {}
        for document, value in row.items():
            text = document
            if type(document) is not str:
                text = text_id(document, f"a document of query {quoted(name)}")
            if text in found:
                raise _twice(kind, text, name)
            found[text] = value_of(value, text, name)
        table[name] = found
    return table


def _of_records(source: Iterable[Any], value_of: Any, kind: str) -> Table:
    def rows() -> Iterator[tuple[Any, Any, Any]]:
        for number, record in enumerate(source):
            fields = record_fields(record, kind)
            if fields is None:
                value = "score" if kind == "run" else "relevance"
                raise InvalidArgument(f"record {number} of the {kind} lacks query_id, doc_id or {value}")
            yield fields

    return _collected(rows(), ("query_id", "doc_id"), "record", value_of, kind)


def _of_columns(values: list[list[Any]], names: tuple[str, ...], value_of: Any, kind: str) -> Table:
    return _collected(zip(*values, strict=True), names, "row", value_of, kind)


def _collected(
    rows: Iterable[tuple[Any, Any, Any]], names: tuple[str, ...], unit: str, value_of: Any, kind: str
) -> Table:
    table: Table = {}
    for number, (query, document, value) in enumerate(rows):
        if type(query) is not str:
            query = text_id(query, f"{names[0]} of {unit} {number} of the {kind}")
        if type(document) is not str:
            document = text_id(document, f"{names[1]} of {unit} {number} of the {kind}")
        row = table.setdefault(query, {})
        if document in row:
            raise _twice(kind, document, query)
        row[document] = value_of(value, document, query)
    return table


def _twice(kind: str, document: str, query: str) -> InvalidArgument:
    return InvalidArgument(f"the {kind} holds document {quoted(document)} twice for query {quoted(query)}")


def score_of(value: Any, document: str, query: str) -> float:
    """Return a score as a number.

    Raises:
        NotANumber: it is NaN or missing.
        TypeError: it is no number.
    """
    if type(value) is not float:
        if is_missing(value):
            raise NotANumber(
                f"the score of document {quoted(document)} for query {quoted(query)} is missing ({value!r})"
            )
        try:
            if isinstance(value, str | bytes):
                raise TypeError
            value = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise TypeError(
                f"the score of document {quoted(document)} for query {quoted(query)} is {quoted(value)}, "
                "expected a number"
            ) from None
    if value != value:
        raise NotANumber(f"the score of document {quoted(document)} for query {quoted(query)} is NaN")
    return float(value)


def grade_of(value: Any, document: str, query: str) -> int:
    """Return a grade as a whole number.

    Raises:
        InvalidArgument: it is missing or beyond int64.
        TypeError: it is no whole number.
    """
    if type(value) is not int:
        of = f"the grade of document {quoted(document)} for query {quoted(query)}"
        if is_missing(value):
            raise InvalidArgument(f"{of} is missing ({value!r}); give it a grade or leave it out")
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if isinstance(value, float | np.floating):
            whole = math.isfinite(value) and float(value).is_integer()
        if not whole:
            raise TypeError(f"{of} is {quoted(value)}, expected a whole number")
        value = int(value)
    if not -(2**63) <= value < 2**63:
        of = f"the grade of document {quoted(document)} for query {quoted(query)}"
        raise InvalidArgument(f"{of} is {quoted(value)}, which is beyond int64")
    return int(value)
