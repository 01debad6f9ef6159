"""The only place that prints: the console, the error box and progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console()
stderr = Console(stderr=True)


def show_error(error: Exception) -> None:
    """Print an error as one box on standard error."""
    message = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror and error.filename:
        message = f"{error.strerror}: {error.filename}"
    # As text: brackets in a message are no markup.
    text = Text(message)
    stderr.print(Panel(text, title="Error", title_align="left", style="red"))


@contextmanager
def progress_bars(*, shown: bool = True) -> Iterator[Progress]:
    """Yield a rich progress display on standard error; what fails before its first step leaves no bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, disable=not shown) as bars:
        try:
            yield bars
        except BaseException:
            for task in bars.tasks:
                task.visible = task.completed > 0
            raise
