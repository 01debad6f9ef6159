"""How measures of one ranking are printed: a line a measure, so that no terminal is too narrow."""

from __future__ import annotations

from collections.abc import Mapping

from .console import console


def show_means(means: Mapping[str, float], queries: str) -> None:
    """Print means (of a count its sum), and of how many queries they are."""
    from ..measure_names import KINDS, measure_names

    names = measure_names(list(means))
    width = max(len(name) for name in (*(name.text for name in names), "queries"))
    lines = []
    for name in names:
        mean = means[name.text]
        digits = f"{mean:.0f} in all" if KINDS[name.kind].counts else f"{mean:.4f}"
        lines.append(f"{name.text:<{width}}  {digits}")
    lines.append(f"{'queries':<{width}}  {queries}")
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
