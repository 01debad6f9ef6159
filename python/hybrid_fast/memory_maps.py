"""Arrays that lie in memory-mapped files: what the kernel is told about them, and their fingerprint."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidArgument

# Bytes: enough to keep a disk busy, little beside a machine's memory.
_AHEAD = 1 << 26


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


def _advise(array: object, advice: str) -> None:
    """Tell the kernel how a mapped array is read; nothing happens where that cannot be told."""
    found = _mapping(array)
    option = getattr(mmap, advice, None)
    if found is None or option is None or not isinstance(array, np.ndarray) or array.size == 0:
        return
    start, length = _span(array, found[0])
    try:
        found[0].madvise(option, start, length)
    except (OSError, ValueError):
        return


class ReadAhead:
    """Keeps the kernel reading a bounded stretch ahead in matrices that are worked on one after another.

    Faults alone read a mapped file in small pieces, each waited for. Matrices in memory are left alone.

    Args:
        matrices: the shards of a corpus, in order.
    """

    def __init__(self, matrices: Sequence[Any]) -> None:
        self.matrices, self.asked = matrices, 0
        self.edges = [0, *accumulate(map(len, matrices))]
        row = max((matrix.nbytes // len(matrix) for matrix in matrices if len(matrix)), default=1)
        self.window = max(_AHEAD // max(row, 1), 1)

    def reached(self, row: int) -> None:
        """Ask for the rows of all shards up to a window after ``row``, those not asked for before."""
        stop = min(row + self.window, self.edges[-1])
        # In large pieces: a request costs a pass over the pages it names.
        if stop - self.asked < self.window // 4 and stop < self.edges[-1]:
            return
        for matrix, (first, last) in zip(self.matrices, pairwise(self.edges), strict=True):
            if first < stop and self.asked < last and _mapping(matrix) is not None:
                _advise(matrix[max(self.asked - first, 0) : stop - first], "MADV_WILLNEED")
        self.asked = max(self.asked, stop)


def check_whole(array: object, name: str) -> None:
    """Refuse an array whose mapped file has become shorter: what was cut off cannot be read any more.

    Reading there would end the process (SIGBUS), so it is asked between the steps of a search; a file cut in
    the middle of one is not noticed in time. Arrays in memory are taken as they are.

    Args:
        array: what is read.
        name: what the message calls it.

    Raises:
        InvalidArgument: names the array and its file.
    """
    found = _mapping(array)
    if found is None or not isinstance(array, np.ndarray) or array.size == 0:
        return
    mapped, opener = found
    start, length = _span(array, mapped)
    # A map begins on an edge before the data.
    offset = getattr(opener, "offset", 0)
    needed = offset - offset % mmap.ALLOCATIONGRANULARITY + start + length
    try:
        size = mapped.size()
    except (OSError, ValueError):  # a map without a file
        return
    if size < needed:
        file = getattr(opener, "filename", None)
        where = f"{name}, mapped from {file}," if file is not None else f"{name}, a mapped file,"
        raise InvalidArgument(
            f"{where} has {size} bytes left of the {needed} that the array needs; it was cut short while it "
            "was open: write it again, and replace files instead of changing them"
        )


def mapped_matrix(path: str | Path) -> NDArray[Any]:
    """Map an ``.npy`` file into memory, read-only.

    Raises:
        InvalidArgument: a file that is no ``.npy``, or is shorter than its header says.
        OSError: no such file, or no permission.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "mmap length" in str(error):
            size = Path(path).stat().st_size
            raise InvalidArgument(
                f"{path} is not a whole NumPy file (.npy): it has {size} bytes, fewer than its header says; "
                "it was cut off, write it again"
            ) from None
        if "pickled" in str(error):  # NumPy's guess at what is no array
            raise InvalidArgument(f"{path} is no NumPy file (.npy); write it with numpy.save") from None
        raise InvalidArgument(f"{path} is not a whole NumPy file of numbers (.npy): {error}") from None
    except EOFError:
        raise InvalidArgument(f"{path} is not a whole NumPy file (.npy): it is empty") from None
    if not isinstance(array, np.ndarray):
        raise InvalidArgument(f"{path} is an archive of several arrays, expected one array (.npy)")
    return array


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
