"""Training time: evaluation and checkpoints are not counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Counts seconds from a start, with pauses."""

    def __init__(self) -> None:
        self._counted = 0.0
        self._since: float | None = None

    def start(self, seconds: float) -> None:
        """Go on counting from ``seconds``."""
        self._counted = seconds
        self._since = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds counted so far."""
        return self._counted + (0.0 if self._since is None else time.perf_counter() - self._since)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count what happens inside."""
        running = self._since is not None
        self._counted, self._since = self.seconds, None
        try:
            yield
        finally:
            if running:
                self._since = time.perf_counter()
