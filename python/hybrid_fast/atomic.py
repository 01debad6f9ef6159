"""Files that are whole or not there: written to a temporary name, then renamed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on error it is removed.

    Missing parent folders are made. OSError (full disk, no permission) passes through.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_leftover(path: Path) -> bool:
    """Tell whether a path is a temporary file of :func:`replacing`, which a killed process may leave."""
    return re.fullmatch(r"\..+\.\d+\.tmp", path.name) is not None and path.is_file()


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder that no other process writes to."""
    for item in folder.glob(".*.tmp"):
        if is_leftover(item):
            item.unlink()
