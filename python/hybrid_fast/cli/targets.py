"""Where a command is told to write, checked before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .console import STANDARD_OUTPUT
from .options import UsageError


def check_folder(path: Path, option: str = "--out") -> None:
    """Refuse a folder that cannot be made or written into.

    Raises:
        UsageError: a file is in its way, or the rights are missing.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{option} is {path}, which is a file; give a folder")
    _check_writable(path, option)


def check_file(path: Path, option: str, read: Sequence[Path] = ()) -> None:
    """Refuse a file that cannot be written, or that the command reads; "-" is standard output.

    Raises:
        UsageError: it is a folder or one of the files to read, a file is in its way, or the rights are
            missing.
    """
    if path == STANDARD_OUTPUT:
        return
    if path.exists() and any(one.exists() and one.samefile(path) for one in read):
        raise UsageError(f"{option} is {path}, which the command reads; choose another name")
    if path.is_dir():
        raise UsageError(f"{option} is {path}, which is a folder; give a file")
    _check_writable(path.parent, option)


def _check_writable(folder: Path, option: str) -> None:
    there = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
    if not there.is_dir():
        raise UsageError(f"{option} lies below {there}, which is a file; choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{option} lies in {there}, where you may not write; choose another place")
