"""The look of every figure: one colour and shape a ratio, the same in all figures."""

from __future__ import annotations

from typing import Any

from .words import ratio_label

# Anchors of the plasma map (S. van der Walt, N. Smith), perceptually ordered and safe for colour-blind
# readers; its light end is left out, for it is too pale for a line on white.
_PLASMA = ("#0d0887", "#5302a3", "#8b0aa5", "#b83289", "#db5c68", "#f48849", "#f6a72c")
_SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
    "stroke",
)
RATE_COLOURS = ("#33658a", "#c8641c", "#5b8c3e")
INK = "#1c2430"
SOFT = "#5b6675"
FONT = "'Source Sans 3', 'Noto Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


def ratio_colours(ratios: list[float]) -> dict[str, str]:
    """Return a colour for each ratio label; its place on the map is the ratio itself."""
    return {ratio_label(ratio): _mix(ratio) for ratio in ratios}


def ratio_shapes(ratios: list[float]) -> dict[str, str]:
    """Return a point shape for each ratio label."""
    return {ratio_label(ratio): _SHAPES[position % len(_SHAPES)] for position, ratio in enumerate(ratios)}


def _mix(place: float) -> str:
    position = min(max(place, 0.0), 1.0) * (len(_PLASMA) - 1)
    low = min(int(position), len(_PLASMA) - 2)
    part = position - low
    first, second = (_channels(_PLASMA[low]), _channels(_PLASMA[low + 1]))
    return "#" + "".join(f"{round(a + part * (b - a)):02x}" for a, b in zip(first, second, strict=True))


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def theme() -> dict[str, Any]:
    """Return the Vega-Lite configuration of every figure."""
    return {
        "background": "white",
        "font": FONT,
        "padding": 6,
        "view": {"stroke": None},
        "title": {
            "fontSize": 13,
            "fontWeight": 600,
            "color": INK,
            "anchor": "start",
            "offset": 8,
            "subtitleFontSize": 11.5,
            "subtitleColor": SOFT,
            "subtitlePadding": 3,
        },
        "axis": {
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 400,
            "titleColor": SOFT,
            "labelColor": INK,
            "domainColor": "#9aa4b1",
            "tickColor": "#9aa4b1",
            "gridColor": "#e9edf1",
            "labelOverlap": "greedy",
            "labelSeparation": 4,
            "labelFlush": False,
            "titlePadding": 6,
        },
        "legend": {
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 600,
            "labelColor": INK,
            "titleColor": INK,
            "orient": "top",
            "symbolSize": 90,
            "columnPadding": 14,
            "labelLimit": 260,
            "titleLimit": 400,
            "symbolStrokeWidth": 2,
            "symbolOpacity": 1,
            "offset": 10,
        },
        "concat": {"spacing": 26},
        "header": {"labelFontSize": 12, "titleFontSize": 12},
    }
