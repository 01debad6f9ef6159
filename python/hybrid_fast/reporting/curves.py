"""Learning curves: a measure against training steps, one colour a ratio."""

from __future__ import annotations

from itertools import product

import altair as alt
import pandas as pd

from .figure import (
    CHOSEN,
    HIGHLIGHTED,
    Chart,
    Figure,
    Grid,
    decimals,
    domain,
    ratio_encoding,
    reference_lines,
    step_axis,
)
from .summaries import Summaries, at
from .words import measure_title, rate_label, ratio_label, slug


def overview(summaries: Summaries, ratios: list[float], rates: list[float]) -> Figure:
    """Return the learning curves of every tier side by side, in the main setting of its evaluation."""
    places = summaries.main_places()
    caption = (
        "Each panel is one tier of query languages in the main setting of its evaluation. A line is "
        "the mean over "
        "seeds, its band runs from the lowest to the highest seed (no band with one seed). The x axis is "
        "stretched at the start, where most happens. Click a ratio in the legend to bring it out; "
        "double-click to show all. The dashed line is the encoder before training."
    )
    return _figure(
        "learning-curves", "Learning curves, tiers side by side", caption, summaries, places, ratios, rates
    )


def by_setting(summaries: Summaries, evaluation: str, ratios: list[float], rates: list[float]) -> Figure:
    """Return the learning curves of one evaluation: each setting and tier."""
    places = sorted(
        (place for place in summaries.places() if place[0] == evaluation),
        key=lambda place: summaries.tier_names.index(place[2]),
    )
    caption = (
        f"The same for every setting of {evaluation}: one row a tier. The tiers of a setting share "
        f"the range of the y axis. "
        "Lines: mean over seeds; bands: lowest to highest seed."
    )
    title = f"Learning curves in every setting: {evaluation}"
    name = f"learning-curves-{slug(evaluation)}"
    return _figure(
        name, title, caption, summaries, places, ratios, rates, len(summaries.settings(evaluation))
    )


def _figure(
    name: str,
    title: str,
    caption: str,
    summaries: Summaries,
    places: list[tuple[str, str, str]],
    ratios: list[float],
    rates: list[float],
    columns: int = 3,
) -> Figure:
    measures = summaries.measures()
    variants: dict[tuple[str, ...], Grid] = {}
    for measure, rate in product(measures, rates):
        panels = [
            _panel(summaries, place, measure, rate, ratios, _range(summaries, place, measure, places))
            for place in places
            if not at(summaries.curves, place, measure).query("learning_rate == @rate").empty
        ]
        if panels:
            variants[(measure_title(measure), rate_label(rate))] = Grid(
                panels, columns=columns, highlight=True
            )
    options = {
        "Measure": [measure_title(item) for item in measures],
        "Learning rate": [rate_label(r) for r in rates],
    }
    return Figure(name, title, caption, options, variants)


def _range(
    summaries: Summaries, place: tuple[str, str, str], measure: str, places: list[tuple[str, str, str]]
) -> list[float]:
    # Learning rates and tiers of one setting are compared by eye, so they share the range.
    same = [other for other in places if other[:2] == place[:2]]
    return domain([float(value) for other in same for value in at(summaries.curves, other, measure)["value"]])


def _panel(
    summaries: Summaries,
    place: tuple[str, str, str],
    measure: str,
    rate: float,
    ratios: list[float],
    limits: list[float],
) -> Chart:
    evaluation, setting, tier = place
    rows = at(summaries.curves, place, measure)
    rows = rows[rows["learning_rate"] == rate]
    steps = sorted({int(step) for step in rows["step"]})
    table = (
        rows.groupby(["mono_ratio", "step"])["value"]
        .agg(["mean", "min", "max", "count"])
        .round(5)
        .reset_index()
    )
    table["ratio"] = table["mono_ratio"].map(ratio_label)
    colour, shape = ratio_encoding(ratios)
    # Layers are drawn in the order of the ratios' palette, light over dark.
    base = alt.Chart(table[["step", "ratio", "mean", "min", "max", "count"]]).encode(
        x=step_axis(steps), color=colour
    )
    y = alt.Y(
        "mean:Q",
        title=measure_title(measure),
        scale=alt.Scale(domain=limits, nice=False, zero=False),
        axis=alt.Axis(tickCount=5, format=decimals(limits)),
    )
    clear = alt.when(alt.param(CHOSEN))
    strong = alt.OpacityValue(**clear.then(alt.value(1)).otherwise(alt.value(0.12)))
    weak = alt.OpacityValue(**clear.then(alt.value(0.14)).otherwise(alt.value(0.02)))
    layers = [
        base.mark_area().encode(
            y=alt.Y("min:Q", title=measure_title(measure)),
            y2=alt.Y2("max:Q"),
            opacity=weak,
        ),
        base.mark_line(strokeWidth=2).encode(y=y, opacity=strong),
        base.mark_point(filled=True, size=42)
        .properties(name=HIGHLIGHTED)
        .encode(
            y=y,
            shape=shape,
            opacity=strong,
            tooltip=[
                alt.Tooltip("ratio:N", title="ratio α"),
                alt.Tooltip("step:Q", title="step"),
                alt.Tooltip("mean:Q", title=measure_title(measure), format=".3f"),
                alt.Tooltip("min:Q", title="lowest seed", format=".3f"),
                alt.Tooltip("max:Q", title="highest seed", format=".3f"),
                alt.Tooltip("count:Q", title="seeds"),
            ],
        ),
    ]
    first = rows[rows["step"] == 0]["value"]
    line = reference_lines({"untouched encoder": round(float(first.mean()), 5) if len(first) else None})
    if line is not None:
        layers.insert(0, line)
    heading = alt.TitleParams(f"{evaluation} · {tier}", subtitle=f"{setting}, queries in {tier} languages")
    return alt.layer(*layers).properties(width=272, height=196, title=heading)


def losses(table: pd.DataFrame, ratios: list[float]) -> Figure | None:
    """Return the training loss against steps, smoothed, one panel a learning rate."""
    if table.empty:
        return None
    window = max(1, int(table["step"].max()) // 20)
    panels = []
    for rate, rows in table.groupby("learning_rate"):
        mean = rows.groupby(["mono_ratio", "step"])["loss"].mean().reset_index()
        mean["loss"] = mean.groupby("mono_ratio")["loss"].transform(
            lambda part: part.rolling(window, min_periods=1, center=True).mean()
        )
        keep = max(1, int(mean["step"].max()) // 200)
        mean = mean[(mean["step"] - 1) % keep == 0].round(4)
        mean["ratio"] = mean["mono_ratio"].map(ratio_label)
        colour, _ = ratio_encoding(ratios)
        panels.append(
            alt.Chart(mean[["step", "ratio", "loss"]])
            .mark_line(strokeWidth=1.8)
            .encode(
                x=alt.X("step:Q", title="training steps", axis=alt.Axis(grid=False, format="d")),
                y=alt.Y("loss:Q", title="training loss (InfoNCE)", scale=alt.Scale(zero=False)),
                color=colour,
                tooltip=[alt.Tooltip("ratio:N"), alt.Tooltip("step:Q"), alt.Tooltip("loss:Q", format=".3f")],
            )
            .properties(width=420, height=200, title=f"learning rate {rate_label(float(rate))}")
        )
    caption = (
        f"Mean over seeds, averaged over {window} neighbouring step{'s' if window > 1 else ''}. "
        f"Losses of different ratios "
        "are not comparable as such: batches of one language hold harder negatives of another kind."
    )
    return Figure(
        "training-loss", "Training loss", caption, {}, {(): Grid(panels, columns=2, panel_width=510)}
    )
