"""How measures, ratios, settings and numbers are written in the report."""

from __future__ import annotations

import math
import re

SETTINGS = ("monolingual", "cross-lingual", "multilingual")
MAIN_SETTINGS = ("multilingual", "cross-lingual", "monolingual")
"""The setting that stands for an evaluation: the first of these that it has."""

SETTING_MEANING = {
    "monolingual": "passages in the query's language",
    "cross-lingual": "passages in one other language",
    "multilingual": "passages of all languages together",
}


def measure_title(measure: str) -> str:
    """Name a mean over queries as papers do: AP becomes mAP, RR@10 becomes MRR@10."""
    if measure == "rank_distance":
        return "rank distance"
    if measure == "AP" or measure.startswith("AP@"):
        return f"m{measure}"
    if measure == "RR" or measure.startswith("RR@"):
        return f"M{measure}"
    return measure


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with a fixed count of decimals; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def value_of(measure: str, value: float | None) -> str:
    """Write a value of a measure: 3 decimals, or 1 where it counts ranks."""
    return number(value, 1 if measure in ("rank_distance", "Max@R") else 3)


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign, minus as −."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def ratio_label(ratio: float) -> str:
    """Write a ratio shortly: 0, 0.25, 1."""
    return f"{ratio:g}"


def alpha(ratio: float) -> str:
    """Write a ratio with its symbol, unbroken at line ends: α = 0.5."""
    return f"α\u00a0=\u00a0{ratio_label(ratio)}"


def rate_label(rate: float) -> str:
    """Write a learning rate as papers do: 3e-5."""
    return re.sub(r"e-0(\d)", r"e-\1", f"{rate:g}") if rate >= 1e-4 else re.sub(r"e-0?", "e-", f"{rate:.3g}")


def listing(items: list[str]) -> str:
    """Join words: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def slug(*parts: str) -> str:
    """Return a file name made of the parts: lower case, digits and hyphens."""
    return "-".join(filter(None, (re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-") for part in parts)))


def count(amount: int, noun: str) -> str:
    """Write a count with its noun, which gets an s unless there is one."""
    return f"{amount:,} {noun}" + ("" if amount == 1 else "s")
