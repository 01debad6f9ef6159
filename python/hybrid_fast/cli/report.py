"""``hybrid-fast report``: the report of a sweep folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .console import console, progress_bars

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
    console.print(str(path), soft_wrap=True, highlight=False)


def show_headline(table: Headline) -> None:
    """Print the final values, a line a ratio, a column a tier."""
    from rich.table import Table

    shown = Table(title=table.title, title_justify="left", header_style="bold")
    for column in table.columns:
        shown.add_column(column, justify="left" if column in ("learning rate", "ratio α") else "right")
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)
