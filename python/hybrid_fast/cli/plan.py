"""``hybrid-fast plan``: the batches that a training would draw, counted without training."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..config import SourceConfig, TrainConfig

if TYPE_CHECKING:
    from rich.table import Table

    from ..sampler import HybridBatchSampler, Simulation

DEFAULTS = TrainConfig()
MOST_STRATA = 12
"""Most languages of which the matrix of rows drawn is shown."""


def plan(
    *,
    config: Annotated[TrainConfig, Parameter(name="*")] = DEFAULTS,
    source: tuple[str, ...] = (),
    batches: int | None = None,
) -> None:
    """Show the batches a training run would draw, without training.

    Reads the sources, draws every batch and counts: batches of each kind, rows per language on both
    sides, what came at least once, duplicates. Equal digests mean equal batches.

    For example: hybrid-fast plan --source demo --sampler.batch-size 16 --sampler.mono-ratio 0.25

    Args:
        config: The run, as train takes it; only sources, hold-out, sampler, steps and seed matter here.
        source: Sources to read beside those of the configuration: NAME or NAME:FOLDER.
        batches: How many batches to draw; default: one epoch.
    """
    from ..corpus import load_sources
    from ..errors import ConfigError
    from ..sampler import HybridBatchSampler, index_and_negatives, simulate
    from .console import console, progress_bars

    sources = (*config.sources, *(_source(item) for item in source))
    if not sources:
        raise ConfigError("no source is named; give --source NAME (for instance demo) or a --config file")
    corpus = load_sources(sources, hold_out=config.hold_out)
    index, negatives = index_and_negatives(corpus, config.sampler)
    with warnings.catch_warnings():
        # The tables name frequent identities.
        warnings.simplefilter("ignore", UserWarning)
        sampler = HybridBatchSampler.from_config(
            index, config.sampler, seed=config.seed, hard_negatives=negatives
        )
    with progress_bars() as bars:
        task = bars.add_task("Drawing batches", total=None)
        found = simulate(
            sampler,
            batches=batches,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    console.print(_summary(sampler, found))
    console.print(_languages(found))
    if 1 < len(sampler.index.languages) <= MOST_STRATA:
        console.print(_strata(sampler, found))


def _source(item: str) -> SourceConfig:
    name, _, folder = item.partition(":")
    return SourceConfig(name=name, path=Path(folder) if folder else None)


def _summary(sampler: HybridBatchSampler, found: Simulation) -> Table:
    from rich.table import Table

    table = Table(title="Plan", show_header=False, title_justify="left")
    unit = "batches" if sampler.unit == "batch" else "rows"
    left_out = sampler.left_out
    shown = ", ".join(left_out[:8]) + (f" and {len(left_out) - 8:,} more" if len(left_out) > 8 else "")
    for label, value in (
        ("batches drawn", f"{found.batches:,} of {sampler.batch_size} rows"),
        ("batches of an epoch", f"{len(sampler):,}"),
        (f"monolingual {unit}", f"{found.by_kind['monolingual']:,}"),
        (f"cross-lingual {unit}", f"{found.by_kind['cross-lingual']:,}"),
        ("drift from the ratio", f"at most {found.drift:.2f} {unit} ({sampler.mixing})"),
        ("different pairs drawn", f"{found.pairs:,} of {found.available:,}"),
        ("duplicates in a batch", f"{found.duplicates:,}"),
        *((f"same {name} in a batch (guard off)", f"{n:,}") for name, n in found.unguarded.items()),
        ("rows not placed", f"{found.not_placed:,}"),
        *(("too frequent", text) for text in found.frequent[:5]),
        ("without pairs, left out", shown or "none"),
        ("seed", f"{sampler.seed}"),
        ("digest", found.digest),
    ):
        table.add_row(label, value)
    return table


def _languages(found: Simulation) -> Table:
    from rich.table import Table

    from ..corpus import language_name

    table = Table(title="Rows drawn per language", title_justify="left")
    table.add_column("code")
    table.add_column("language")
    for label in ("as query", "share", "as passage", "share", "queries covered"):
        table.add_column(label, justify="right")
    for code, asked in found.query_rows.items():
        answered = found.passage_rows[code]
        covered = found.coverage.get(code)
        table.add_row(
            code,
            language_name(code),
            f"{asked:,}",
            f"{asked / found.rows:.1%}",
            f"{answered:,}",
            f"{answered / found.rows:.1%}",
            "–" if covered is None else f"{covered:.1%}",
        )
    return table


def _strata(sampler: HybridBatchSampler, found: Simulation) -> Table:
    from rich.table import Table

    codes = sampler.index.languages
    table = Table(title="Rows drawn by query language (rows) and passage language", title_justify="left")
    table.add_column("")
    for code in codes:
        table.add_column(code, justify="right")
    for code, row in zip(codes, found.strata.tolist(), strict=True):
        table.add_row(code, *(f"{count:,}" for count in row))
    return table
