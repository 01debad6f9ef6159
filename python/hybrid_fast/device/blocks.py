"""Embeddings brought to the device: whole, a choice of rows, or block after block."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Matrix, embeddings
from ..errors import InvalidShape

Stored = NDArray[Any] | torch.Tensor
"""What :func:`stored` returns: a NumPy matrix on the host, or a tensor on the device."""

_TYPES = {"float32": torch.float32, "float16": torch.float16, "uint16": torch.bfloat16}


def stored(value: Matrix, name: str, device: torch.device) -> Stored:
    """Return checked embeddings where they lie: a tensor on ``device``, else a NumPy matrix.

    Raises:
        TypeError: another element type, or another device; the message names the cast to make.
        InvalidShape: not two dimensions.
    """
    if not isinstance(value, torch.Tensor) or value.device.type == "cpu" != device.type:
        return embeddings(value, name)
    if value.device != device:
        raise TypeError(
            f"{name} is on {value.device}, the search runs on {device}; pass {name}.to('{device}')"
        )
    if value.layout is not torch.strided:
        raise TypeError(f"{name} is sparse; pass {name}.to_dense()")
    if value.dtype not in _TYPES.values():
        raise TypeError(
            f"{name} is {value.dtype}, and scores are computed in float32; cast it: {name}.float()"
        )
    if value.ndim != 2:
        raise InvalidShape(f"{name} has {value.ndim} dimensions, expected a matrix with 2")
    return value.detach()


def rows_on(device: torch.device, matrix: Stored, rows: NDArray[np.int64]) -> torch.Tensor:
    """Return chosen rows on the device, in the type they are stored in."""
    if isinstance(matrix, torch.Tensor):
        return matrix[torch.from_numpy(rows).to(device)]
    return _tensor(np.ascontiguousarray(matrix[rows])).to(device)


def blocks_on(device: torch.device, matrix: Stored, length: int) -> Iterator[torch.Tensor]:
    """Yield blocks of ``length`` rows (the last may be shorter) on the device.

    Rows on the host pass through two buffers, page-locked where the device is a GPU; while one block
    is worked on, the next is read and copied.
    """
    starts = range(0, len(matrix), length)
    if isinstance(matrix, torch.Tensor):
        yield from (matrix[start : start + length] for start in starts)
        return
    staging = _Staging(device, matrix, length)
    with ThreadPoolExecutor(1) as reader:
        following = None
        for start in starts:
            block = (following or reader.submit(staging.load, start)).result()
            following = reader.submit(staging.load, start + length)
            yield staging.ready(*block)


class _Staging:
    """Two host buffers that blocks pass through in turn."""

    def __init__(self, device: torch.device, matrix: NDArray[Any], length: int) -> None:
        self.device, self.matrix, self.length = device, matrix, length
        shape = (min(length, len(matrix)), matrix.shape[1])
        kind, on_gpu = _TYPES[matrix.dtype.name], device.type == "cuda"
        self.buffers = [torch.empty(shape, dtype=kind, device="cpu", pin_memory=on_gpu) for _ in range(2)]
        self.copied: list[torch.cuda.Event | None] = [None, None]
        self.stream = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]  # torch's own

    def load(self, start: int) -> tuple[torch.Tensor, torch.cuda.Event | None]:
        """Read a block into the buffer whose turn it is and start its copy."""
        turn = start // self.length % 2
        rows = self.matrix[start : start + self.length]
        buffer, event = self.buffers[turn][: len(rows)], self.copied[turn]
        if event is not None:
            event.synchronize()
        np.copyto(_bits(buffer), rows)
        if self.stream is None:
            return buffer, None
        with torch.cuda.stream(self.stream):
            block = buffer.to(self.device, non_blocking=True)
            event = self.copied[turn] = self.stream.record_event()
        return block, event

    def ready(self, block: torch.Tensor, event: torch.cuda.Event | None) -> torch.Tensor:
        """Let the caller's stream wait for the copy."""
        if event is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(event)
            # Its memory is not given away before the caller's work on it is done.
            block.record_stream(stream)
        return block


def _bits(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a host tensor as the NumPy array it shares memory with; bfloat16 as uint16."""
    if tensor.dtype is torch.bfloat16:
        bits: NDArray[Any] = tensor.view(torch.int16).numpy()
        return bits.view(np.uint16)
    array: NDArray[Any] = tensor.numpy()
    return array


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    if array.dtype == np.uint16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
