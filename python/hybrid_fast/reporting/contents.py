"""What the report holds, chapter by chapter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from . import certainty, comparisons, curves, page, ratio_curves, tables
from .answer import answer
from .chance import chance
from .convergence import steps_to_target
from .figure import Figure
from .folder import Cell, SweepFolder, read_losses, read_metrics
from .language_names import language_name
from .page import Section
from .summaries import Summaries, summarise
from .tables import Table
from .words import SETTING_MEANING, alpha, count, listing, measure_title, rate_label


@dataclass(frozen=True)
class Contents:
    """The parts of the page and the data of its tables."""

    title: str
    lead: list[str]
    """HTML before the contents."""
    sections: list[Section]
    figures: list[Figure]
    csv: dict[str, pd.DataFrame]
    """File name without ending → what it holds."""
    summaries: Summaries
    """What it was drawn from."""


def contents(sweep: SweepFolder) -> Contents:
    """Compute everything the report shows.

    Raises:
        RunError: a file of a finished run is missing or malformed.
    """
    metrics = read_metrics(sweep)
    summaries = summarise(sweep, metrics)
    measures = summaries.measures()
    with_bias = measures + (
        ["rank_distance"] if (summaries.tiers["measure"] == "rank_distance").any() else []
    )
    values = certainty.query_values(sweep, summaries, with_bias)
    intervals = certainty.intervals(summaries, values)
    gaps = certainty.differences(summaries, values, with_bias, sweep.ratios)
    chances = chance_levels(sweep, metrics, summaries)
    reached = pd.concat([steps_to_target(summaries, summaries.main_places(), name) for name in measures])
    seen = tables.exposure_rows(sweep)
    ratios, rates = sweep.ratios, sweep.learning_rates

    drawn: list[Figure] = []
    kept: dict[str, pd.DataFrame] = {}

    def show(item: Figure | Table | None) -> list[str]:
        if item is None:
            return []
        if isinstance(item, Figure):
            if not item.variants:
                return []
            drawn.append(item)
            return [page.figure(item, len(drawn))]
        if not item.rows:
            return []
        if item.name:
            kept[item.name] = item.data
        return [page.table(item)]

    first = tables.headline(summaries, intervals, chances)
    sections = [
        Section("Headline numbers", show(first)),
        Section(
            "Learning curves",
            [
                *show(curves.overview(summaries, ratios, rates)),
                *(
                    part
                    for name in summaries.evaluations
                    if len(summaries.settings(name)) > 1
                    for part in show(curves.by_setting(summaries, name, ratios, rates))
                ),
            ],
        ),
        Section(
            "Quality by ratio",
            [
                *show(ratio_curves.by_tier(summaries, intervals, chances)),
                *(
                    part
                    for name in summaries.evaluations
                    for part in show(ratio_curves.by_language(summaries, name))
                ),
                *show(tables.finals(summaries, intervals)),
                *show(tables.languages(summaries)),
            ],
        ),
        Section("Bias and quality", show(comparisons.bias_beside_quality(summaries, ratios, rates))),
        Section(
            "Language pairs",
            [
                part
                for name in summaries.evaluations
                for part in show(comparisons.language_pairs(summaries, name, ratios, rates))
            ],
        ),
        Section(
            "Convergence",
            [
                *show(comparisons.convergence(reached, summaries, ratios, rates)),
                *show(tables.convergence(reached, len(sweep.seeds))),
            ],
        ),
        Section(
            "Differences",
            [
                *show(comparisons.ratio_differences(gaps, summaries, ratios, rates)),
                *show(tables.differences(gaps)),
            ],
        ),
        Section(
            "Exposure",
            [
                *(page.paragraph(text) for text in _proof(sweep)),
                *show(comparisons.exposure(seen, ratios)),
                *show(tables.exposure(sweep, seen)),
            ],
        ),
        Section(
            "Method",
            [*(page.paragraph(text) for text in _method(sweep, summaries)), *show(tables.tier_table(sweep))],
        ),
        Section(
            "Configuration",
            [
                *_configuration(sweep),
                *show(curves.losses(read_losses(sweep), ratios)),
                *show(tables.runs(sweep)),
            ],
        ),
    ]
    for section in sections:
        if not section.parts:
            section.parts.append(page.paragraph("Nothing to show: the sweep has no such values."))
    kept |= tables.long_means(summaries)
    return Contents(
        title=str(sweep.config.get("title") or "Ratio sweep"),
        lead=_lead(sweep, answer(sweep, summaries, intervals, gaps)),
        sections=sections,
        figures=drawn,
        csv=kept,
        summaries=summaries,
    )


def chance_levels(
    sweep: SweepFolder, metrics: pd.DataFrame, summaries: Summaries
) -> dict[tuple[str, str, str, str], float]:
    """Return what a random order scores, per place and measure, where the pool sizes are known.

    A pool is all passages (multilingual) or one language's: the stated one, else the passages over the
    number of passage languages. In the multilingual pool one relevant passage a language is assumed.
    """
    levels = {}
    for evaluation, setting, tier in summaries.places():
        stated = sweep.sweep.get("evaluations", {}).get(evaluation, {})
        key = "sample_passages" if summaries.final_scope[evaluation] == "sample" else "passages"
        passages = stated.get(key) or stated.get("passages")
        if not passages:
            continue
        rows = metrics[(metrics["evaluation"] == evaluation) & (metrics["passage_language"] != "*")]
        languages = rows["passage_language"].nunique() or len(stated.get("languages", [])) or 1
        together = setting == "multilingual"
        pool = int(passages) if together else max(1, round(int(passages) / languages))
        for measure in summaries.measures():
            level = chance(measure, pool, languages if together else 1)
            if level is not None:
                levels[(evaluation, setting, tier, measure)] = level
    return levels


def _lead(sweep: SweepFolder, sentences: list[str]) -> list[str]:
    parts = []
    made = f"hybrid_fast {sweep.sweep.get('version', '')} · {count(len(sweep.runs), 'finished run')}"
    trained = listing([language_name(code) for code in sweep.sweep.get("trained", [])])
    parts.append(page.paragraph(f"{made} · trained on {trained}" if trained else made, "meta"))
    note = str(sweep.config.get("note") or "")
    if note:
        parts.append(page.box("note", [note]))
    if sweep.missing:
        parts.append(page.box("warning", [_missing(sweep.missing, len(sweep.runs))]))
    parts.append(page.box("answer", sentences))
    return parts


def _missing(missing: tuple[Cell, ...], finished: int) -> str:
    named = [
        f"{alpha(ratio)}, seed {seed}, learning rate {rate_label(rate)}" for ratio, seed, rate in missing
    ]
    shown = "; ".join(named[:6]) + (f"; and {len(named) - 6} more" if len(named) > 6 else "")
    return (
        f"This sweep is not complete: {len(missing)} of {count(len(missing) + finished, 'run')} not "
        f"finished ({shown}). "
        "Means below are over the runs that are; the same sweep command goes on with the others."
    )


def _proof(sweep: SweepFolder) -> list[str]:
    drawn = {code for run in sweep.runs for code in run.plan.get("languages", [])}
    held_out = list(dict.fromkeys(code for run in sweep.runs for code in run.plan.get("held_out", [])))
    plans = sum(bool(run.plan) for run in sweep.runs)
    texts = []
    if not plans:
        return ["The runs left no certificate of their plans (plan.json), so nothing is proved here."]
    if held_out:
        rows = {
            code: sum(
                run.plan.get(side, {}).get(code, 0)
                for run in sweep.runs
                for side in ("query_rows", "passage_rows")
            )
            for code in held_out
        }
        broken = [code for code, amount in rows.items() if amount or code in drawn]
        named = listing([language_name(code) for code in held_out])
        texts.append(
            f"Held out: {named}. The plans of {count(plans, 'run')} draw no query and no passage in them."
            if not broken
            else f"Held out: {named}, but the plans draw rows in "
            f"{listing([language_name(code) for code in broken])}."
        )
    else:
        texts.append("No language was held out by name.")
    overlaps: dict[str, dict[str, int]] = {}
    for run in sweep.runs:
        for name, counts in run.plan.get("overlap", {}).items():
            for kind, amount in counts.items():
                most = overlaps.setdefault(name, {})
                most[kind] = max(most.get(kind, 0), int(amount))
    for name, counts in overlaps.items():
        said = listing([_counted(amount, kind) for kind, amount in counts.items()])
        verdict = "no overlap" if not any(counts.values()) else "overlap"
        texts.append(f"Training rows drawn that are also in {name}: {said} ({verdict}; the most of any run).")
    return texts


def _counted(amount: int, kind: str) -> str:
    single = {"documents": "document", "queries": "query", "passages": "passage"}
    return f"{amount:,} {single.get(kind, kind) if amount == 1 else kind}"


def _method(sweep: SweepFolder, summaries: Summaries) -> list[str]:
    train = sweep.config.get("train", {})
    sampler = train.get("sampler", {})
    texts = [
        "A batch is monolingual (query and passage in one language) or cross-lingual (in two). The "
        "ratio α is the share of "
        "monolingual batches: α = 1 is X-X-mono, α = 0 is X-Y of arXiv 2408.10536. Runs of one "
        "learning rate differ in α and "
        "seed only: same initial weights, data, batch size, loss and number of steps.",
        f"Budget: {train.get('steps', '–')} steps of {sampler.get('batch_size', '–')} pairs, mixing rule "
        f"{sampler.get('mixing', '–')}, warm-up {train.get('warmup_steps', '–')} steps, "
        f"{train.get('schedule', '–')} schedule, "
        f"InfoNCE with temperature {train.get('loss', {}).get('temperature', '–')}.",
    ]
    for name in summaries.evaluations:
        stated = sweep.sweep.get("evaluations", {}).get(name, {})
        settings = listing([f"{item} ({SETTING_MEANING[item]})" for item in summaries.settings(name)])
        sizes = (
            f": {stated['queries']:,} queries, {stated['passages']:,} passages"
            if stated.get("queries") and stated.get("passages")
            else ""
        )
        sample = (
            f" Learning curves are measured on a fixed sample ({stated.get('sample_queries', 0):,} queries, "
            f"{stated.get('sample_passages', 0):,} passages), so their level differs from that of "
            f"the full set."
            if summaries.curve_scope[name] == "sample"
            and 0 < stated.get("sample_queries", 0) < stated.get("queries", 0)
            else ""
        )
        final = (
            "Final values are measured on the full set."
            if summaries.final_scope[name] == "full"
            else "Final values are those of the sample; the full set was not measured."
        )
        texts.append(f"{name}{sizes}. Settings: {settings}. {final}{sample}")
    texts.append(
        "A tier is a set of query languages. Its value is the mean over its languages (monolingual, "
        "multilingual) or over all "
        "ordered pairs with a query language in it (cross-lingual). mAP is the mean of average "
        "precision, MRR@10 the mean of "
        "1 / rank of the first relevant passage, 0 beyond rank 10. Ranks are exact, over the whole pool."
    )
    texts.append(
        "Chance is the expected value when the pool is ordered at random: H(n)/n for the reciprocal "
        "rank of one relevant passage "
        "among n. In the multilingual pool one relevant passage a language is assumed; pools of one "
        "language are taken to be of "
        "equal size."
    )
    texts.append(
        f"Intervals: {certainty.REPLICATES:,} replicates of a percentile bootstrap that draws seeds "
        f"and questions with replacement (crossed, for every seed is judged on the same questions); "
        f"a question that "
        "exists in several languages is drawn as one. Measures shown: "
        + listing([measure_title(name) for name in dict.fromkeys(summaries.tiers["measure"])])
        + "."
    )
    return texts


def _configuration(sweep: SweepFolder) -> list[str]:
    parts = []
    command = str(sweep.sweep.get("command") or "")
    if command:
        parts += [page.paragraph("The exact command:"), page.code(command)]
    prints = [
        (
            f"corpus {name}",
            f"{item.get('fingerprint', '–')}  ({item.get('groups', 0):,} groups, "
            f"{len(item.get('languages', {}))} languages)",
        )
        for name, item in sweep.sweep.get("corpora", {}).items()
    ]
    prints += [
        (
            f"evaluation {name}",
            f"{item.get('fingerprint', '–')}  ({item.get('queries', 0):,} queries, "
            f"{item.get('passages', 0):,} passages)",
        )
        for name, item in sweep.sweep.get("evaluations", {}).items()
    ]
    if prints:
        parts += [page.paragraph("Fingerprints of the data:"), page.listed(prints)]
    environments = {json.dumps(run.environment, sort_keys=True) for run in sweep.runs if run.environment}
    if environments:
        said = (
            "Environment of all runs:"
            if len(environments) == 1
            else f"Environment of the first run ({len(environments)} different ones):"
        )
        environment = next(run.environment for run in sweep.runs if run.environment)
        parts += [page.paragraph(said), page.listed(_flat(environment))]
    text = json.dumps(sweep.config, ensure_ascii=False, indent=2)
    parts.append(page.folded("Configuration of the sweep", text))
    return parts


def _flat(mapping: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    items = []
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            items += _flat(value, f"{name} · ")
        elif isinstance(value, list):
            items.append((name, ", ".join(map(str, value))))
        else:
            items.append((name, str(value)))
    return items
