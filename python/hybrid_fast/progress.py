"""How long work reports itself: library code calls a :class:`Progress`, only the command line draws one."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called between blocks of work; an exception raised here stops the work cleanly."""

    def __call__(self, done: int, total: int, /) -> object:
        """Report that ``done`` of ``total`` units are finished."""
        ...
