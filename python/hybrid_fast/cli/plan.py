"""``hybrid-fast plan``: the batches that a training would draw, counted without training."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..arrays import count_of
from ..config import SourceConfig, TrainConfig
from .console import STANDARD_OUTPUT, write_json
from .tables import FactTable, ValueTable
from .targets import check_file

if TYPE_CHECKING:
    from ..corpus import Identities
    from ..sampler import HybridBatchSampler, Simulation

DEFAULTS = TrainConfig()
MOST_STRATA = 12
MOST_LEFT_OUT = 100_000
"""Most languages of which the matrix of rows drawn is shown."""


def plan(
    *,
    config: Annotated[TrainConfig, Parameter(name="*")] = DEFAULTS,
    source: tuple[SourceConfig, ...] = (),
    batches: int | None = None,
    json: Path | None = None,
) -> None:
    """Show the batches a training run would draw, without training.

    Reads the sources, draws every batch and counts: batches of each kind and how far they are from
    what was asked, the mix over time, rows and groups per language on both sides, passes of each
    language pair, duplicates. Equal digests mean equal batches.

    For example: hybrid-fast plan --source demo --sampler.batch-size 16 --sampler.mono-ratio 0.25

    Args:
        config: The run, as train takes it; only sources, hold-out, sampler, steps and seed matter here.
        source: Sources to read beside those of the configuration: NAME or NAME:FOLDER.
        batches: How many batches to draw; default: one epoch.
        json: Write all numbers to this file, too; "-" is standard output, and nothing else goes there then.
    """
    from ..corpus import corpus_identities, load_sources
    from ..errors import ConfigError
    from ..sampler import HybridBatchSampler, simulate
    from ..sampler.configured import check_texts, index_and_negatives
    from .console import console, progress_bars
    from .mix_plot import mix_plot, mix_table

    check_texts(config.sampler)
    if batches is not None:
        count_of(batches, "batches", 1)
    if json is not None:
        check_file(json, "--json")
    sources = (*config.sources, *source)
    if not sources:
        raise ConfigError("no source is named; give --source NAME (for instance demo) or a --config file")
    corpus = load_sources(sources, hold_out=config.hold_out)
    same = corpus_identities(corpus, config.sampler.identities)
    index, negatives = index_and_negatives(corpus, config.sampler, same)
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
    if json is not None:
        _write(json, sampler, found)
        if json == STANDARD_OUTPUT:
            return
    unit = "batches" if sampler.unit == "batch" else "rows"
    console.print(_summary(sampler, found, unit, same))
    if console.is_terminal:
        console.print(mix_plot(found.mix, unit, console.width))
    else:
        console.print(mix_table(found.mix, unit))
    console.print(_languages(found))
    if 1 < len(sampler.index.languages) <= MOST_STRATA:
        console.print(_strata(found))


def _summary(sampler: HybridBatchSampler, found: Simulation, unit: str, same: Identities) -> FactTable:
    from ..sampler.schedules import label

    turns = unit if sampler.cross == "homogeneous" else "rows"
    left_out = sampler.left_out
    shown = ", ".join(left_out[:8]) + (f" and {len(left_out) - 8:,} more" if len(left_out) > 8 else "")
    facts = [
        ("batches drawn", f"{found.batches:,} of {sampler.batch_size} rows"),
        ("batches of an epoch", f"{sampler.global_batches:,}"),
        ("ratio asked for", label(sampler.mono_ratio)),
        (f"monolingual {unit}", f"{found.by_kind['monolingual']:,}"),
        (f"cross-lingual {unit}", f"{found.by_kind['cross-lingual']:,}"),
        ("drift from the ratio", f"at most {found.drift:.2f} {unit} ({sampler.mixing})"),
        ("a language from its share", f"at most {found.language_drift:.2f} {unit}"),
        ("a language pair from its share", f"at most {found.stratum_drift:.2f} {turns}"),
        ("different pairs drawn", f"{found.pairs:,} of {found.available:,}"),
        ("duplicates in a batch", f"{found.duplicates:,}"),
        *((f"same {one} in a batch (guard off)", f"{n:,}") for one, n in found.unguarded.items()),
        ("rows not placed", f"{found.not_placed:,}"),
        *((f"{side} ({', '.join(same.rules)})", text) for side, text in same.sides().items()),
        *((("hard negatives", str(sampler.negatives)),) if sampler.negatives is not None else ()),
        *(("too frequent", text) for text in found.frequent[:5]),
        ("without pairs, left out", shown or "none"),
        ("seed", f"{sampler.seed}"),
        ("digest", found.digest),
    ]
    return FactTable("Plan", facts)


def _languages(found: Simulation) -> ValueTable:
    from ..corpus import language_name

    ledger = found.exposure
    table = ValueTable(
        "Exposure: what is seen of each language",
        ["code", "language"],
        ["query rows", "passage rows", "share", "queries seen", "passages seen", "passes"],
        keys=1,
    )
    passes = ledger.passes.diagonal()
    columns = (
        *(ledger.query_rows, ledger.passage_rows, ledger.query_groups, ledger.passage_groups),
        *(ledger.all_query_groups, ledger.all_passage_groups, passes, ledger.available.diagonal()),
    )
    for code, row in zip(ledger.languages, zip(*(one.tolist() for one in columns), strict=True), strict=True):
        asked, answered, asking, answering, queries, passages, passed, alone = row
        table.add(
            [code, language_name(code)],
            [
                f"{asked:,}",
                f"{answered:,}",
                f"{(asked + answered) / (2 * found.rows):.1%}",
                _part(asking, queries),
                _part(answering, passages),
                f"{passed:.2f}" if alone else "–",
            ],
        )
    return table


def _part(seen: int, all_there: int) -> str:
    return f"{seen / all_there:.1%}" if all_there else "–"


def _strata(found: Simulation) -> ValueTable:
    ledger = found.exposure
    codes = ledger.languages
    table = ValueTable("Passes (query language by line)", [""], list(codes))
    there = (ledger.available > 0).tolist()
    for code, row, has in zip(codes, ledger.passes.tolist(), there, strict=True):
        table.add([code], [f"{one:.2f}" if any_ else "–" for one, any_ in zip(row, has, strict=True)])
    return table


def _write(path: Path, sampler: HybridBatchSampler, found: Simulation) -> None:
    plan = {
        "batch_size": sampler.batch_size,
        "batches_per_epoch": sampler.global_batches,
        "mixing": sampler.mixing,
        "unit": sampler.unit,
        "cross": sampler.cross,
        "guard": list(sampler.guard),
        "seed": sampler.seed,
        "left_out": list(sampler.left_out[:MOST_LEFT_OUT]),
    }
    write_json(path, {**plan, **found.to_mapping()})
