"""The answer in words, computed from the numbers."""

from __future__ import annotations

import pandas as pd

from .certainty import is_clear
from .folder import SweepFolder
from .summaries import Summaries, at
from .words import alpha, count, listing, measure_title, number, rate_label, ratio_label


def answer(
    sweep: SweepFolder, summaries: Summaries, intervals: pd.DataFrame, differences: pd.DataFrame
) -> list[str]:
    """Return sentences: what was run, and per tier which ratio ended best and how sure that is."""
    ratios = [ratio_label(ratio) for ratio in sweep.ratios]
    rates = sweep.learning_rates
    sentences = [
        f"{count(len(sweep.runs), 'finished run')} ({count(len(ratios), 'ratio')} × "
        f"{count(len(sweep.seeds), 'seed')}"
        + (f" × {count(len(rates), 'learning rate')}" if len(rates) > 1 else "")
        + (", incomplete" if sweep.missing else "")
        + f") compare α = {listing(ratios)}, the share of monolingual batches, at equal budgets."
    ]
    if len(ratios) == 1:
        sentences.append("With one ratio there is nothing to compare.")
    sentences += [
        _of_tier(place, rates, summaries, intervals, differences) for place in summaries.main_places()
    ]
    if len(sweep.seeds) == 1:
        sentences.append("There is one seed, so how much of this is chance in training cannot be said.")
    return [sentence for sentence in sentences if sentence]


def _of_tier(
    place: tuple[str, str, str],
    rates: list[float],
    summaries: Summaries,
    intervals: pd.DataFrame,
    differences: pd.DataFrame,
) -> str:
    measure = summaries.main_measure(place[1])
    name = measure_title(measure)
    table = at(intervals, place, measure)
    parts = []
    for rate in rates:
        rows = table[table["learning_rate"] == rate].set_index("mono_ratio")
        if rows.empty:
            continue
        best, worst = rows["mean"].idxmax(), rows["mean"].idxmin()
        text = f"at learning rate {rate_label(rate)} " if len(rates) > 1 else ""
        if len(rows) == 1:
            parts.append(f"{text}{name} ends at {_value(rows, best)}")
            continue
        text += f"{name} ends highest at {alpha(best)} ({_value(rows, best)})"
        text += f" and lowest at {alpha(worst)} ({_value(rows, worst)})"
        parts.append(text + _certainty(place, measure, rate, rows, differences))
    if not parts:
        return ""
    evaluation, setting, tier = place
    sentence = f"Queries in {tier} languages ({evaluation}, {setting}): " + "; ".join(parts) + "."
    return sentence + _against_untouched(place, measure, summaries, table)


def _value(rows: pd.DataFrame, ratio: float) -> str:
    row = rows.loc[ratio]
    text = number(float(row["mean"]))
    return (
        text
        if row["kind"] == "none"
        else f"{text} [{number(float(row['low']))}, {number(float(row['high']))}]"
    )


def _certainty(
    place: tuple[str, str, str], measure: str, rate: float, rows: pd.DataFrame, differences: pd.DataFrame
) -> str:
    if differences.empty:
        return ""
    tested = at(differences, place, measure)
    tested = tested[(tested["learning_rate"] == rate) & tested["p_holm"].notna()]
    if tested.empty:
        kinds = set(rows["kind"])
        apart = rows["low"].max() > rows["high"].min()
        return ", and their ranges over seeds do not overlap" if kinds == {"seeds"} and apart else ""
    reference = alpha(float(tested["reference"].iloc[0]))
    clear = tested[is_clear(tested)]
    if clear.empty:
        return f"; flat: no ratio differs clearly from {reference} (after Holm's correction)"
    named = [
        f"{ratio_label(row['mono_ratio'])} ({'above' if row['difference'] > 0 else 'below'})"
        for row in clear.to_dict("records")
    ]
    return (
        f"; clearly different from {reference} (Holm-corrected p < 0.05 and interval off 0): {listing(named)}"
    )


def _against_untouched(
    place: tuple[str, str, str], measure: str, summaries: Summaries, table: pd.DataFrame
) -> str:
    start = at(summaries.untouched, place, measure)
    if start.empty:
        return ""
    before = float(start["value"].mean())
    ends = table
    where = ""
    if set(start["scope"]) != {summaries.final_scope[place[0]]}:
        curves = at(summaries.curves, place, measure)
        last = curves[curves["step"] == curves["step"].max()]
        ends = last.groupby(["learning_rate", "mono_ratio"])["value"].mean().reset_index(name="mean")
        where = " on the sample measured during training"
    above = int((ends["mean"] > before).sum())
    total = len(ends)
    amount = "all" if above == total else "none" if above == 0 else f"{above} of {total}"
    what = "settings of ratio and learning rate" if ends["learning_rate"].nunique() > 1 else "ratios"
    return (
        f" The untouched encoder has {number(before)}{where}; {amount} of the {what} end above it.".replace(
            "all of the", "all"
        )
    )
