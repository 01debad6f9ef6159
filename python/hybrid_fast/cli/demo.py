"""``hybrid-fast demo``: the whole path on the embedded corpus, with nothing to download."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
import textwrap
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ..arrays import count_of
from ..config import SweepConfig, load
from .tables import ValueTable
from .targets import check_folder

if TYPE_CHECKING:
    import pandas as pd

RECIPE = "demo.toml"
SHOWN = {"RR@10": "MRR@10", "AP": "mAP"}


def demo(
    *,
    out: Path = Path("demo"),
    ratios: tuple[float, ...] | None = None,
    seeds: tuple[int, ...] | None = None,
    steps: int | None = None,
    warm_up: int = 150,
) -> None:
    """Run a small sweep on the embedded corpus and encoder, offline, and write its report.

    Makes a tiny multilingual encoder, trains it at several ratios of monolingual batches on one half
    of a corpus in ten languages, tests it on the other half, and ends with a table and the path of
    the report. What is finished is kept: the same command goes on after Ctrl-C.

    Args:
        out: Folder for the encoder, the runs and the report.
        ratios: Shares of monolingual batches; default: 0, 0.5 and 1.
        seeds: Seeds; each ratio is run with each; default: 1 and 2.
        steps: Training steps of a run; default: 80.
        warm_up: Unsupervised steps that make the encoder.
    """
    count_of(warm_up, "warm_up", 0)
    config = _recipe(ratios, seeds, steps)
    check_folder(out)

    from ..corpus import load_source
    from ..encoder.tiny import TinyEncoderConfig, tiny_encoder
    from ..reporting import report
    from ..sweeping import sweep
    from ..sweeping.description import check_place
    from .console import console, progress_bars, say

    check_place(out / "sweep")
    # Only the training half: no sentence of the test half is read before the test.
    corpus = load_source(config.train.sources[0])
    with progress_bars() as bars:
        making = bars.add_task("Warming up the encoder", total=warm_up)
        encoder = tiny_encoder(
            [*corpus.queries.texts, *corpus.passages.texts],
            out / "encoder",
            TinyEncoderConfig(steps=warm_up),
            progress=lambda done, total: bars.update(making, completed=done),
        )
        bars.update(making, completed=warm_up)
        training = bars.add_task("Steps of all runs", total=None)
        folder = sweep(
            _with_encoder(config, encoder),
            out / "sweep",
            command=shlex.join(["hybrid-fast", *sys.argv[1:]]),
            progress=lambda done, total: bars.update(training, completed=done, total=total),
        )
        drawing = bars.add_task("Figures of the report", total=None)
        page = report(folder, progress=lambda done, total: bars.update(drawing, completed=done, total=total))
    console.print(_table(folder))
    console.print(
        "\nA demonstration on generated sentences with a tiny encoder: "
        "its numbers say nothing about real ones."
    )
    say(f"Report: {page}")


def _recipe(
    ratios: tuple[float, ...] | None, seeds: tuple[int, ...] | None, steps: int | None
) -> SweepConfig:
    """Return the shipped recipe with what was asked for on the command line."""
    with resources.as_file(resources.files(__package__).joinpath(RECIPE)) as path:
        config = load(SweepConfig, path)
    train = config.train
    if steps is not None:
        at = sorted({*(step for step in train.evaluate_at if step < steps), steps})
        train = dataclasses.replace(train, steps=steps, evaluate_at=tuple(at))
    config = dataclasses.replace(
        config,
        train=train,
        ratios=config.ratios if ratios is None else ratios,
        seeds=config.seeds if seeds is None else seeds,
    )
    # One run a core is faster than several cores a run for an encoder as small as this.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return dataclasses.replace(config, jobs=min(cores, 4, len(config.ratios) * len(config.seeds)))


def _with_encoder(config: SweepConfig, folder: Path) -> SweepConfig:
    encoder = dataclasses.replace(config.train.encoder, model=str(folder))
    return dataclasses.replace(config, train=dataclasses.replace(config.train, encoder=encoder))


def _table(folder: Path) -> ValueTable:
    """Return the final means per setting, ratio and tier, between the untouched encoder and chance."""
    from ..reporting.chance import chance
    from ..sweeping import results, summary, tier_labels
    from ..sweeping.description import read_description

    description = read_description(folder)
    rows = results(folder, finished_only=True)
    after = summary(rows, tuple(SHOWN))
    before = summary(rows[rows["step"] == 0], tuple(SHOWN))
    tiers = list(description["tiers"])
    labels = tier_labels(description)
    seeds = int(after["seeds"].max())

    columns = []
    for tier in tiers:
        languages = textwrap.fill(" ".join(description["tiers"][tier]), 11)
        columns.append(f"{labels[tier]}\n{languages}")
    title = f"{' / '.join(SHOWN.values())} on the test half, mean of {seeds} seed{'s' * (seeds > 1)}"
    table = ValueTable(title, ["ratio of\nmonolingual\nbatches"], columns)
    for (evaluation, setting), part in after.groupby(["evaluation", "setting"], sort=False):
        stated = description["evaluations"][evaluation]
        together = setting == "multilingual"
        golds = len(stated["languages"]) if together else 1
        pool = stated["passages"] if together else stated["passages"] // len(stated["languages"])
        at_random = _cell([chance(measure, pool, golds) for measure in SHOWN])
        start = before[(before["evaluation"] == evaluation) & (before["setting"] == setting)]
        table.add([setting], style="bold")
        table.add(["chance"], [at_random for _ in tiers], style="dim")
        table.add(["untouched"], [_means(start, tier) for tier in tiers], style="dim")
        ratios = sorted(set(part["mono_ratio"]))
        for ratio in ratios:
            runs = part[part["mono_ratio"] == ratio]
            table.add([f"{ratio:g}"], [_means(runs, tier) for tier in tiers], ends=ratio == ratios[-1])
    return table


def _means(rows: pd.DataFrame, tier: str) -> str:
    values = rows[rows["tier"] == tier].groupby("measure")["value"].mean().to_dict()
    return _cell([values.get(measure) for measure in SHOWN])


def _cell(values: Sequence[float | None]) -> str:
    """Write shares without their leading zero, to fit four tiers into a terminal of 80 columns."""
    return " / ".join("–" if value is None else f"{value:.3f}".removeprefix("0") for value in values)
