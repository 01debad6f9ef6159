"""Checkpoints that are whole or not there, so that a run can be killed at any moment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..atomic import write_text

MARK = "position.json"
"""Written last into a checkpoint: the state of the batches. A folder without it is not one."""


def seal(checkpoint: Path, state: dict[str, Any]) -> None:
    """Declare a checkpoint complete, then remove the older ones."""
    write_text(checkpoint / MARK, json.dumps(state))
    for older in checkpoint.parent.glob("checkpoint-*"):
        if older != checkpoint:
            discard(older)


def latest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest complete checkpoint and the state of its batches; remove torn ones."""
    found = []
    for checkpoint in folder.glob("checkpoint-*"):
        if (checkpoint / MARK).is_file():
            found.append((int(checkpoint.name.rpartition("-")[2]), checkpoint))
        else:
            discard(checkpoint)
    if not found:
        return None
    checkpoint = max(found)[1]
    return checkpoint, json.loads((checkpoint / MARK).read_text(encoding="utf-8"))


def discard(checkpoint: Path) -> None:
    """Remove a checkpoint, its mark first: what a kill leaves of it is not taken for one."""
    (checkpoint / MARK).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)
