"""The final values by ratio and tier, for a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .folder import SweepFolder, read_folder, read_metrics
from .summaries import Summaries, at, summarise
from .words import measure_title, number, rate_label, ratio_label


@dataclass(frozen=True)
class Headline:
    """A table of text: a row for each learning rate and ratio, a column for each tier."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def headline(folder: Path | str) -> Headline:
    """Return the mean final value per ratio and tier, in the main setting of each evaluation.

    Raises:
        RunError: ``folder`` is not a sweep folder or has no finished run.
    """
    sweep = read_folder(folder)
    return headline_of(sweep, summarise(sweep, read_metrics(sweep)))


def headline_of(sweep: SweepFolder, summaries: Summaries) -> Headline:
    """Return the headline of a sweep that is already read."""
    places = summaries.main_places()
    columns = [
        "learning rate",
        "ratio α",
        *(
            f"{tier}\n{evaluation}\n{setting}\n{measure_title(summaries.main_measure(setting))}"
            for evaluation, setting, tier in places
        ),
    ]
    before = ["", "untouched"]
    for place in places:
        start = at(summaries.untouched, place, summaries.main_measure(place[1]))["value"]
        before.append(number(float(start.mean())) if len(start) else "–")
    rows = [before]
    for rate in sweep.learning_rates:
        for ratio in sweep.ratios:
            cells = []
            for place in places:
                table = at(summaries.tiers, place, summaries.main_measure(place[1]))
                values = table[(table["learning_rate"] == rate) & (table["mono_ratio"] == ratio)]["value"]
                cells.append(_mean_and_range(values.tolist()))
            rows.append([rate_label(rate), ratio_label(ratio), *cells])
    runs = len(sweep.runs)
    missing = f", {len(sweep.missing)} not finished" if sweep.missing else ""
    title = f"After the last step: mean over seeds (lowest–highest); {runs} runs{missing}"
    return Headline(title, columns, rows)


def _mean_and_range(values: list[float]) -> str:
    if not values:
        return "–"
    mean = number(sum(values) / len(values))
    return mean if len(values) == 1 else f"{mean} ({number(min(values))}–{number(max(values))})"
