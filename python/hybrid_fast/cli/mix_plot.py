"""The mix of kinds over time, drawn with block characters or listed as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tables import ValueTable

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from ..sampler import Mix

HEIGHT = 6
"""Lines of the plot; a line has eight levels."""
LEAST = 16
"""Batches of a column, at least: fewer would show rounding."""
BLOCKS = " ▁▂▃▄▅▆▇█"
LISTED = 10
"""Stretches of the table."""


def mix_plot(mix: Mix, unit: str, width: int) -> Group:
    """Draw the monolingual share along a run, one bar a stretch, the share asked for as a line."""
    from rich.console import Group
    from rich.text import Text

    room = max(1, width - 7)
    stretches = max(1, min(room, int(mix.at[-1]) // LEAST))
    found, asked = mix.shares(stretches)
    columns = np.arange(len(found)).repeat(max(1, min(room // len(found), 8)))
    levels = np.rint(found * HEIGHT * 8).astype(int)
    # The line of the asked share, the upper one at a border.
    marks = np.clip(np.ceil(asked * HEIGHT - 1e-9).astype(int) - 1, 0, HEIGHT - 1)
    lines = [
        Text(f"Share of monolingual {unit} over time", style="italic"),
        *(_line(line, columns, levels, marks) for line in reversed(range(HEIGHT))),
    ]
    last = f"{int(mix.at[-1]):,} {unit}"
    axis = "0".ljust(max(2, len(columns) - len(last))) + last
    lines.append(Text(f"{'':>5} {axis}", style="dim"))
    each = f"{mix.at[-1] / len(found):,.0f} {unit} a bar"
    lines.append(Text(f"{'':>5} {each} · █ drawn, ╌ asked for · {_farthest(found, asked)}", style="dim"))
    return Group(*lines)


def _line(line: int, columns: np.ndarray, levels: np.ndarray, marks: np.ndarray) -> Text:
    from rich.text import Text

    label = {HEIGHT - 1: "100 %", HEIGHT // 2 - 1: " 50 %", 0: "  0 %"}.get(line, "")
    text = Text()
    text.append(f"{label:>5} ", style="dim")
    for column in columns.tolist():
        level = int(np.clip(levels[column] - 8 * line, 0, 8))
        if marks[column] == line:
            text.append(BLOCKS[level] if level else "╌", style="bold yellow")
        else:
            text.append(BLOCKS[level], style="cyan")
    return text


def mix_table(mix: Mix, unit: str) -> ValueTable:
    """List the monolingual share of ten stretches of a run beside the share asked for."""
    found, asked = mix.shares(LISTED)
    ends = mix.at[np.arange(1, len(found) + 1) * (len(mix.at) - 1) // len(found)]
    title = f"Share of monolingual {unit} over time"
    table = ValueTable(title, [f"{unit} so far"], ["drawn", "asked for"])
    for end, share, wanted in zip(ends.tolist(), found.tolist(), asked.tolist(), strict=True):
        table.add([f"{end:,}"], [f"{share:.2%}", f"{wanted:.2%}"])
    return table


def _farthest(found: np.ndarray, asked: np.ndarray) -> str:
    return f"at most {np.abs(found - asked).max():.2%} apart"
