"""The pure read: how fast the machine brings a matrix to the processor when nothing else is done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compared.work import Contestant, Setting


def readers(scores: NDArray[np.float32], setting: Setting) -> list[Contestant]:
    """Return several ways to read a matrix once; the fastest of them is the yardstick."""
    flat = scores.reshape(-1)
    ways = [
        Contestant("read: NumPy max", lambda: flat.max(), role="read"),
        Contestant("read: BLAS dot", lambda: np.dot(flat, flat), role="read"),
    ]
    torch = setting.library("torch")
    if torch is not None:
        tensor = torch.from_numpy(flat)
        ways += [
            Contestant("read: torch max", lambda: tensor.max(), role="read"),
            Contestant("read: torch sum", lambda: tensor.sum(), role="read"),
        ]
    return ways
