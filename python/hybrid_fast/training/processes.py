"""The processes of a run: one, or those that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from ..errors import RunError

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""How long the others wait while the first process evaluates."""


@dataclass(frozen=True)
class Processes:
    """A process among those of its run.

    Attributes:
        rank: its number; the first writes all files.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def of_this_run(cls) -> Processes:
        """Return where this process stands; connects it to the others where torchrun started several."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        import torch
        from accelerate import PartialState

        # Without a GPU accelerate takes torchrun's processes for single ones unless it is told.
        state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
        return cls(rank=state.process_index, count=state.num_processes)

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def from_first(self, make: Callable[[], T]) -> T:
        """Return to every process what the first one makes.

        Raises:
            RunError: ``make`` failed in the first process, which raises its own error.
        """
        if self.count == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        made: list[T | str | None] = [None, None]
        failure: Exception | None = None
        if self.first:
            try:
                made = [make(), None]
            except Exception as error:
                failure, made = error, [None, f"{type(error).__name__}: {error}"]
        broadcast_object_list(made)
        if failure is not None:
            raise failure
        if made[1] is not None:
            raise RunError(f"the first process failed: {made[1]}")
        return made[0]  # type: ignore[return-value]  # what make() returned

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()
