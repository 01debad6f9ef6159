"""Everything random in training, from one seed."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derived_seed(seed: int, purpose: str) -> int:
    """Return a 32-bit seed for one purpose; hashed, so that neighbouring seeds share no stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "little")


def seed_everything(seed: int, rank: int = 0) -> None:
    """Seed Python, NumPy and torch (every device), which dropout and the libraries below draw from.

    Each process draws its own dropout: ``rank`` is its number.
    """
    value = derived_seed(seed, f"training/{rank}" if rank else "training")
    random.seed(value)
    np.random.seed(value)  # noqa: NPY002  libraries below draw from the global generator
    torch.manual_seed(value)


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Give the random state back afterwards, so that evaluating does not change the training."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  as above
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002  as above


@contextmanager
def reproducible(threads: int | None) -> Iterator[None]:
    """Run torch with so many CPU threads, and with repeatable kernels where a GPU has them."""
    before = torch.get_num_threads()
    strict, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    if threads is not None:
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(strict, warn_only=warns)
