"""The tables of the report: as CSV with full numbers, and as rows of text for the page."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from .folder import SweepFolder
from .language_names import language_name
from .summaries import PLACE, Summaries, at
from .words import alpha, count, listing, measure_title, number, rate_label, ratio_label, signed, value_of


@dataclass(frozen=True)
class Table:
    """A table of the page; ``data`` is what the CSV holds."""

    name: str
    """File name without ending; empty where there is no CSV."""
    caption: str
    header: list[list[tuple[str, int]]]
    """Header rows of (text, columns spanned)."""
    rows: list[list[str]]
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    texts: int = 1
    """Columns at the left that hold words, not numbers."""
    strong: frozenset[tuple[int, int]] = frozenset()
    """(row, column) of cells set in bold."""
    apart: frozenset[int] = frozenset()
    """Rows set apart: not ratios but what they are compared with."""


Chances = dict[tuple[str, str, str, str], float]


def headline(summaries: Summaries, intervals: pd.DataFrame, chances: Chances) -> Table:
    """Return the final means per tier side by side, with the untouched encoder and chance."""
    measures = summaries.measures()
    places = summaries.main_places()
    columns = [(place, measure) for place in places for measure in measures]
    rates = summaries.learning_rates
    ratios = sorted(summaries.tiers["mono_ratio"].unique())
    several = len(rates) > 1
    header = [
        [("", 2), *((f"{place[2]}\n{place[0]}, {place[1]}", len(measures)) for place in places)],
        [("learning rate", 1), ("ratio α", 1), *((measure_title(measure), 1) for _, measure in columns)],
    ]
    rows = [["", "untouched encoder"], ["", "chance"]]
    for place, measure in columns:
        start = at(summaries.untouched, place, measure)["value"]
        mark = "*" if len(start) and _other_scope(summaries, place[0]) else ""
        rows[0].append((number(float(start.mean())) + mark) if len(start) else "–")
        rows[1].append(number(chances.get((*place, measure))))
    strong = set()
    for rate in rates:
        first = len(rows)
        rows += [[rate_label(rate), ratio_label(ratio)] for ratio in ratios]
        for column, (place, measure) in enumerate(columns, start=2):
            table = at(intervals, place, measure)
            table = table[table["learning_rate"] == rate].set_index("mono_ratio")
            best = table["mean"].idxmax() if len(table) else None
            for line, ratio in enumerate(ratios, start=first):
                rows[line].append(_with_interval(table, ratio, measure))
                if ratio == best and len(table) > 1:
                    strong.add((line, column))
    caption = (
        "Final values per tier: mean over seeds"
        + _interval_words(intervals[intervals["measure"].isin(measures)])
        + ". Bold: the highest of its column"
        + (" at that learning rate" if several else "")
        + "."
        + _scope_note(summaries)
        + (" Chance: what a random order of the pool scores." if chances else "")
    )
    data = intervals[intervals["measure"].isin(measures)]
    return Table("headline", caption, header, rows, data, 2, frozenset(strong), frozenset({0, 1}))


def _other_scope(summaries: Summaries, evaluation: str) -> bool:
    start = summaries.untouched[summaries.untouched["evaluation"] == evaluation]
    return bool(len(start)) and set(start["scope"]) != {summaries.final_scope[evaluation]}


def _scope_note(summaries: Summaries) -> str:
    other = [name for name in summaries.evaluations if _other_scope(summaries, name)]
    if not other:
        return ""
    return (
        f" * On the smaller sample measured during training ({listing(other)}), not on the full "
        f"set; compare it with "
        "the learning curves only."
    )


def _interval_words(intervals: pd.DataFrame) -> str:
    kinds = set(intervals["kind"])
    if kinds <= {"bootstrap"}:
        return ", with 95 % intervals (hierarchical bootstrap over seeds × queries)"
    if kinds <= {"queries"}:
        return ", with 95 % intervals (bootstrap over queries; one seed, so nothing is said about seeds)"
    if kinds <= {"seeds"}:
        return ", with the lowest and the highest seed in brackets (no values per query, so no bootstrap)"
    if kinds <= {"none"}:
        return "; one seed and no values per query, so there is no interval"
    return ", with intervals where they can be had (the CSV says of which kind)"


def _with_interval(table: pd.DataFrame, ratio: float, measure: str) -> str:
    if ratio not in table.index:
        return "not run"
    row = table.loc[ratio]
    text = value_of(measure, float(row["mean"]))
    if row["kind"] != "none":
        text += f"\n[{value_of(measure, float(row['low']))}, {value_of(measure, float(row['high']))}]"
    return text


def finals(summaries: Summaries, intervals: pd.DataFrame) -> Table:
    """Return every final mean: a row for each place, measure and learning rate, a column for each ratio."""
    ratios = sorted(intervals["mono_ratio"].unique())
    header = [
        [
            ("evaluation", 1),
            ("setting", 1),
            ("tier", 1),
            ("measure", 1),
            ("learning rate", 1),
            ("untouched", 1),
            *((alpha(ratio), 1) for ratio in ratios),
        ]
    ]
    rows = []
    for place in summaries.places():
        for measure in dict.fromkeys(summaries.tiers["measure"]):
            part = at(intervals, place, measure)
            start = at(summaries.untouched, place, measure)["value"]
            for rate in [rate for rate in summaries.learning_rates if (part["learning_rate"] == rate).any()]:
                table = part[part["learning_rate"] == rate].set_index("mono_ratio")
                before = value_of(measure, float(start.mean())) if len(start) else "–"
                if len(start) and _other_scope(summaries, place[0]):
                    before += "*"
                cells = [
                    value_of(measure, float(table.loc[ratio, "mean"])) if ratio in table.index else "–"
                    for ratio in ratios
                ]
                rows.append([*place, measure_title(measure), rate_label(rate), before, *cells])
    caption = "Every final value, mean over seeds; intervals stand in the CSV." + _scope_note(summaries)
    return Table("final_values", caption, header, rows, intervals, 5)


def languages(summaries: Summaries) -> Table:
    """Return the final means per query language."""
    measures = [*summaries.measures(), "rank_distance"]
    data = summaries.languages
    by = ["evaluation", "setting", "tier", "query_language", "measure", "learning_rate", "mono_ratio"]
    means = data.groupby(by)["value"].mean().reset_index()
    ratios = sorted(means["mono_ratio"].unique())
    header = [
        [
            ("language", 1),
            ("tier", 1),
            ("evaluation", 1),
            ("setting", 1),
            ("measure", 1),
            ("learning rate", 1),
            ("untouched", 1),
            *((alpha(ratio), 1) for ratio in ratios),
        ]
    ]
    before = summaries.untouched_languages.groupby(by[:5])["value"].mean()
    rows = []
    shown = means[means["measure"].isin(measures)]
    wide = shown.pivot_table(index=by[:6], columns="mono_ratio", values="value")
    for key, values in wide.iterrows():
        evaluation, setting, tier, code, measure, rate = key
        start = before.get((evaluation, setting, tier, code, measure))
        rows.append(
            [
                f"{language_name(code)} ({code})",
                tier,
                evaluation,
                setting,
                measure_title(measure),
                rate_label(rate),
                value_of(measure, start),
                *(value_of(measure, float(values.get(ratio, float("nan")))) for ratio in ratios),
            ]
        )
    means = means.assign(language_name=means["query_language"].map(language_name))
    return Table("languages", "Final values by query language, mean over seeds.", header, rows, means, 6)


def convergence(table: pd.DataFrame, seeds: int) -> Table:
    """Return the median steps to each share of the common target, with how many runs reached it."""
    header = [
        [
            ("evaluation", 1),
            ("tier", 1),
            ("measure", 1),
            ("learning rate", 1),
            ("ratio α", 1),
            ("target", 1),
            ("90 %", 1),
            ("95 %", 1),
            ("99 %", 1),
        ]
    ]
    rows = []
    by = ["evaluation", "tier", "measure", "learning_rate", "mono_ratio", "target"]
    for key, part in table.groupby(by, sort=False) if len(table) else []:
        evaluation, tier, measure, rate, ratio, target = key
        cells = []
        for _, runs in part.groupby("share"):
            reached = int(runs["reached"].sum())
            # With censored runs at the end the median is known as long as more than half got there.
            steps = sorted(runs["steps"].where(runs["reached"], float("inf")))
            middle = steps[(len(steps) - 1) // 2]
            text = "not reached" if middle == float("inf") else f"{middle:.0f}"
            cells.append(text + (f" ({reached} of {len(steps)})" if reached < len(steps) else ""))
        rows.append(
            [
                evaluation,
                tier,
                measure_title(measure),
                rate_label(rate),
                ratio_label(ratio),
                number(target),
                *cells,
            ]
        )
    caption = "Steps to 90, 95 and 99 % of the common target: " + (
        "lower median over seeds; in brackets how many runs reached it where not all did."
        if seeds > 1
        else "one seed."
    )
    return Table("convergence", caption, header, rows, table, 5)


def differences(table: pd.DataFrame) -> Table:
    """Return the paired differences to the reference ratio."""
    header = [
        [
            ("evaluation", 1),
            ("setting", 1),
            ("tier", 1),
            ("measure", 1),
            ("learning rate", 1),
            ("ratio α", 1),
            ("difference", 1),
            ("interval", 1),
            ("p", 1),
            ("p (Holm)", 1),
        ]
    ]
    rows = []
    for row in table.to_dict("records"):
        digits = 1 if row["measure"] == "rank_distance" else 3
        ends = (
            f"[{signed(row['low'], digits)}, {signed(row['high'], digits)}]"
            if row["low"] == row["low"]
            else "–"
        )
        rows.append(
            [
                row["evaluation"],
                row["setting"],
                row["tier"],
                measure_title(row["measure"]),
                rate_label(row["learning_rate"]),
                ratio_label(row["mono_ratio"]),
                signed(row["difference"], digits),
                ends,
                _p_value(row["p"]),
                _p_value(row["p_holm"]),
            ]
        )
    reference = alpha(float(table["reference"].iloc[0])) if len(table) else "–"
    caption = (
        f"Each ratio minus {reference}, on the same seeds and queries. p: two-sided sign-flip test "
        f"over queries, seeds "
        "averaged; it speaks of these trained models, the interval of seeds too. Holm's correction "
        "is over the ratios of one "
        "evaluation, setting, tier, measure and learning rate."
    )
    return Table("differences", caption, header, rows, table, 6)


def _p_value(value: float) -> str:
    return "–" if value != value else "< 0.001" if value < 0.001 else f"{value:.3f}"


def exposure_rows(sweep: SweepFolder) -> pd.DataFrame:
    """Return rows drawn per language and ratio, mean over runs: language, mono_ratio, query_rows, "
    "passage_rows.
    """
    records = []
    for run in sweep.runs:
        drawn = list(run.plan.get("languages", []))
        held_out = [code for code in run.plan.get("held_out", []) if code not in drawn]
        sides = [run.plan.get(f"{side}_rows", {}) for side in ("query", "passage")]
        records += [
            {
                "language": code,
                "mono_ratio": run.mono_ratio,
                "query_rows": float(sides[0].get(code, 0)),
                "passage_rows": float(sides[1].get(code, 0)),
            }
            for code in dict.fromkeys([*drawn, *sides[0], *sides[1], *held_out])
        ]
    if not records:
        return pd.DataFrame()
    return pd.DataFrame(records).groupby(["language", "mono_ratio"], sort=False).mean().reset_index()


def exposure(sweep: SweepFolder, table: pd.DataFrame) -> Table:
    """Return the exposure table: rows drawn as query and as passage, by ratio."""
    ratios = sweep.ratios
    header = [
        [("", 1), ("rows as query", len(ratios)), ("rows as passage", len(ratios))],
        [("language", 1), *((alpha(ratio), 1) for _ in range(2) for ratio in ratios)],
    ]
    rows = []
    for code in dict.fromkeys(table["language"] if len(table) else []):
        part = table[table["language"] == code].set_index("mono_ratio")
        rows.append(
            [
                f"{language_name(code)} ({code})",
                *(
                    f"{part.loc[ratio, side]:,.0f}" if ratio in part.index else "–"
                    for side in ("query_rows", "passage_rows")
                    for ratio in ratios
                ),
            ]
        )
    return Table(
        "exposure", "Training rows drawn per language and run, mean over seeds.", header, rows, table
    )


def runs(sweep: SweepFolder) -> Table:
    """Return the finished runs with their budget and plan."""
    header = [
        [
            ("run", 1),
            ("ratio α", 1),
            ("learning rate", 1),
            ("seed", 1),
            ("steps", 1),
            ("monolingual batches", 1),
            ("cross-lingual batches", 1),
            ("minutes", 1),
            ("plan digest", 1),
        ]
    ]
    rows = []
    data = []
    for run in sweep.runs:
        batches = run.plan.get("batches", {})
        kinds = [batches.get(kind) for kind in ("monolingual", "cross-lingual")]
        rows.append(
            [
                run.name,
                ratio_label(run.mono_ratio),
                rate_label(run.learning_rate),
                str(run.seed),
                str(run.config.get("steps", "–")),
                *("–" if item is None else f"{item:,}" for item in kinds),
                f"{run.seconds / 60:.1f}",
                str(run.plan.get("digest", "–"))[:12],
            ]
        )
        data.append(
            {
                "run": run.name,
                "mono_ratio": run.mono_ratio,
                "learning_rate": run.learning_rate,
                "seed": run.seed,
                "steps": run.config.get("steps"),
                "monolingual_batches": kinds[0],
                "cross_lingual_batches": kinds[1],
                "seconds": run.seconds,
                "plan_digest": run.plan.get("digest"),
            }
        )
    return Table("runs", f"{count(len(rows), 'finished run')}.", header, rows, pd.DataFrame(data))


def tier_table(sweep: SweepFolder) -> Table:
    """Return which languages are in which tier."""
    trained = set(sweep.sweep.get("trained", []))
    rows = []
    data = []
    for tier, codes in sweep.tiers.items():
        names = listing([f"{language_name(code)} ({code})" for code in codes])
        rows.append([tier, names, f"{sum(code in trained for code in codes)} of {len(codes)}"])
        data += [
            {"tier": tier, "language": code, "name": language_name(code), "trained": code in trained}
            for code in codes
        ]
    header = [[("tier", 1), ("query languages", 1), ("trained on", 1)]]
    return Table("tiers", "Tiers, declared before results.", header, rows, pd.DataFrame(data), 3)


def long_means(summaries: Summaries) -> dict[str, pd.DataFrame]:
    """Return the long tables behind the figures, for CSV files of their own."""
    return {
        "learning_curves": summaries.curves,
        "final_per_seed": summaries.tiers,
        "language_pairs": summaries.pairs,
        "untouched": summaries.untouched[[*PLACE, "measure", "scope", "value"]],
    }
