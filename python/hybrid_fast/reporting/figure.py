"""A figure of the report: panels on a grid, and variants that the reader switches between."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import altair as alt

from .palette import ratio_colours, ratio_shapes, theme
from .words import ratio_label

Chart = Any
"""Any altair chart (unit or layer)."""

CHOSEN = "chosen"
"""The selection a click in the legend makes."""

DASHES: dict[str, list[float]] = {"untouched encoder": [6, 4], "chance": [1.5, 3]}
"""Dash pattern of each reference line, in pixels."""

HIGHLIGHTED = "points"
"""Name of the view in a panel that the legend acts on."""


@dataclass(frozen=True)
class Grid:
    """Panels side by side; the page lowers ``columns`` where its window is narrow."""

    panels: list[Chart]
    columns: int = 3
    panel_width: int = 350
    """Width of one panel with its axis, in pixels."""
    highlight: bool = False
    """A click on a ratio in the legend fades the others; each panel has a view named ``points``."""

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The Vega-Lite specification of the whole grid."""
        # Joined by hand: alt.concat copies and compares all panels again and again, seconds a figure.
        panels = [panel.to_dict(validate=False) for panel in self.panels]
        datasets: dict[str, Any] = {}
        views = []
        for position, panel in enumerate(panels):
            datasets |= panel.pop("datasets", {})
            for key in ("$schema", "config"):
                panel.pop(key, None)
            for layer in panel.get("layer", []):
                if layer.get("name") == HIGHLIGHTED:
                    layer["name"] = f"{HIGHLIGHTED}{position}"
                    views.append(layer["name"])
        spec = {
            "config": theme(),
            "concat": panels,
            "columns": min(self.columns, len(panels)),
            "resolve": {"scale": {"color": "shared", "shape": "shared", "strokeDash": "shared"}},
            "datasets": datasets,
        }
        if self.highlight:
            select = {"type": "point", "fields": ["ratio"]}
            spec["params"] = [{"name": CHOSEN, "select": select, "bind": "legend", "views": views}]
        return spec


@dataclass(frozen=True)
class Figure:
    """A figure with its caption; ``variants`` has one grid for each choice of options."""

    name: str
    """File name without ending."""
    title: str
    caption: str
    """What one sees and how it was measured."""
    options: dict[str, list[str]]
    """What the reader may choose: name of the choice → options; the first is shown first."""
    variants: dict[tuple[str, ...], Grid]
    exports: dict[str, Grid] = field(default_factory=dict)
    """File name → grid, where the files are other than the variants."""


def ratio_encoding(ratios: list[float]) -> tuple[alt.Color, alt.Shape]:
    """Return the colour and shape of the ratios, with one common legend."""
    title = "ratio α (share of monolingual batches)"
    colours = ratio_colours(ratios)
    shapes = ratio_shapes(ratios)
    order = [ratio_label(ratio) for ratio in ratios]
    colour = alt.Color(
        "ratio:N",
        sort=order,
        scale=alt.Scale(domain=order, range=[colours[label] for label in order]),
        legend=alt.Legend(title=title),
    )
    shape = alt.Shape(
        "ratio:N",
        sort=order,
        scale=alt.Scale(domain=order, range=[shapes[label] for label in order]),
        legend=alt.Legend(title=title),
    )
    return colour, shape


def step_axis(steps: list[int], title: str = "training steps") -> alt.X:
    """Return an x axis that spreads the early steps: symmetric log, ticks at the evaluated steps."""
    first = next((step for step in steps if step > 0), 1)
    return alt.X(
        "step:Q",
        scale=alt.Scale(type="symlog", constant=first, domain=[steps[0], max(steps[-1], 1)], nice=False),
        axis=alt.Axis(values=steps, title=title, grid=False, format="d"),
    )


def domain(values: list[float], *, share: float = 0.06, least: float = 0.02) -> list[float]:
    """Return an axis range around ``values`` with a margin, never narrower than ``least``."""
    known = [value for value in values if value == value]
    if not known:
        return [0.0, 1.0]
    low, high = min(known), max(known)
    margin = max((high - low) * share, (least - (high - low)) / 2, 1e-9)
    return [low - margin, high + margin]


def decimals(limits: list[float]) -> str:
    """Return the number format of an axis, with as many decimals as tell its ticks apart."""
    return ".2f" if limits[1] - limits[0] >= 0.06 else ".3f"


def reference_lines(lines: dict[str, float | None], *, with_chance: bool = False) -> Chart | None:
    """Return horizontal lines with their legend: the untouched encoder and, in some figures, chance."""
    known = [{"line": name, "value": value} for name, value in lines.items() if value is not None]
    if not known:
        return None
    names = [name for name in DASHES if with_chance or name != "chance"]
    return (
        alt.Chart(alt.InlineData(values=known))
        .mark_rule(color="#3f4854", strokeWidth=1.3)
        .encode(
            y=alt.Y("value:Q"),
            strokeDash=alt.StrokeDash(
                "line:N",
                scale=alt.Scale(domain=names, range=[DASHES[name] for name in names]),
                legend=alt.Legend(title=None, symbolType="stroke", symbolSize=500),
            ),
            tooltip=[alt.Tooltip("line:N", title="line"), alt.Tooltip("value:Q", format=".3f")],
        )
    )
