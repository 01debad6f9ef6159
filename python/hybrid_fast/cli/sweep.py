"""``hybrid-fast sweep``: train at several ratios and seeds under equal conditions."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..config import SweepConfig
from .tables import ValueTable
from .targets import check_folder

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    *,
    config: Annotated[SweepConfig, Parameter(name="*")] = SweepConfig(),  # noqa: B008  frozen
    out: Path,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Train at several ratios and seeds under equal conditions, evaluating on the way.

    Finished runs are skipped and interrupted ones go on, so the same command can be given again
    after Ctrl-C, a crash or a power cut. More ratios, seeds or learning rates extend a sweep.

    Args:
        config: The sweep.
        out: The sweep folder; hybrid-fast report reads it.
        dry_run: Say what would be trained and what is finished; write nothing.
    """
    check_folder(out)
    if dry_run:
        from .dry_run import show_sweep

        show_sweep(config, out)
        return

    from ..sweeping import results, summary, tier_labels
    from ..sweeping import sweep as run_sweep
    from ..sweeping.description import read_description
    from .console import console, notice, progress_bars, say

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
    table["tier"] = table["tier"].replace(tier_labels(read_description(out)))
    for measure in dict.fromkeys(table["measure"]):
        rows = table[table["measure"] == measure]
        seeds = int(rows["seeds"].max())
        of = f"mean of {seeds} seed{'s' * (seeds > 1)}"
        title = f"Final {measure} against the ratio of monolingual batches, {of}"
        console.print(_table(title, rows))
    say(f"\nhybrid-fast report {shlex.quote(str(out))} writes the report.")


def _table(title: str, rows: pd.DataFrame) -> ValueTable:
    """Return one measure after the last step: places as rows, ratios as columns, mean over seeds."""
    ratios = sorted(set(rows["mono_ratio"]))
    place = ["evaluation", "setting", "tier", "learning_rate"]
    if rows["learning_rate"].nunique() == 1:
        place.remove("learning_rate")
    table = ValueTable(title, [name.replace("_", " ") for name in place], [f"{ratio:g}" for ratio in ratios])
    for key, group in rows.groupby(place, sort=False):
        values = dict(zip(group["mono_ratio"], group["value"], strict=True))
        best = max(values.values())
        table.add(
            [f"{part:g}" if isinstance(part, float) else str(part) for part in key],
            [f"{values[ratio]:.4f}" if ratio in values else "" for ratio in ratios],
            best=[at for at, ratio in enumerate(ratios) if values.get(ratio) == best],
        )
    return table
