"""Lines of runs and qrels: the TREC format, MS MARCO's, and columns under a header."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import CorpusError, InvalidArgument
from ..quoting import quoted
from .columns import DOCUMENT, QUERY, chosen
from .streams import Stream

LAYOUT = {"run": "query Q0 document rank score tag", "qrels": "query 0 document grade"}


@dataclass(frozen=True)
class Columns:
    """Where query, document and value stand in a line.

    Attributes:
        fields: of how many fields a line is; a run may have further words after its tag.
        ranks: the value is a rank, not a score.
        tabs: only tabs part the fields.
    """

    query: int
    document: int
    value: int
    fields: int
    name: str
    ranks: bool = False
    tabs: bool = False


_TREC = {
    "run": Columns(0, 2, 4, 6, LAYOUT["run"]),
    "qrels": Columns(0, 2, 3, 4, LAYOUT["qrels"]),
}
_MS_MARCO = Columns(0, 1, 2, 3, "query document rank", ranks=True)


def read_lines(stream: Stream, kind: str) -> dict[str, dict[str, Any]]:
    """Return {query: {document: score or grade}} of a text file.

    Blank lines and lines that begin with # are passed over. The first line of the others decides what the
    columns are: TREC's, three of a run (MS MARCO: query, document, rank), or named by a header.

    Raises:
        CorpusError: a malformed line, with file and number.
    """
    table: dict[str, dict[str, Any]] = {}
    columns: Columns | None = None
    last, row = b"", {}
    for number, line in stream.lines():
        fields = line.split()
        if not fields or fields[0].startswith(b"#"):
            continue
        if columns is None:
            columns, header = _columns(line, fields, kind, f"{stream.name}, line {number}")
            if header:
                continue
        if columns.tabs:
            fields = [field.strip() for field in line.split(b"\t")]
        if len(fields) != columns.fields and not (columns.fields == 6 and kind == "run" and len(fields) > 6):
            expected = f"expected {columns.fields} ({columns.name})"
            raise CorpusError(f"{stream.name}, line {number}: {len(fields)} fields, {expected}")
        try:
            if fields[columns.query] != last or not table:
                last = fields[columns.query]
                row = table.setdefault(last.decode(), {})
            document = fields[columns.document].decode()
        except UnicodeDecodeError as error:
            raise CorpusError(f"{stream.name}, line {number}: not UTF-8 text ({error.reason})") from None
        if document in row:
            raise CorpusError(
                f"{stream.name}, line {number}: document {_shown(document)} comes twice for query "
                f"{_shown(last.decode())}"
            )
        try:
            text = fields[columns.value]
            row[document] = _rank(text) if columns.ranks else _score(text) if kind == "run" else _grade(text)
        except ValueError as error:
            raise CorpusError(f"{stream.name}, line {number}: {error}") from None
    if columns is not None and columns.ranks:
        _check_ranks(table, stream.name)
    return table


def _columns(line: bytes, fields: list[bytes], kind: str, here: str) -> tuple[Columns, bool]:
    """Return the columns of a file by its first line, and whether that is a header."""
    tabs = b"\t" in line
    names = [
        field.strip().decode(errors="replace").lower() for field in (line.split(b"\t") if tabs else fields)
    ]
    if any(name in QUERY for name in names) and any(name in DOCUMENT for name in names):
        return _named(names, kind, here, tabs=tabs), True
    if kind == "run" and len(fields) == 3:
        return _MS_MARCO, False
    return _TREC[kind], False


def _named(names: list[str], kind: str, here: str, *, tabs: bool) -> Columns:
    """Return the columns that a header names."""
    ranks = kind == "run" and "score" not in names and "rank" in names
    renamed = ["score" if ranks and name == "rank" else name for name in names]
    try:
        query, document, value = chosen(renamed, kind, f"{here} is a header, and it")
    except InvalidArgument as error:
        raise CorpusError(str(error)) from None
    return Columns(
        renamed.index(query),
        renamed.index(document),
        renamed.index(value),
        len(names),
        " ".join(names),
        ranks=ranks,
        tabs=tabs,
    )


def _score(text: bytes) -> float:
    try:
        if b"_" in text:
            raise ValueError
        value = float(text)
    except ValueError:
        raise ValueError(f"{_quoted(text)} is not a score") from None
    if value != value:
        raise ValueError("the score is NaN")
    return value


def _grade(text: bytes) -> int:
    try:
        if b"_" in text:
            raise ValueError
        value = _whole(text)
    except ValueError:
        raise ValueError(f"{_quoted(text)} is not a whole number") from None
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"the grade {_quoted(text)} is beyond int64")
    return value


def _whole(text: bytes) -> int:
    """Return a whole number, which may be written as a decimal one."""
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if not math.isfinite(value) or not value.is_integer():
            raise ValueError from None
        return int(value)


def _rank(text: bytes) -> float:
    if not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise ValueError(
            f"{_quoted(text)} is not a rank from 1; a run with scores has six columns ({LAYOUT['run']})"
        )
    return -float(int(text))


def _check_ranks(table: dict[str, dict[str, Any]], name: str) -> None:
    """Refuse ranks that cannot be ones: scores in three columns would be ranked upside down."""
    for query, row in table.items():
        ranks = set(row.values())
        if len(ranks) < len(row) or max(ranks) != -1:
            raise CorpusError(
                f"{name}: three columns are query, document and rank, and the ranks of query {_shown(query)} "
                f"do not count from 1; a run with scores has six columns ({LAYOUT['run']})"
            )


def _quoted(text: bytes) -> str:
    return quoted(text.decode(errors="replace"))


def _shown(name: str) -> str:
    return name if len(name) <= 60 and name.isprintable() else quoted(name)
