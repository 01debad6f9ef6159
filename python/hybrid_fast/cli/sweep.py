"""``hybrid-fast sweep``: train at several ratios and seeds under equal conditions."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..config import SweepConfig

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def sweep(
    *,
    config: Annotated[SweepConfig, Parameter(name="*")] = SweepConfig(),  # noqa: B008  frozen
    out: Path,
) -> None:
    """Train at several ratios and seeds under equal conditions, evaluating on the way.

    Finished runs are skipped and interrupted ones go on, so the same command can be given again
    after Ctrl-C, a crash or a power cut. More ratios, seeds or learning rates extend a sweep.

    Args:
        config: The sweep.
        out: The sweep folder; hybrid-fast report reads it.
    """
    from ..sweeping import results, summary
    from ..sweeping import sweep as run_sweep
    from .console import console, notice, progress_bars

    command = shlex.join(["hybrid-fast", *sys.argv[1:]])
    with progress_bars() as bars:
        task = bars.add_task("Steps of all runs", total=None)
        run_sweep(
            config,
            out,
            command=command,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
            notice=notice,
        )
    table = summary(results(out, finished_only=True))
    for measure in dict.fromkeys(table["measure"]):
        rows = table[table["measure"] == measure]
        seeds = rows["seeds"].max()
        console.print(f"\nFinal {measure} against the ratio of monolingual batches, mean of {seeds} seeds")
        console.print(_table(rows))
    console.print(f"hybrid-fast report {out} writes the report.", soft_wrap=True, markup=False)


def _table(rows: pd.DataFrame) -> Table:
    """Return one measure after the last step: places as rows, ratios as columns, mean over seeds."""
    from rich.box import SIMPLE
    from rich.table import Table

    ratios = sorted(set(rows["mono_ratio"]))
    table = Table(box=SIMPLE, pad_edge=False)
    place = ["evaluation", "setting", "tier", "learning_rate"]
    if rows["learning_rate"].nunique() == 1:
        place.remove("learning_rate")
    for name in place:
        table.add_column(name.replace("_", " "), no_wrap=True)
    for ratio in ratios:
        table.add_column(f"{ratio:g}", justify="right", no_wrap=True)
    for key, group in rows.groupby(place, sort=False):
        values = dict(zip(group["mono_ratio"], group["value"], strict=True))
        best = max(values.values())
        cells = [
            ""
            if ratio not in values
            else f"[bold]{values[ratio]:.4f}[/]"
            if values[ratio] == best
            else f"{values[ratio]:.4f}"
            for ratio in ratios
        ]
        table.add_row(*(f"{part:g}" if isinstance(part, float) else str(part) for part in key), *cells)
    return table
