"""The rows of a data set as an index: every row is one pair, and no pair is made that is not a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus.joining import joined_groups
from ..errors import ConfigError
from ..pairs import PairIndex

Int64s = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RowColumns:
    """Names of a data set's columns.

    Attributes:
        query: texts of the queries; None: the first column the trainer embeds.
        passage: texts of the positives; None: the second column the trainer embeds.
        query_language: language of each query, any code or number.
        passage_language: language of each positive; None: that of its query.
        group: rows of one group are translations of one pair, and never meet in a batch; None: no groups.
    """

    query: str | None = None
    passage: str | None = None
    query_language: str = "query_language"
    passage_language: str | None = "passage_language"
    group: str | None = None


def index_of_rows(dataset: Any, columns: RowColumns) -> PairIndex:
    """Return an index of a Hugging Face data set in which pair id // languages is the row.

    A row in one language is one cell. Any other is two, one with its query and one with its passage,
    so that a stratum holds just the rows of its two languages. Rows that share a group or a
    positive's text have one passage identity, rows with the same query text one query identity.

    Args:
        dataset: a ``datasets.Dataset``; columns hidden by its format are read too.
        columns: what its columns are called.

    Raises:
        ConfigError: a column that is not there or has a missing value, or a language column that
            the trainer would embed as a text.
    """
    seen = dataset.format["columns"]
    labels = [columns.query_language, columns.passage_language, columns.group]
    given = [name for name in labels if name is not None]
    texts = [name for name in seen if name not in given]
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
        raise ConfigError(
            f"the trainer would embed the column {exposed[0]!r} as a text; give it the data set "
            f"dataset.with_format(columns={[name for name in texts if name in seen]!r}), which hides the rest"
        )
    query_language = _values(dataset, columns.query_language)
    passage_language = (
        query_language if columns.passage_language is None else _values(dataset, columns.passage_language)
    )
    languages = sorted({*query_language.names, *passage_language.names})
    asks = _positions(query_language, languages)
    answers = _positions(passage_language, languages)
    rows = np.arange(len(dataset), dtype=np.int64)
    question = _values(dataset, query).numbers
    answer = _values(dataset, passage).numbers
    if columns.group is not None:
        group = _values(dataset, columns.group)
        answer = joined_groups(group.numbers, answer, len(group.names))[group.numbers]
    apart = np.flatnonzero(asks != answers)
    return PairIndex.from_columns(
        group=np.concatenate([rows, apart]),
        language=np.concatenate([asks, answers[apart]]),
        query=np.concatenate([rows, np.full(len(apart), -1)]),
        passage=np.concatenate([np.where(asks == answers, rows, -1), apart]),
        languages=languages,
        query_identity=np.concatenate([question, question[apart]]),
        passage_identity=np.concatenate([answer, answer[apart]]),
    )


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
    encoded = column.dictionary_encode().unify_dictionaries()
    if encoded.num_chunks == 0:
        return _Values(np.empty(0, np.int64), [])
    numbers = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks]).astype(np.int64)
    return _Values(numbers, [str(value) for value in encoded.chunk(0).dictionary.to_pylist()])


def _positions(values: _Values, languages: list[str]) -> Int64s:
    place = {name: number for number, name in enumerate(languages)}
    return np.array([place[name] for name in values.names], dtype=np.int64)[values.numbers]
