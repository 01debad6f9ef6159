"""``hybrid-fast report``: the report of a sweep folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .console import console, progress_bars, say
from .tables import ValueTable

if TYPE_CHECKING:
    from ..reporting import Headline


def report(folder: Path, /) -> None:
    """Write the report of a sweep: one HTML page that opens offline, figures and tables.

    Args:
        folder: Folder that hybrid-fast sweep wrote, finished or not.
    """
    from ..reporting.writing import write

    with progress_bars() as bars:
        task = bars.add_task("figures", total=None)
        path, headline = write(
            folder, progress=lambda done, total: bars.update(task, completed=done, total=total)
        )
    show_headline(headline)
    say(f"Report: {path}")


def show_headline(table: Headline) -> None:
    """Print the final values, a line a ratio, a column a tier."""
    labels = [name for name in table.columns if name in ("learning rate", "ratio α")]
    shown = ValueTable(table.title, labels, table.columns[len(labels) :])
    for row in table.rows:
        shown.add(row[: len(labels)], row[len(labels) :])
    console.print(shown)
