"""Checkpoints that are whole or not there, so that a run can be killed at any moment."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..errors import RunError

MARK = "position.json"
"""Written last into a checkpoint: the state of the batches. A folder without it is not one."""


def seal(checkpoint: Path, state: dict[str, Any]) -> None:
    """Declare a checkpoint complete, then remove the older ones."""
    write_text(checkpoint / MARK, json.dumps(state))
    for older in _numbered(checkpoint.parent).values():
        if older != checkpoint:
            discard(older)


def latest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest complete checkpoint and the state of its batches; remove torn ones.

    Raises:
        RunError: its mark is damaged.
    """
    for checkpoint in _numbered(folder).values():
        if not (checkpoint / MARK).is_file():
            discard(checkpoint)
    step = latest_step(folder)
    if not step:
        return None
    checkpoint = _numbered(folder)[step]
    try:
        state = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(
            f"{checkpoint / MARK} is damaged ({error}); move {checkpoint} away to go on without it"
        ) from None
    return checkpoint, state


def latest_step(folder: Path) -> int:
    """Return the step of the newest complete checkpoint, 0 where there is none; changes nothing."""
    return max(
        (step for step, checkpoint in _numbered(folder).items() if (checkpoint / MARK).is_file()), default=0
    )


def clear(folder: Path) -> None:
    """Remove the checkpoints, and their folder unless it holds something else."""
    for checkpoint in _numbered(folder).values():
        discard(checkpoint)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def discard(checkpoint: Path) -> None:
    """Remove a checkpoint, its mark first: what a kill leaves of it is not taken for one."""
    (checkpoint / MARK).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def _numbered(folder: Path) -> dict[int, Path]:
    """Return step → folder, for names as the trainer gives them: a copy under another name is the user's."""
    found = {}
    for item in folder.glob("checkpoint-*"):
        name = re.fullmatch(r"checkpoint-(\d+)", item.name)
        if name and item.is_dir():
            found[int(name[1])] = item
    return found
