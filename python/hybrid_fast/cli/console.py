"""The only place that prints: the console, errors, warnings, JSON and progress."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console()
stderr = Console(stderr=True)

BETWEEN = 30.0
"""Seconds between two lines of progress where there is no terminal."""
STANDARD_OUTPUT = Path("-")
"""Stands for standard output where a file is asked for."""


def be_quiet(quiet: bool = True) -> None:
    """Print nothing but errors, warnings and JSON that was asked for."""
    console.quiet = quiet


def show_error(message: str, label: str = "Error:", style: str = "bold red") -> None:
    """Print one line on standard error; a terminal wraps it, a log keeps it whole."""
    # As text: brackets in a message are no markup.
    line = Text.assemble((label, style), " ", message)
    stderr.print(line, soft_wrap=True, highlight=False)


def show_warnings() -> None:
    """Print warnings as one line each, without the place in the source."""

    def shown(message: Warning | str, *_: Any, **__: Any) -> None:
        show_error(str(message), "Warning:", "bold yellow")

    warnings.showwarning = shown


def say(line: str) -> None:
    """Print a sentence whose paths and commands can be copied."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def write_json(target: Path, data: Any) -> None:
    """Write JSON to a file, or to standard output where ``target`` is "-"."""
    from json import dumps

    from ..atomic import write_text

    text = dumps(data, indent=1, ensure_ascii=False) + "\n"
    if target == STANDARD_OUTPUT:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(target, text)


class Bars(Protocol):
    """What commands report their progress to; as rich's ``Progress``."""

    def add_task(self, description: str, *, total: float | None, visible: bool = True) -> Any:
        """Begin a task and return its number."""
        ...

    def update(
        self,
        task_id: Any,
        *,
        completed: float | None = None,
        total: float | None = None,
        visible: bool | None = None,
    ) -> None:
        """Say how far a task is."""
        ...


class PlainLines:
    """Progress in a log: now and then a line, and none of what ends before the first is due."""

    def __init__(self) -> None:
        self._tasks: list[list[Any]] = []
        self._due = time.monotonic() + BETWEEN

    def add_task(self, description: str, *, total: float | None, visible: bool = True) -> int:
        """Begin a task and return its number."""
        self._tasks.append([description, total])
        return len(self._tasks) - 1

    def update(
        self,
        task_id: int,
        *,
        completed: float | None = None,
        total: float | None = None,
        visible: bool | None = None,
    ) -> None:
        """Print how far a task is, if the last line is long ago."""
        task = self._tasks[task_id]
        task[1] = task[1] if total is None else total
        if completed is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + BETWEEN
        of = f" of {task[1]:,.0f}" if task[1] else ""
        stderr.print(f"{task[0]}: {completed:,.0f}{of}", soft_wrap=True, highlight=False, markup=False)


class NoLines(PlainLines):
    """Progress that nobody asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._due = float("inf")


@contextmanager
def progress_bars(*, shown: bool = True) -> Iterator[Bars]:
    """Yield bars on a terminal, an occasional line in a log, nothing where --quiet was given.

    All go to standard error. What fails before its first step leaves no bar.
    """
    if console.quiet or not shown:
        yield NoLines()
        return
    if not stderr.is_terminal:
        yield PlainLines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr) as bars:
        try:
            yield bars
        except BaseException:
            for task in bars.tasks:
                task.visible = task.completed > 0
            raise


def notice(line: str) -> None:
    """Print a line about what happens, on standard error, above the bars."""
    if not console.quiet:
        stderr.print(line, soft_wrap=True, highlight=False, markup=False)
