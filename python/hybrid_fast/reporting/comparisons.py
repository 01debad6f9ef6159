"""Bias beside quality, the language-pair heat map, convergence, differences and exposure."""

from __future__ import annotations

from itertools import product

import altair as alt
import pandas as pd

from .certainty import is_clear
from .convergence import SHARES
from .figure import Chart, Figure, Grid, domain, ratio_encoding, step_axis
from .language_names import language_label
from .summaries import Summaries, at
from .words import alpha, measure_title, rate_label, ratio_label, slug


def bias_beside_quality(summaries: Summaries, ratios: list[float], rates: list[float]) -> Figure | None:
    """Return rank distance against multilingual mAP, a panel for each evaluation and tier."""
    places = [
        place
        for place in summaries.places()
        if place[1] == "multilingual" and not at(summaries.tiers, place, "rank_distance").empty
    ]
    quality = next(
        (name for name in ("AP", *summaries.measures()) if name in set(summaries.tiers["measure"])), ""
    )
    if not places:
        return None
    variants: dict[tuple[str, ...], Grid] = {}
    for rate in rates:
        panels = [_bias_panel(summaries, place, quality, rate, ratios) for place in places]
        variants[(rate_label(rate),)] = Grid(panels, columns=2, panel_width=520)
    caption = (
        "Rank distance is the mean over queries of (worst rank − best rank) among a query's "
        "relevant passages in all languages; "
        "low means that the language of a passage matters little. It can look good when all "
        "relevant passages rank equally "
        "badly, so it stands beside quality: the upper left corner is good on both, the lower right "
        "corner is poor on both, the "
        "lower left is even-handed but poor. Small points: one run each; large points: mean over "
        "seeds, joined in the order of "
        "the ratio. The axes fit the trained encoders; the encoder before training is given above each panel."
    )
    return Figure(
        "bias-and-quality",
        "Language bias beside quality",
        caption,
        {"Learning rate": [rate_label(rate) for rate in rates]},
        variants,
    )


def _bias_panel(
    summaries: Summaries, place: tuple[str, str, str], quality: str, rate: float, ratios: list[float]
) -> Chart:
    on = ["learning_rate", "mono_ratio", "seed"]
    table = at(summaries.tiers, place, quality).merge(
        at(summaries.tiers, place, "rank_distance")[[*on, "value"]], on=on, suffixes=("", "_distance")
    )
    start = [at(summaries.untouched, place, name)["value"].mean() for name in (quality, "rank_distance")]
    everything, distances = table["value"], table["value_distance"]
    table = table[table["learning_rate"] == rate]
    runs = table.rename(columns={"value": "quality", "value_distance": "distance"})
    runs["ratio"] = runs["mono_ratio"].map(ratio_label)
    means = runs.groupby(["mono_ratio", "ratio"])[["quality", "distance"]].mean().reset_index()
    colour, shape = ratio_encoding(ratios)
    x = alt.X(
        "distance:Q",
        title="rank distance (ranks; lower is less biased)",
        scale=alt.Scale(
            domain=domain([float(v) for v in distances], share=0.08, least=4), nice=False, zero=False
        ),
    )
    y = alt.Y(
        "quality:Q",
        title=f"{measure_title(quality)}, multilingual pool (higher is better)",
        scale=alt.Scale(domain=domain([float(v) for v in everything], share=0.1), nice=False, zero=False),
        axis=alt.Axis(tickCount=5, format=".2f"),
    )
    tips = [
        alt.Tooltip("ratio:N", title="ratio α"),
        alt.Tooltip("distance:Q", title="rank distance", format=".1f"),
        alt.Tooltip("quality:Q", title=measure_title(quality), format=".3f"),
    ]
    layers: list[Chart] = [
        alt.Chart(means.round(5))
        .mark_line(color="#9aa4b1", strokeWidth=1.2)
        .encode(x=x, y=y, order=alt.Order("mono_ratio:Q")),
        alt.Chart(runs[["ratio", "seed", "quality", "distance"]].round(5))
        .mark_point(size=26, filled=True, opacity=0.5)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=[*tips, alt.Tooltip("seed:N")]),
        alt.Chart(means[["ratio", "quality", "distance"]].round(5))
        .mark_point(size=130, filled=True, opacity=1, stroke="white", strokeWidth=1)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tips),
    ]
    subtitle = ["good on both: upper left; poor on both: lower right"]
    if start[0] == start[0] and start[1] == start[1]:
        # In words: it lies so far off that its point would squeeze those of the runs together.
        subtitle.append(
            f"untouched encoder: rank distance {start[1]:.0f}, {measure_title(quality)} {start[0]:.3f}"
        )
    heading = alt.TitleParams(f"{place[0]} · {place[2]}", subtitle=subtitle)
    return alt.layer(*layers).properties(width=420, height=270, title=heading)


def language_pairs(
    summaries: Summaries, evaluation: str, ratios: list[float], rates: list[float]
) -> Figure | None:
    """Return the heat map of final quality, query language × passage language."""
    table = summaries.pairs[summaries.pairs["evaluation"] == evaluation]
    if table.empty:
        return None
    measures = [name for name in reversed(summaries.measures()) if (table["measure"] == name).any()]
    means = table.groupby(
        ["tier", "query_language", "passage_language", "measure", "learning_rate", "mono_ratio"]
    )
    means = means["value"].mean().reset_index()
    queries = [
        code
        for tier in summaries.tier_names
        for code in sorted(means.loc[means["tier"] == tier, "query_language"].unique())
    ]
    passages = [code for code in queries if (means["passage_language"] == code).any()]
    passages += sorted(set(means["passage_language"]) - set(passages))
    variants: dict[tuple[str, ...], Grid] = {}
    exports = {}
    for measure, rate in product(measures, rates):
        part = means[(means["measure"] == measure) & (means["learning_rate"] == rate)]
        limits = domain([float(v) for v in means.loc[means["measure"] == measure, "value"]], share=0)
        drawn = {}
        for ratio in ratios:
            rows = part[part["mono_ratio"] == ratio]
            if not rows.empty:
                drawn[ratio] = _pair_panel(rows, queries, passages, limits, measure, alpha(ratio))
        for ratio, panel in drawn.items():
            variants[(measure_title(measure), rate_label(rate), ratio_label(ratio))] = Grid(
                [panel], columns=1
            )
        if drawn:
            name = slug("heat-map", evaluation, measure_title(measure), "lr", rate_label(rate))
            exports[name] = Grid(list(drawn.values()), columns=2)
    caption = (
        f"Final values on {evaluation}, mean over seeds: rows are query languages, columns passage "
        f"languages. On the diagonal "
        "query and passages are in one language (monolingual setting); elsewhere passages are in "
        "one other language "
        "(cross-lingual setting). The colour scale is the same for all ratios and learning rates."
    )
    options = {
        "Measure": [measure_title(name) for name in measures],
        "Learning rate": [rate_label(rate) for rate in rates],
        "Ratio α": [ratio_label(ratio) for ratio in ratios],
    }
    title = f"Query language × passage language: {evaluation}"
    return Figure(slug("heat-map", evaluation), title, caption, options, variants, exports)


def _pair_panel(
    rows: pd.DataFrame, queries: list[str], passages: list[str], limits: list[float], measure: str, title: str
) -> Chart:
    names = {code: language_label(code) for code in {*queries, *passages}}
    table = pd.DataFrame(
        {
            "query": rows["query_language"].map(names),
            "passage": rows["passage_language"].map(names),
            "value": rows["value"].round(4),
        }
    )
    few = len(passages) <= 3
    base = alt.Chart(table).encode(
        x=alt.X(
            "passage:N",
            sort=[names[code] for code in passages],
            title="passage language",
            axis=alt.Axis(labelAngle=0 if few else -40, orient="bottom", labelOverlap=False, grid=False),
        ),
        y=alt.Y(
            "query:N",
            sort=[names[code] for code in queries],
            title="query language",
            axis=alt.Axis(labelOverlap=False, grid=False),
        ),
    )
    middle = limits[0] + 0.55 * (limits[1] - limits[0])
    legend = alt.Legend(title=measure_title(measure), format=".2f", orient="right", gradientLength=180)
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color("value:Q", scale=alt.Scale(scheme="blues", domain=limits), legend=legend),
        tooltip=[
            alt.Tooltip("query:N"),
            alt.Tooltip("passage:N"),
            alt.Tooltip("value:Q", title=measure_title(measure), format=".3f"),
        ],
    )
    text = base.mark_text(fontSize=11).encode(
        text=alt.Text("value:Q", format=".3f"),
        color=alt.ColorValue(
            **alt.when(alt.datum.value > middle).then(alt.value("white")).otherwise(alt.value("#1c2430"))
        ),
    )
    step = alt.Step(110 if few else 46)
    return alt.layer(cells, text).properties(width=step, height=alt.Step(27), title=title)


def convergence(
    table: pd.DataFrame, summaries: Summaries, ratios: list[float], rates: list[float]
) -> Figure | None:
    """Return the steps each run needed to reach 90, 95 and 99 % of the common target."""
    if table.empty:
        return None
    measures = list(dict.fromkeys(table["measure"]))
    steps = sorted({int(step) for step in summaries.curves["step"]})
    variants: dict[tuple[str, ...], Grid] = {}
    for measure, rate in product(measures, rates):
        panels = []
        for place in summaries.main_places():
            rows = at(table, place, measure)
            rows = rows[rows["learning_rate"] == rate]
            if not rows.empty:
                panels.append(_convergence_panel(rows, place, ratios, steps))
        if panels:
            variants[(measure_title(measure), rate_label(rate))] = Grid(panels, columns=3)
    caption = (
        "Each mark is a run: the first evaluated step at which it reaches 90, 95 or 99 % of the "
        "common target, the "
        "highest mean over seeds that any ratio and learning rate reaches in that panel. Triangles "
        "at the right edge are runs that "
        "never got there within the budget (not reached); they are not dropped. Larger marks are several "
        "runs at one place. A mark at step 0 says that the untouched encoder is already there."
    )
    options = {
        "Measure": [measure_title(name) for name in measures],
        "Learning rate": [rate_label(rate) for rate in rates],
    }
    return Figure("convergence", "How fast each ratio gets there", caption, options, variants)


def _convergence_panel(
    rows: pd.DataFrame, place: tuple[str, str, str], ratios: list[float], steps: list[int]
) -> Chart:
    order = [f"{share:.0%}".replace("%", " %") for share in SHARES]
    table = pd.DataFrame(
        {
            "step": rows["steps"],
            "ratio": rows["mono_ratio"].map(ratio_label),
            "share": rows["share"].map(lambda share: f"{share:.0%}".replace("%", " %")),
            "outcome": rows["reached"].map({True: "reached", False: "not reached"}),
            "seed": rows["seed"],
        }
    )
    same = table.groupby(["step", "ratio", "share", "outcome"])["seed"]
    table = same.agg(lambda seeds: ", ".join(map(str, sorted(seeds)))).reset_index()
    table["runs"] = table["seed"].str.count(",") + 1
    chart = (
        alt.Chart(table)
        .mark_point(filled=True, opacity=0.9)
        .encode(
            x=step_axis(steps, "training steps (evaluated ones)"),
            y=alt.Y(
                "ratio:N",
                sort=[ratio_label(ratio) for ratio in ratios],
                title="ratio α",
                axis=alt.Axis(grid=True, labelOverlap=False),
            ),
            yOffset=alt.YOffset("share:N", sort=order, scale=alt.Scale(paddingOuter=0.35)),
            color=alt.Color(
                "share:N",
                sort=order,
                scale=alt.Scale(domain=order, range=["#7fb3d5", "#2e75b6", "#12305c"]),
                legend=alt.Legend(title="share of the common target"),
            ),
            shape=alt.Shape(
                "outcome:N",
                scale=alt.Scale(domain=["reached", "not reached"], range=["circle", "triangle-right"]),
                legend=alt.Legend(title="run"),
            ),
            size=alt.Size(
                "runs:Q",
                scale=alt.Scale(domain=[1, max(3, int(table["runs"].max()))], range=[36, 110]),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("ratio:N"),
                alt.Tooltip("share:N"),
                alt.Tooltip("outcome:N"),
                alt.Tooltip("step:Q"),
                alt.Tooltip("seed:N", title="seeds"),
            ],
        )
    )
    target = f"{place[1]}, target {float(rows['target'].iloc[0]):.3f}"
    heading = alt.TitleParams(f"{place[0]} · {place[2]}", subtitle=target)
    return chart.properties(width=262, height=alt.Step(13, **{"for": "offset"}), title=heading)


def ratio_differences(
    table: pd.DataFrame, summaries: Summaries, ratios: list[float], rates: list[float]
) -> Figure | None:
    """Return each ratio's difference to the reference ratio with its interval."""
    if table.empty:
        return None
    measures = list(dict.fromkeys(table["measure"]))
    reference = float(table["reference"].iloc[0])
    others = [ratio for ratio in ratios if ratio != reference]
    variants: dict[tuple[str, ...], Grid] = {}
    for measure, rate in product(measures, rates):
        panels = []
        for place in summaries.places():
            rows = at(table, place, measure)
            limits = domain([0.0, *rows["low"], *rows["high"], *rows["difference"]])
            rows = rows[rows["learning_rate"] == rate]
            if not rows.empty:
                panels.append(_difference_panel(rows, place, measure, others, ratios, limits, reference))
        if panels:
            variants[(measure_title(measure), rate_label(rate))] = Grid(panels, columns=3)
    caption = (
        f"Difference of the final value to {alpha(reference)}, seed by seed and query by query. "
        f"{_difference_bars(table)} Right of the line: better than {alpha(reference)} (for rank "
        f"distance: more biased). "
        "Filled points: p < 0.05 after Holm's correction and an interval off 0; open points: not both."
    )
    options = {
        "Measure": [measure_title(name) for name in measures],
        "Learning rate": [rate_label(rate) for rate in rates],
    }
    title = f"Paired differences to {alpha(reference)}"
    return Figure("differences", title, caption, options, variants)


def _difference_bars(table: pd.DataFrame) -> str:
    kinds = set(table["kind"])
    if kinds <= {"bootstrap"}:
        return "Bars: 95 % bootstrap intervals over seeds and queries."
    if kinds <= {"queries"}:
        return "Bars: 95 % bootstrap intervals over queries (one seed)."
    if kinds <= {"seeds"}:
        return "Bars: lowest to highest seed (no values per query, hence no test)."
    if kinds <= {"none"}:
        return "One seed and no values per query: no interval and no test."
    return "Bars: as named in the table below."


def _difference_panel(
    rows: pd.DataFrame,
    place: tuple[str, str, str],
    measure: str,
    others: list[float],
    ratios: list[float],
    limits: list[float],
    reference: float,
) -> Chart:
    table = rows[["difference", "low", "high", "p", "p_holm", "seeds"]].round(5)
    table["ratio"] = rows["mono_ratio"].map(ratio_label)
    table["clear"] = is_clear(rows)
    colour, _ = ratio_encoding(ratios)
    y = alt.Y(
        "ratio:N",
        sort=[ratio_label(ratio) for ratio in others],
        title="ratio α",
        axis=alt.Axis(labelOverlap=False),
    )
    form = ".1f" if measure == "rank_distance" else ".3f"
    axis = alt.X(
        "difference:Q",
        title=f"difference in {measure_title(measure)}",
        scale=alt.Scale(domain=limits, nice=False),
        axis=alt.Axis(tickCount=4, format=form),
    )
    base = alt.Chart(table).encode(y=y, color=colour)
    zero = alt.Chart(alt.InlineData(values=[{"difference": 0}])).mark_rule(color="#3f4854").encode(x=axis)
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2)
    layers = [
        zero,
        bars.encode(x=alt.X("low:Q", title=f"difference in {measure_title(measure)}"), x2=alt.X2("high:Q")),
        base.mark_point(size=72, strokeWidth=2, opacity=1).encode(
            x=axis,
            fill=alt.FillValue(**alt.when("datum.clear").then(colour).otherwise(alt.value("white"))),
            tooltip=[
                alt.Tooltip("ratio:N", title="ratio α"),
                alt.Tooltip("difference:Q", format=form),
                alt.Tooltip("low:Q", format=form),
                alt.Tooltip("high:Q", format=form),
                alt.Tooltip("p:Q", format=".4f"),
                alt.Tooltip("p_holm:Q", title="p (Holm)", format=".4f"),
            ],
        ),
    ]
    heading = alt.TitleParams(f"{place[0]} · {place[2]}", subtitle=f"{place[1]}, minus {alpha(reference)}")
    return alt.layer(*layers).properties(width=272, height=max(28 * len(others), 84), title=heading)


def exposure(table: pd.DataFrame, ratios: list[float]) -> Figure | None:
    """Return the training rows drawn per language, query side and passage side."""
    if table.empty:
        return None
    order = list(dict.fromkeys(table["language"]))
    colour, shape = ratio_encoding(ratios)
    panels = []
    for side in ("query", "passage"):
        rows = pd.DataFrame(
            {
                "language": table["language"].map(language_label),
                "ratio": table["mono_ratio"].map(ratio_label),
                "rows": table[f"{side}_rows"].round(1),
            }
        )
        panels.append(
            alt.Chart(rows)
            .mark_point(filled=True, size=40, opacity=0.95)
            .encode(
                x=alt.X(
                    "rows:Q",
                    title=f"rows drawn as {side}, per run",
                    scale=alt.Scale(zero=True),
                    axis=alt.Axis(tickCount=6, format=",d"),
                ),
                y=alt.Y(
                    "language:N",
                    sort=[language_label(code) for code in order],
                    title=None,
                    axis=alt.Axis(labelOverlap=False, grid=True),
                ),
                yOffset=alt.YOffset(
                    "ratio:N",
                    sort=[ratio_label(ratio) for ratio in ratios],
                    scale=alt.Scale(paddingOuter=0.4),
                ),
                color=colour,
                shape=shape,
                tooltip=[
                    alt.Tooltip("language:N"),
                    alt.Tooltip("ratio:N"),
                    alt.Tooltip("rows:Q", format=",.0f"),
                ],
            )
            .properties(
                width=390,
                height=alt.Step(max(4, 30 // max(1, len(ratios))), **{"for": "offset"}),
                title=f"{side} side",
            )
        )
    caption = (
        "Rows of training pairs drawn per language, mean over runs, from the certificate that each "
        "run's plan left. Languages "
        "held out stand at 0. Where exposure moves with the ratio, part of the ratio's effect may "
        "be the exposure's."
    )
    return Figure(
        "exposure",
        "What training saw of each language",
        caption,
        {},
        {(): Grid(panels, columns=2, panel_width=530)},
    )
