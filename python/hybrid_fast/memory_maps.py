"""Arrays that lie in memory-mapped files: what the kernel is told about them, and their fingerprint."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A shard larger than memory would push itself out again if it were all asked for.
_AHEAD = 1 << 28


def _mapping(array: object) -> tuple[mmap.mmap, Any] | None:
    """Return the map that an array lies in and the NumPy object that opened it."""
    opener = array
    while isinstance(array, np.ndarray):
        opener, array = array, array.base
    return (array, opener) if isinstance(array, mmap.mmap) else None


def _span(array: NDArray[Any], mapped: mmap.mmap) -> tuple[int, int]:
    """Return the first byte, on a page's edge, and the number of bytes that the array takes of the map."""
    low, high = np.lib.array_utils.byte_bounds(array)
    start = low - np.frombuffer(mapped, dtype=np.uint8).__array_interface__["data"][0]
    aligned = start // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    return aligned, high - low + start - aligned


def _advise(array: object, advice: str, most: int | None = None) -> None:
    """Tell the kernel how a mapped array is read; nothing happens where that cannot be told."""
    found = _mapping(array)
    option = getattr(mmap, advice, None)
    if found is None or option is None or not isinstance(array, np.ndarray) or array.size == 0:
        return
    start, length = _span(array, found[0])
    try:
        found[0].madvise(option, start, length if most is None else min(length, most))
    except (OSError, ValueError):
        return


def read_ahead(array: object) -> None:
    """Ask the kernel to start reading a mapped array (its beginning, where it is large)."""
    _advise(array, "MADV_WILLNEED", _AHEAD)


@contextmanager
def read_in_order(array: object) -> Iterator[None]:
    """Tell the kernel that a mapped array is read from front to back inside the block."""
    _advise(array, "MADV_SEQUENTIAL")
    try:
        yield
    finally:
        _advise(array, "MADV_NORMAL")


def file_stamp(array: object) -> int | None:
    """Return a number that changes when the file under a read-only mapped array does; None for others.

    It stands for the values, which would take a second pass over the file.
    """
    found = _mapping(array)
    if found is None or not isinstance(array, np.ndarray) or array.flags.writeable:
        return None
    name = getattr(found[1], "filename", None)
    if name is None:
        return None
    try:
        state = Path(name).stat()
    except OSError:
        return None
    return hash(
        (
            state.st_dev,
            state.st_ino,
            state.st_size,
            state.st_mtime_ns,
            _span(array, found[0]),
            array.shape,
            array.strides,
            array.dtype.str,
        )
    )
