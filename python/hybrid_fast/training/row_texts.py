"""The texts that each row of a data set brings to the loss, over all the columns that are embedded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import ConfigError

Int64s = NDArray[np.int64]

_QUERY, _PASSAGE, _OTHER = 1, 2, 4


@dataclass(frozen=True)
class RowTexts:
    """Numbers of texts, equal for equal texts wherever they stand.

    Attributes:
        query: int64 [rows], number of each row's query.
        passage: int64 [rows], number of each row's positive.
        indptr: int64 [rows + 1], where the list of each row begins, and the end of the last.
        ids: the lists: texts of the row that occur in another row too, unless only as queries or only as
            positives.
        texts: the text of each number.
    """

    query: Int64s
    passage: Int64s
    indptr: Int64s
    ids: Int64s
    texts: Any

    def text(self, number: int) -> str:
        """Return a text in short."""
        text = str(self.texts[number].as_py())
        return text if len(text) <= 60 else f"{text[:57]}…"


def row_texts(dataset: Any, query: str, passage: str, others: list[str]) -> RowTexts:
    """Read the columns that the trainer embeds.

    Values are compared as sentence-transformers' ``NoDuplicatesBatchSampler`` compares them: as they
    stand, whatever their column. Of a list every element counts.

    Args:
        dataset: a ``datasets.Dataset``.
        query: column of the queries.
        passage: column of the positives.
        others: all further columns, negatives.

    Raises:
        ConfigError: a missing value, naming column and row.
    """
    rows, values, roles = [], [], []
    for name, own in ((query, _QUERY), (passage, _PASSAGE), *((name, _OTHER) for name in others)):
        column = dataset.with_format("arrow", columns=[name])[:].column(name)
        whole, row, text = _of_column(name, column)
        rows.append(row)
        values.append(text)
        # A list is one value for the identity, and its elements are texts in a role of their own.
        roles.append(np.full(len(row), _OTHER if whole is not None else own, np.int8))
        if whole is not None and own != _OTHER:
            rows.append(np.arange(len(column), dtype=np.int64))
            values.append(whole)
            roles.append(np.full(len(column), own, np.int8))
    number, texts = _numbered(values)
    row, role = np.concatenate(rows), np.concatenate(roles)
    shared = _shared(row, number, role, len(texts))[number]
    place = np.unique(np.stack([row[shared], number[shared]], axis=1), axis=0)
    counts = np.bincount(place[:, 0], minlength=len(dataset))
    return RowTexts(
        query=number[role == _QUERY],
        passage=number[role == _PASSAGE],
        indptr=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
        ids=place[:, 1],
        texts=texts,
    )


def _shared(row: Int64s, number: Int64s, role: NDArray[np.int8], count: int) -> NDArray[np.bool_]:
    """Return of each text whether it occurs in several rows, and not only as query or only as positive.

    Those are kept apart as identities already.
    """
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(first, number, row)
    np.maximum.at(last, number, row)
    roles = np.zeros(count, np.int8)
    np.bitwise_or.at(roles, number, role)
    several: NDArray[np.bool_] = (first < last) & (roles != _QUERY) & (roles != _PASSAGE)
    return several


def _of_column(name: str, column: pa.ChunkedArray) -> tuple[pa.Array | None, Int64s, pa.Array]:
    """Return lists as texts (None where the column holds none), and row and text of each value."""
    _complete(name, column, np.arange(len(column)))
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    row = np.arange(len(array), dtype=np.int64)
    whole = None
    while _is_list(array.type):
        whole = _as_text(array) if whole is None else whole
        row = row[pc.list_parent_indices(array).to_numpy(zero_copy_only=False)]
        array = pc.list_flatten(array)
        _complete(name, array, row)
    return whole, row, _as_text(array)


def _complete(name: str, values: pa.Array | pa.ChunkedArray, row: Int64s) -> None:
    if values.null_count:
        missing = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))
        raise ConfigError(f"the column {name!r} has no value in row {row[missing[0]]}")


def _is_list(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    )


def _as_text(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array.cast(pa.large_string())
    return pa.array([str(value) for value in array.to_pylist()], pa.large_string())


def _numbered(values: list[pa.Array]) -> tuple[Int64s, pa.Array]:
    encoded = pa.chunked_array(values, pa.large_string()).dictionary_encode().unify_dictionaries()
    if encoded.num_chunks == 0:
        return np.empty(0, np.int64), pa.array([], pa.large_string())
    numbers = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    return np.concatenate(numbers).astype(np.int64), encoded.chunk(0).dictionary
