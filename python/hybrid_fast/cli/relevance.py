"""Relevant passages of a search from files: rows by line, or qrels with the ids of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import CorpusError, InvalidArgument
from ..measures.streams import open_stream
from ..quoting import quoted
from ..text_files import read_lines

Format = Literal["auto", "rows", "qrels"]

MOST_DIGITS = 18
"""Digits of the largest row number."""


@dataclass(frozen=True)
class Relevant:
    """Judged passages of each query, by their rows.

    Attributes:
        rows: passage rows of each query.
        grades: their grades, in the same order; None where all are relevant alike.
        judged: rows of the queries to average over; None for all.
        left_out: judged queries that have no row.
    """

    rows: list[list[int]]
    grades: list[int] | None
    judged: list[int] | None
    left_out: int = 0


def read_ids(path: Path, rows: int, of: str) -> list[str]:
    """Return the ids of the rows of a file of embeddings: one a line.

    Raises:
        CorpusError: an empty line, an id twice, or another number of lines than rows.
    """
    found: dict[str, int] = {}
    for number, line in read_lines(path, CorpusError):
        name = line.strip()
        if not name:
            raise CorpusError(f"{path}, line {number}: empty, expected the id of a row")
        if name in found:
            raise CorpusError(f"{path}, line {number}: {quoted(name)} stands in line {found[name]}, too")
        found[name] = number
    if len(found) != rows:
        raise CorpusError(f"{path} has {len(found)} ids, and there are {rows} {of}")
    return list(found)


def read_relevant(
    path: Path,
    form: Format,
    queries: int,
    passages: int,
    query_ids: Sequence[str] | None,
    passage_ids: Sequence[str] | None,
) -> Relevant:
    """Return the relevant passages that a file names, as rows or as qrels.

    Qrels name rows by the ids of the rows, or where there are none by their numbers. Four numbers a line
    may be both; where both readings are possible, none is chosen.

    Raises:
        CorpusError: a malformed file, or ids of no row.
        InvalidArgument: both readings are possible.
    """
    if form == "rows":
        return _read_rows(path, queries, passages)
    if form == "auto" and query_ids is None and passage_ids is None:
        if not _looks_like_qrels(path):
            return _read_rows(path, queries, passages)
        # Never rows here, whatever the numbers: "5 0 305 1" is a judgement far more often.
        if _may_be_rows(path, queries, passages):
            raise InvalidArgument(
                f"{path} may be qrels (query 0 passage grade) or lines of four rows; say which by "
                "--positives-format qrels or --positives-format rows"
            )
    return _of_qrels(path, queries, passages, query_ids, passage_ids)


def _looks_like_qrels(path: Path) -> bool:
    """Say whether the lines are query, iteration, passage and grade, or the file holds no lines of rows."""
    some = False
    with open_stream(path) as stream:
        if stream.start().startswith((b"PAR1", b"{", b"[")):
            return True
        for _, line in stream.lines():
            fields = line.split()
            if not fields:
                continue
            if fields[0].startswith(b"#"):
                return True
            if not all(field.isdigit() for field in fields):
                # Rows are digits only; names, decimal grades and headers are those of qrels.
                return len(fields) in (3, 4)
            if len(fields) != 4 or fields[1] != b"0":
                return False
            some = True
    return some


def _may_be_rows(path: Path, queries: int, passages: int) -> bool:
    """Say whether every query has one line of different rows."""
    try:
        _read_rows(path, queries, passages)
    except CorpusError:
        return False
    return True


def _read_rows(path: Path, queries: int, passages: int) -> Relevant:
    """Read one line of passage rows per query."""
    rows = []
    for number, line in read_lines(path, CorpusError):
        fields = line.split()
        wrong = next((field for field in fields if not (field.isascii() and field.isdigit())), None)
        if wrong is not None or any(len(field) > MOST_DIGITS for field in fields):
            shown = quoted(line.strip())
            raise CorpusError(f"{path}, line {number}: {shown} is not a list of row numbers")
        row = [int(field) for field in fields]
        if max(row, default=0) >= passages:
            raise CorpusError(f"{path}, line {number}: there is no row {max(row)} in {passages} passages")
        if len(set(row)) < len(row):
            raise CorpusError(f"{path}, line {number}: a row stands there twice")
        rows.append(row)
    if len(rows) != queries:
        raise CorpusError(
            f"{path} has {len(rows)} lines, and there are {queries} queries; write one line a query, empty "
            "where there are no passages"
        )
    return Relevant(rows, None, None)


def _of_qrels(
    path: Path,
    queries: int,
    passages: int,
    query_ids: Sequence[str] | None,
    passage_ids: Sequence[str] | None,
) -> Relevant:
    """Read qrels and find the row of each query and passage."""
    from ..measures import read_qrels

    qrels = read_qrels(path)
    query_rows = None if query_ids is None else {name: row for row, name in enumerate(query_ids)}
    passage_rows = None if passage_ids is None else {name: row for row, name in enumerate(passage_ids)}
    rows: list[list[int]] = [[] for _ in range(queries)]
    grades: list[list[int]] = [[] for _ in range(queries)]
    judged, left_out = [], 0
    for query, documents in qrels.items():
        place = _row(query, query_rows, queries, path, "query")
        if place is None:
            left_out += 1
            continue
        judged.append(place)
        for document, grade in documents.items():
            passage = _row(document, passage_rows, passages, path, "passage")
            if passage is None:
                raise CorpusError(
                    f"{path} names the passage {quoted(document)}, which is not in --passage-ids"
                )
            rows[place].append(passage)
            grades[place].append(grade)
    if not judged:
        raise CorpusError(
            f"{path} judges no query of --query-ids, but {quoted(next(iter(qrels)))} and others"
        )
    return Relevant(rows, [grade for of in grades for grade in of], sorted(judged), left_out)


def _row(name: str, rows: Mapping[str, int] | None, count: int, path: Path, of: str) -> int | None:
    """Return the row of an id, or None where the ids of the rows lack it; without ids it is its number."""
    if rows is not None:
        return rows.get(name)
    # One way to write a row, so that "07" and "7" are not taken for the same.
    is_number = name.isascii() and name.isdigit() and len(name) <= MOST_DIGITS and str(int(name)) == name
    if not is_number or int(name) >= count:
        many = "queries" if of == "query" else "passages"
        raise CorpusError(
            f"{path} names the {of} {quoted(name)}, which is no row of the {count} {many}; "
            f"give the ids of the rows, one a line, by --{of}-ids"
        )
    return int(name)
