"""``hybrid-fast train``: one run, from configuration to run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..config import TrainConfig
from .console import console, progress_bars, say
from .tables import ValueTable
from .targets import check_folder

DEFAULTS = TrainConfig()


def train(
    *,
    config: Annotated[TrainConfig, Parameter(name="*")] = DEFAULTS,
    out: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Fine-tune an encoder on ratio-controlled batches.

    Writes a run folder: the plan's certificate, a row a step, the metrics of each evaluation, and the
    encoder in ``model``, which opens with sentence-transformers. Interrupted, the same command goes on
    from the last checkpoint (see checkpoint-every); a finished folder is left as it is.

    On several GPUs: torchrun --nproc-per-node 4 -m hybrid_fast train … trains on the same batches, each
    process on its share of them; their number must divide the batch size.

    Args:
        config: The run; every field is an option.
        out: Run folder; default: runs/ and the digest of the configuration.
        dry_run: Say what would be trained and what is finished; write nothing.
    """
    import os

    from ..config import digest

    folder = Path("runs") / digest(config) if out is None else out
    check_folder(folder)
    if dry_run:
        from .dry_run import show_run

        show_run(config, folder)
        return
    from ..evaluation.callback import make_callback
    from ..training import train as run

    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started
    with progress_bars(shown=first) as bars:
        training = bars.add_task("Training", total=config.steps)
        encoding = bars.add_task("Evaluating", total=None, visible=False)
        evaluate = None
        if config.evaluations:
            evaluate = make_callback(
                config,
                folder=folder,
                progress=lambda done, total: bars.update(
                    encoding, completed=done, total=total, visible=done < total
                ),
            )
        run(
            config,
            folder,
            evaluate=evaluate,
            progress=lambda done, total: bars.update(training, completed=done, total=total),
        )
    if first:
        _show(folder)


def _show(folder: Path) -> None:
    """Print the macro means of the last evaluation and where things are."""
    from ..training.records import read_rows

    rows = read_rows(folder / "metrics.jsonl")
    last = [row for row in rows if row["step"] == rows[-1]["step"]]
    whole = {row["evaluation"] for row in last if row["scope"] == "full"}
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in last:
        if (row["scope"] == "full") == (row["evaluation"] in whole) and row["value"] is not None:
            measures = values.setdefault((row["evaluation"], row["setting"]), {})
            measures.setdefault(row["measure"], []).append(row["value"])
    if values:
        names = list(dict.fromkeys(name for measures in values.values() for name in measures))
        headers = [name.replace("_", " ") for name in names]
        table = ValueTable("Macro means after the last step", ["evaluation", "setting"], headers)
        for (evaluation, setting), measures in values.items():
            cells = [
                f"{sum(measures[name]) / len(measures[name]):.3f}" if name in measures else ""
                for name in names
            ]
            table.add([evaluation, setting], cells)
        console.print(table)
    say(f"Run folder: {folder}")
