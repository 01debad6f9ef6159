"""Final quality against the ratio, per setting and tier and per language."""

from __future__ import annotations

from itertools import product

import altair as alt
import pandas as pd

from .figure import Chart, Figure, Grid, decimals, domain, reference_lines
from .language_names import language_label
from .palette import RATE_COLOURS
from .summaries import PLACE, Summaries, at
from .words import measure_title, rate_label, ratio_label, slug


def by_tier(
    summaries: Summaries, intervals: pd.DataFrame, chances: dict[tuple[str, str, str, str], float]
) -> Figure:
    """Return the final measures against the ratio, a panel for each evaluation, setting and tier."""
    measures = summaries.measures()
    rates = summaries.learning_rates
    variants: dict[tuple[str, ...], Grid] = {}
    # Chance is drawn where it is near the values, so that an axis is not stretched for nothing.
    lowest = summaries.tiers.groupby([*PLACE, "measure"])["value"].min()
    near = {key: level for key, level in chances.items() if level > 0.25 * lowest.get(key, float("inf"))}
    near_chance = {measure: any(key[3] == measure for key in near) for measure in measures}
    for measure in measures:
        panels = []
        for place in summaries.places():
            seeds = at(summaries.tiers, place, measure)
            if seeds.empty:
                continue
            start = at(summaries.untouched, place, measure)["value"]
            by_chance = chances.get((*place, measure))
            before = float(start.mean()) if len(start) else None
            lines = {"untouched encoder": before, "chance": near.get((*place, measure))}
            heading = alt.TitleParams(
                f"{place[0]} · {place[2]}",
                subtitle=place[1] + (f", chance {by_chance:.3f}" if by_chance is not None else ""),
            )
            chart = _panel(
                seeds,
                at(intervals, place, measure),
                lines,
                measure,
                rates,
                272,
                190,
                with_chance=near_chance[measure],
            )
            panels.append(chart.properties(title=heading))
        if panels:
            variants[(measure_title(measure),)] = Grid(panels, columns=3)
    kinds = set(intervals.loc[intervals["measure"].isin(measures), "kind"])
    bars = (
        "bars: 95 % bootstrap intervals over seeds and queries"
        if kinds <= {"bootstrap"}
        else "bars: 95 % bootstrap intervals over queries (one seed)"
        if kinds <= {"queries"}
        else "bars: lowest to highest seed"
        if kinds <= {"seeds"}
        else "no interval, for there is one seed"
        if kinds <= {"none"}
        else "bars: as named in the table of final values"
    )
    caption = (
        f"Final values after the last step. Small points: one run each; line and large points: mean "
        f"over seeds; {bars}. "
        "Learning rates are set a little apart. A line that slopes down to the right says that "
        "cross-lingual batches help. "
        "Each panel has its own y axis."
    )
    return Figure(
        "quality-by-ratio",
        "Final quality against the ratio, per setting and tier",
        caption,
        {"Measure": [measure_title(item) for item in measures]},
        variants,
    )


def by_language(summaries: Summaries, evaluation: str) -> Figure:
    """Return small multiples: the final measures against the ratio, a panel for each query language."""
    measures = summaries.measures()
    rates = summaries.learning_rates
    variants: dict[tuple[str, ...], Grid] = {}
    settings = summaries.settings(evaluation)
    settings = sorted(settings, key=lambda name: name != summaries.main_setting(evaluation))
    for setting, measure in product(settings, measures):
        table = summaries.languages
        table = table[
            (table["evaluation"] == evaluation)
            & (table["setting"] == setting)
            & (table["measure"] == measure)
        ]
        start = summaries.untouched_languages
        start = start[
            (start["evaluation"] == evaluation)
            & (start["setting"] == setting)
            & (start["measure"] == measure)
        ]
        before = start.groupby("query_language")["value"].mean()
        order = [
            (tier, code)
            for tier in summaries.tier_names
            for code in sorted(table.loc[table["tier"] == tier, "query_language"].unique())
        ]
        extent = {}
        for _, code in order:
            values = [*table.loc[table["query_language"] == code, "value"], before.get(code, float("nan"))]
            extent[code] = domain([float(value) for value in values], least=0.04)
        span = max((high - low for low, high in extent.values()), default=0.1)
        panels = []
        for tier, code in order:
            low, high = extent[code]
            middle = (low + high) / 2
            value = before.get(code)
            chart = _panel(
                table[table["query_language"] == code],
                None,
                {"untouched encoder": None if value is None else float(value)},
                measure,
                rates,
                138,
                104,
                limits=[middle - span / 2, middle + span / 2],
            )
            panels.append(chart.properties(title=alt.TitleParams(language_label(code), subtitle=tier)))
        if panels:
            variants[(setting, measure_title(measure))] = Grid(panels, columns=5, panel_width=208)
    caption = (
        f"Final values on {evaluation} by query language; cross-lingual values are means over the "
        f"passage languages. "
        "Small points: one run each; line: mean over seeds; dashed: the untouched encoder. All "
        "panels span the same "
        "number of points on the y axis, each around its own level, so slopes can be compared."
    )
    return Figure(
        f"languages-{slug(evaluation)}",
        f"Every language: {evaluation}",
        caption,
        {"Setting": settings, "Measure": [measure_title(item) for item in measures]},
        variants,
    )


def _panel(
    seeds: pd.DataFrame,
    intervals: pd.DataFrame | None,
    lines: dict[str, float | None],
    measure: str,
    rates: list[float],
    width: int,
    height: int,
    limits: list[float] | None = None,
    with_chance: bool = False,
) -> Chart:
    ratios = sorted(seeds["mono_ratio"].unique())
    span = (ratios[-1] - ratios[0]) or 1.0
    shift = {rate: (place - (len(rates) - 1) / 2) * 0.022 * span for place, rate in enumerate(rates)}

    def placed(table: pd.DataFrame) -> pd.DataFrame:
        at_rate = table["learning_rate"].map(shift)
        return table.assign(
            x=(table["mono_ratio"] + at_rate).round(5),
            rate=table["learning_rate"].map(rate_label),
            ratio=table["mono_ratio"].map(ratio_label),
        )

    points = placed(seeds)[["x", "ratio", "rate", "seed", "value"]].round(5)
    means = placed(
        seeds.groupby(["learning_rate", "mono_ratio"])["value"].agg(["mean", "count"]).reset_index()
    )
    if intervals is not None and not intervals.empty:
        means = means.merge(
            intervals[["learning_rate", "mono_ratio", "low", "high"]], on=["learning_rate", "mono_ratio"]
        )
    else:
        means = means.assign(low=float("nan"), high=float("nan"))
    means = means[["x", "ratio", "rate", "mean", "count", "low", "high"]].round(5)
    labels = [rate_label(rate) for rate in rates]
    colour = alt.Color(
        "rate:N",
        sort=labels,
        scale=alt.Scale(
            domain=labels, range=[RATE_COLOURS[i % len(RATE_COLOURS)] for i in range(len(labels))]
        ),
        legend=alt.Legend(title="learning rate"),
    )
    if limits is None:
        values = [
            *points["value"],
            *means["low"],
            *means["high"],
            *(v for v in lines.values() if v is not None),
        ]
        limits = domain([float(value) for value in values])
    axis = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[ratios[0] - 0.06 * span, ratios[-1] + 0.06 * span], nice=False),
        axis=alt.Axis(values=ratios, title="ratio α", grid=False, format=".3~f"),
    )
    scale = alt.Scale(domain=limits, nice=False, zero=False)
    y = alt.Y(
        "mean:Q",
        title=measure_title(measure),
        scale=scale,
        axis=alt.Axis(tickCount=4, format=decimals(limits)),
    )
    name = measure_title(measure)
    layers = [
        alt.Chart(points)
        .mark_point(size=16, opacity=0.5, filled=True)
        .encode(
            x=axis,
            y=alt.Y("value:Q", title=name),
            color=colour,
            tooltip=[
                alt.Tooltip("rate:N"),
                alt.Tooltip("ratio:N"),
                alt.Tooltip("seed:N"),
                alt.Tooltip("value:Q", title=name, format=".3f"),
            ],
        ),
        alt.Chart(means).mark_line(strokeWidth=2).encode(x=axis, y=y, color=colour),
        alt.Chart(means[means["low"].notna()])
        .mark_rule(strokeWidth=1.6)
        .encode(x=axis, y=alt.Y("low:Q", title=name), y2=alt.Y2("high:Q"), color=colour),
        alt.Chart(means)
        .mark_point(size=52, filled=True, opacity=1)
        .encode(
            x=axis,
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("rate:N", title="learning rate"),
                alt.Tooltip("ratio:N", title="ratio α"),
                alt.Tooltip("mean:Q", title=f"{name}, mean", format=".3f"),
                alt.Tooltip("low:Q", title="low", format=".3f"),
                alt.Tooltip("high:Q", title="high", format=".3f"),
                alt.Tooltip("count:Q", title="seeds"),
            ],
        ),
    ]
    known = {name: None if value is None else round(value, 5) for name, value in lines.items()}
    line = reference_lines(known, with_chance=with_chance)
    if line is not None:
        layers.insert(0, line)
    return alt.layer(*layers).properties(width=width, height=height)
