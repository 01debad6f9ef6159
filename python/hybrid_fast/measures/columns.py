"""What columns of runs and qrels are called: in ir_measures, PyTerrier, ranx, BEIR and MS MARCO."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidArgument

QUERY = ("query_id", "qid", "q_id", "query-id", "topic_id", "topic")
DOCUMENT = (
    "doc_id",
    "docno",
    "docid",
    "corpus-id",
    "corpus_id",
    "passage_id",
    "pid",
    "document_id",
    "doc-id",
    "did",
)
SCORE = ("score", "sim", "similarity")
GRADE = ("relevance", "label", "grade", "rel", "score")


def fields_of(kind: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the names of query, document and value, each in the order of preference."""
    return QUERY, DOCUMENT, SCORE if kind == "run" else GRADE


def columns_of(source: Any, kind: str) -> tuple[str, str, str]:
    """Return the columns of a data frame that hold query, document and score or grade.

    Raises:
        InvalidArgument: a column that is lacking or comes twice.
    """
    names = [str(name) for name in getattr(source, "column_names", None) or source.columns]
    return chosen(names, kind, f"the {kind}")


def chosen(names: Iterable[str], kind: str, of: str) -> tuple[str, str, str]:
    """Return which of the names are those of query, document and score or grade.

    Raises:
        InvalidArgument: one is lacking or comes twice.
    """
    names = list(names)
    found = []
    for candidates in fields_of(kind):
        name = next((name for name in candidates if name in names), None)
        if name is None:
            has = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
            raise InvalidArgument(
                f"{of} lacks a column {' or '.join(candidates[:3])}; it has {has or 'none'}"
            )
        if names.count(name) > 1:
            raise InvalidArgument(f"{of} has several columns {name!r}")
        found.append(name)
    return found[0], found[1], found[2]


def record_fields(record: Any, kind: str) -> tuple[Any, Any, Any] | None:
    """Return query, document and score or grade of one record; None where it lacks one."""
    found = []
    for candidates in fields_of(kind):
        for name in candidates:
            if isinstance(record, Mapping):
                if name in record:
                    found.append(record[name])
                    break
            elif name.isidentifier() and hasattr(record, name):
                found.append(getattr(record, name))
                break
        else:
            return None
    return found[0], found[1], found[2]
