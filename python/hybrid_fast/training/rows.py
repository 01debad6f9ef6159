"""The rows of a data set as an index: every row is one pair, and no pair is made that is not a row."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..corpus.joining import joined_groups
from ..corpus.language_labels import language_label
from ..errors import ConfigError
from ..pairs import PairIndex
from .row_texts import RowTexts, row_texts

Int64s = NDArray[np.int64]

LABELS = ("label", "labels", "score", "scores")
"""Columns that sentence-transformers takes as labels, whatever the data set shows."""


@dataclass(frozen=True, kw_only=True)
class RowColumns:
    """Names of a data set's columns.

    Attributes:
        query: texts of the queries; None: the first column the trainer embeds.
        passage: texts of the positives; None: the second column the trainer embeds.
        query_language: language of each query, any code, label or number; codes of one language are one.
        passage_language: language of each positive; None: that of its query.
        group: rows of one group are translations of one pair, and never meet in a batch; None: no groups.
    """

    query: str | None = None
    passage: str | None = None
    query_language: str = "query_language"
    passage_language: str | None = "passage_language"
    group: str | None = None


@dataclass(frozen=True)
class RowIndex:
    """The rows of a data set as an index, the pair id of each row, and the texts that are numbered."""

    index: PairIndex
    pair_ids: Int64s
    texts: RowTexts

    def worded(self, message: str) -> str:
        """Put texts for their numbers in a message about the index."""
        return re.sub(
            r"\btext (\d+)\b", lambda found: f"the text {self.texts.text(int(found[1]))!r}", message
        )


def index_of_rows(dataset: Any, columns: RowColumns, labels: Sequence[str] = LABELS) -> RowIndex:
    """Return an index of a Hugging Face data set in which pair id // languages is the row.

    A row in one language is one cell. Any other is two, one with its query and one with its passage,
    so that a stratum holds just the rows of its two languages. Rows that share a group or a
    positive's text have one passage identity, rows with the same query text one query identity. A
    text of any embedded column that meets itself in another role keeps its rows apart as well.

    Codes of one language are one language (``sw``, ``swa``, ``SW``); any other label is its own.

    Args:
        dataset: a ``datasets.Dataset``; columns hidden by its format are read too.
        columns: what its columns are called.
        labels: columns that the trainer takes as labels and does not embed.

    Raises:
        ConfigError: a column that is not there or has a missing value, or a language column that
            the trainer would embed as a text.
    """
    seen = dataset.format["columns"]
    named = [columns.query_language, columns.passage_language, columns.group]
    given = [name for name in named if name is not None]
    texts = [name for name in seen if name not in (*given, *labels, "dataset_name")]
    query = texts[0] if columns.query is None and texts else columns.query
    passage = texts[1] if columns.passage is None and len(texts) > 1 else columns.passage
    if query is None or passage is None:
        raise ConfigError(f"the data shows {', '.join(seen)}; name its columns of query and passage")
    for name in (query, passage, *given):
        if name not in dataset.column_names:
            raise ConfigError(
                f"the data set has no column {name!r}, only {', '.join(dataset.column_names)}; "
                "name its columns in batch_sampler_for"
            )
    if exposed := [name for name in given if name in seen]:
        rest = [name for name in seen if name not in given]
        raise ConfigError(
            f"the trainer would embed the column {exposed[0]!r} as a text; give it the data set "
            f"dataset.with_format(columns={rest!r}), which hides the rest"
        )
    asked = _languages(dataset, columns.query_language)
    answered = asked if columns.passage_language is None else _languages(dataset, columns.passage_language)
    languages = sorted({*asked.names, *answered.names})
    asks = _positions(asked, languages)
    answers = _positions(answered, languages)
    rows = np.arange(len(dataset), dtype=np.int64)
    own = row_texts(dataset, query, passage, [name for name in texts if name not in (query, passage)])
    answer = own.passage
    if columns.group is not None:
        group = _values(dataset, columns.group)
        answer = joined_groups(group.numbers, answer, len(group.names))[group.numbers]
    apart = np.flatnonzero(asks != answers)
    index = PairIndex.from_columns(
        group=np.concatenate([rows, apart]),
        language=np.concatenate([asks, answers[apart]]),
        query=np.concatenate([rows, np.full(len(apart), -1)]),
        passage=np.concatenate([np.where(asks == answers, rows, -1), apart]),
        languages=languages,
        query_identity=np.concatenate([own.query, own.query[apart]]),
        passage_identity=np.concatenate([answer, answer[apart]]),
        # A pair always brings the list of its query's cell, which is that of its row.
        texts=(np.concatenate([own.indptr, np.full(len(apart), len(own.ids))]), own.ids),
    )
    return RowIndex(index, rows * len(languages) + answers, own)


@dataclass(frozen=True)
class _Values:
    """A column as numbers, and the value each number stands for."""

    numbers: Int64s
    names: list[str]


def _values(dataset: Any, name: str) -> _Values:
    column = dataset.with_format("arrow", columns=[name])[:].column(name)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise ConfigError(f"the column {name!r} has no value in row {row}")
    try:
        encoded = column.dictionary_encode().unify_dictionaries()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ConfigError(
            f"the column {name!r} holds {column.type}, expected one text or number a row"
        ) from None
    if encoded.num_chunks == 0:
        return _Values(np.empty(0, np.int64), [])
    numbers = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks]).astype(np.int64)
    return _Values(numbers, [_label(value) for value in encoded.chunk(0).dictionary.to_pylist()])


def _label(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _languages(dataset: Any, name: str) -> _Values:
    """Return a column of languages: one name for each, whatever its rows call it."""
    values = _values(dataset, name)
    # A class label is stored as a number; its name is what the user wrote.
    classes = getattr(dataset.features.get(name), "names", None)
    names = [
        classes[int(label)] if classes is not None and 0 <= int(label) < len(classes) else label
        for label in values.names
    ]
    names = ["" if classes is not None and label == "-1" else language_label(label) for label in names]
    for number, label in enumerate(names):
        if not label:
            row = int(np.flatnonzero(values.numbers == number)[0])
            raise ConfigError(f"the column {name!r} names no language in row {row}")
    return _Values(values.numbers, names)


def _positions(values: _Values, languages: list[str]) -> Int64s:
    place = {name: number for number, name in enumerate(languages)}
    return np.array([place[name] for name in values.names], dtype=np.int64)[values.numbers]
