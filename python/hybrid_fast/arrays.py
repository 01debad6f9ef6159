"""What callers pass in, as the arrays that the compiled core reads; matrices are never copied or cast."""

from __future__ import annotations

import operator
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._core import id_rows as core_id_rows
from .errors import InvalidArgument, InvalidShape
from .fields import MOST_THREADS
from .quoting import quoted

Matrix: TypeAlias = Any
"""A NumPy array or memory map, or a torch CPU tensor, of two dimensions with contiguous rows."""

Positives: TypeAlias = Sequence[Iterable[int]] | tuple[Any, Any]
"""Golds of each query: a list of id lists, or a tuple (indptr, ids) in compressed sparse rows."""


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Say in one sentence that something does not fit memory; ``what`` names it in the plural.

    Raises:
        InvalidArgument: an allocation inside failed.
    """
    try:
        yield
    except MemoryError:
        raise InvalidArgument(f"{what} do not fit memory; ask for fewer") from None


def language_table(
    languages: int, query: NDArray[np.int64], passage: NDArray[np.int64], values: NDArray[Any]
) -> NDArray[Any]:
    """Return values of language pairs as a read-only table [query language, passage language], else 0.

    Raises:
        InvalidArgument: memory has no room for it.
    """
    with fitting(f"{languages} × {languages} language pairs"):
        table = np.zeros((languages, languages), values.dtype)
    table[query, passage] = values
    table.flags.writeable = False
    return table


def matrix(value: Matrix, name: str) -> NDArray[Any]:
    """Return ``value`` as a NumPy matrix of float64, float32, float16, or uint16 with bfloat16 bits.

    Args:
        value: NumPy array, memory map, nested list, or torch CPU tensor (bfloat16 too).
        name: what messages call it.

    Raises:
        TypeError: another element type; the message names the cast to make.
        InvalidShape: not two dimensions.
    """
    array = _from_torch(value, name)
    if array is None:
        array = _from_numpy(value, name)
    if array.ndim != 2:
        raise InvalidShape(f"{name} has {array.ndim} dimensions, expected a matrix with 2")
    return array


def _from_torch(value: object, name: str) -> NDArray[Any] | None:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    if value.device.type != "cpu":
        raise TypeError(f"{name} is on {value.device}; pass {name}.cpu()")
    if value.layout is not torch.strided:
        raise TypeError(f"{name} is sparse; pass {name}.to_dense()")
    # A view that only notes its sign or conjugation has no memory of its own values.
    tensor = value.detach().resolve_neg().resolve_conj()
    if tensor.dtype is torch.bfloat16:
        # The same bits under a type that NumPy knows.
        return tensor.view(torch.int16).numpy().view(np.uint16)  # type: ignore[no-any-return]  # torch is Any here
    if tensor.dtype not in (torch.float64, torch.float32, torch.float16):
        raise TypeError(f"{name} is {tensor.dtype}; cast it to a float type: {name}.float()")
    return tensor.numpy()  # type: ignore[no-any-return]  # torch is Any here


def _from_numpy(value: object, name: str) -> NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; fill it first: {name}.filled(...)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidShape(f"{name} is not a matrix: {error}") from None
    # The kind first: a name takes microseconds to make.
    if array.dtype.kind not in "fiub" and array.dtype.name == "bfloat16":
        return array.view(np.uint16)
    if array.dtype.kind in "iub":
        raise TypeError(f"{name} is {array.dtype}; cast it to a float type: {name}.astype('float32')")
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} is {array.dtype}, expected float64, float32, float16 or bfloat16")
    if not array.dtype.isnative:
        native = array.dtype.newbyteorder("=").name
        raise TypeError(f"{name} is not in this machine's byte order; cast it: {name}.astype('{native}')")
    return array


def embeddings(value: Matrix, name: str) -> NDArray[Any]:
    """Return ``value`` as a matrix that scores can be computed from: float32, float16 or bfloat16 bits.

    Raises:
        TypeError: another element type, float64 included; the message names the cast to make.
        InvalidShape: not two dimensions.
    """
    array = matrix(value, name)
    if array.dtype == np.float64:
        raise TypeError(
            f"{name} is float64, and scores are computed in float32; cast it: {name}.astype('float32')"
        )
    return array


def id_rows(positives: Positives) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the golds of each query as (indptr, ids), both int64 and contiguous.

    Raises:
        TypeError: ids that are not whole numbers.
        InvalidShape: a tuple that is not two one-dimensional arrays.
    """
    if isinstance(positives, tuple):
        if len(positives) != 2:
            raise InvalidShape(
                f"positives are a tuple of {len(positives)}, expected two arrays (indptr, ids)"
            )
        return whole_numbers(positives[0], "indptr of positives"), whole_numbers(positives[1], "positives")
    if type(positives) is list:
        found = core_id_rows(positives) or _of_arrays(positives)
        if found is not None:
            return found
    rows = [
        _list(row, f"row {place} of positives", "a list of passage ids")
        for place, row in enumerate(_list(positives, "positives", "a list of id lists or (indptr, ids)"))
    ]
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=indptr[1:])
    return indptr, whole_numbers(list(chain.from_iterable(rows)), "positives")


def _of_arrays(rows: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return (indptr, ids) of a list of vectors of one integer type, or None."""
    if set(map(type, rows)) != {np.ndarray} or {(row.ndim, row.dtype) for row in rows} != {
        (1, rows[0].dtype)
    }:
        return None
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(list(map(len, rows)), out=indptr[1:])
    return indptr, whole_numbers(np.concatenate(rows), "positives")


def _list(value: Any, name: str, expected: str) -> list[Any]:
    """Return a sequence, array or tensor as a list."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(f"{name} is {type(value).__name__}, expected {expected}")
    plain = value.tolist() if hasattr(value, "tolist") else value
    return list(plain) if isinstance(plain, Iterable) else [plain]


def whole_numbers(values: Any, name: str) -> NDArray[np.int64]:
    """Return ``values`` as a contiguous int64 vector.

    Raises:
        TypeError: values that are not whole numbers.
        InvalidShape: not one dimension.
        InvalidArgument: a value beyond int64.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.argmax(np.ma.getmaskarray(values).ravel()))
        raise InvalidArgument(f"{name} lack a value in row {row} (masked); fill or drop such rows")
    array = np.asarray(values.tolist() if hasattr(values, "detach") else values)
    if array.ndim != 1:
        raise InvalidShape(f"{name} have {array.ndim} dimensions, expected 1")
    if array.size == 0 and not isinstance(values, np.ndarray):
        return np.zeros(0, dtype=np.int64)
    if array.dtype == object and all(type(value) is int for value in array):
        raise InvalidArgument(f"{name} hold {quoted(max(array, key=abs))}, which is beyond int64")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} are {array.dtype}, expected whole numbers")
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InvalidArgument(f"{name} hold {int(array.max())}, which is beyond int64")
    return np.ascontiguousarray(array, dtype=np.int64)


def label_codes(labels: Any, count: int, name: str) -> tuple[tuple[Hashable, ...], NDArray[np.uint32]]:
    """Return the distinct labels and, for each of ``count`` passages, the position of its label.

    Raises:
        InvalidShape: not one label a passage.
        InvalidArgument: a label that is missing (NaN, None, NA, NaT, null or masked), with its row.
        TypeError: labels without an order (a set), or one that cannot be hashed.
    """
    names: tuple[Hashable, ...]
    plain = isinstance(labels, np.ndarray) and not isinstance(labels, np.ma.MaskedArray)
    if plain and labels.ndim == 1 and labels.dtype.kind in "iuUSb":
        distinct, inverse = np.unique(labels, return_inverse=True)
        names, codes = tuple(distinct.tolist()), inverse.astype(np.uint32)
    else:
        names, places = numbered(column_values(labels, name, "a label a passage"), name)
        codes = places.astype(np.uint32)
    if len(codes) != count:
        raise InvalidShape(f"{name} has {len(codes)} labels, there are {count} passages")
    return names, codes


def numbered(labels: Sequence[Any], name: str) -> tuple[tuple[Hashable, ...], NDArray[np.int64]]:
    """Return the distinct labels in the order of their first places, and the number of each one's label.

    Raises:
        InvalidArgument: a label that is missing, with its row.
        TypeError: a label that cannot be hashed.
    """
    row = next((row for row, label in enumerate(labels) if is_missing(label)), None)
    if row is not None:
        raise InvalidArgument(
            f"{name} lack a label in row {row} ({labels[row]!r}); give every row one, such as 'unknown', "
            "or leave such rows out"
        )
    numbers: dict[Hashable, int] = {}
    try:
        places = [numbers.setdefault(label, len(numbers)) for label in labels]
    except TypeError as error:
        raise TypeError(f"{name} must hold labels that can be hashed: {error}") from None
    return tuple(numbers), np.array(places, dtype=np.int64)


def column_values(values: Any, name: str, expected: str) -> list[Any]:
    """Return the values of a list, array, tensor, or column of a data frame, as Python has them.

    Raises:
        TypeError: text, a set or a mapping (which have no order), or nothing that holds values.
        InvalidShape: more than one dimension.
    """
    if isinstance(values, set | frozenset | Mapping):
        raise TypeError(f"{name} is {type(values).__name__}, which has no order; expected {expected}")
    if getattr(values, "ndim", 1) != 1:
        raise InvalidShape(f"{name} has {values.ndim} dimensions, expected {expected}")
    for convert in ("to_pylist", "to_list"):
        if hasattr(values, convert):
            return list(getattr(values, convert)())
    return [_plain(value) for value in _list(values, name, expected)]


def _plain(value: Any) -> Any:
    """Return a scalar of pyarrow or torch as Python's own."""
    for convert in ("as_py", "item"):
        if hasattr(value, convert) and getattr(value, "ndim", 0) == 0 and value is not np.ma.masked:
            return getattr(value, convert)()
    return value


def is_missing(value: object) -> bool:
    """Say whether a value stands for none: None, NaN, NaT, pandas' NA, a masked one, or a tuple with one."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str | int):
        return False
    if isinstance(value, tuple):
        return any(map(is_missing, value))
    try:
        return bool(value != value)
    except Exception:
        return False


def count_of(value: object, name: str, least: int) -> int:
    """Return ``value`` as a whole number of at least ``least``.

    Raises:
        TypeError: not a whole number.
        InvalidArgument: below ``least``.
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]  # what it is for: anything may come
    except TypeError:
        raise TypeError(f"{name} is {quoted(value)}, expected a whole number") from None
    if number < least:
        raise InvalidArgument(f"{name} is {quoted(number)}, expected {least} or more")
    return min(number, sys.maxsize)


def thread_count(threads: int | None) -> int | None:
    """Return a checked number of threads; None: see :func:`hybrid_fast.ranks`."""
    if threads is None:
        return None
    if count_of(threads, "threads", 1) > MOST_THREADS:
        raise InvalidArgument(f"threads is {quoted(threads)}, expected {MOST_THREADS:,} or less")
    return int(threads)
