"""Assembles the HTML page: one file with its styles, data and scripts inside."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from .figure import Figure
from .tables import Table
from .words import slug

LONG_TABLE = 24
"""Rows from which a table scrolls in a window of its own."""


@dataclass(frozen=True)
class Section:
    """A chapter of the page."""

    title: str
    parts: list[str] = field(default_factory=list)
    """HTML."""

    @property
    def anchor(self) -> str:
        """The fragment by which the contents link to it."""
        return slug(self.title)


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def box(kind: str, texts: Iterable[str]) -> str:
    """Return paragraphs in a box: note, warning or answer."""
    return f'<div class="{kind}">' + "".join(paragraph(text) for text in texts) + "</div>"


def listed(items: Iterable[tuple[str, str]]) -> str:
    """Return a two-column table of names and values."""
    rows = "".join(
        f'<tr><td class="text">{escape(name)}</td>'
        f'<td class="text wrap"><code>{escape(value)}</code></td></tr>'
        for name, value in items
    )
    return f'<div class="table"><table><tbody>{rows}</tbody></table></div>'


def code(text: str) -> str:
    """Return text set as it would be typed."""
    return f"<pre>{escape(text)}</pre>"


def folded(title: str, text: str) -> str:
    """Return text that opens on a click."""
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"


def figure(item: Figure, number: int) -> str:
    """Return the frame in which the script draws a figure, with its choices and caption."""
    controls = "".join(
        _choice(f"{item.name}-{slug(name)}", name, options) for name, options in item.options.items()
    )
    first = f"figures/{next(iter(file_names(item)))}"
    links = f'<a href="{escape(first)}.svg">SVG</a> <a href="{escape(first)}.png">PNG</a>'
    return (
        f'<figure data-name="{escape(item.name)}" id="{escape(item.name)}"><h3>{escape(item.title)}</h3>'
        f'<div class="controls">{controls}</div><div class="chart"></div>'
        f"<figcaption><b>Figure {number}.</b> {escape(item.caption)} "
        f'<span class="files">{links}</span></figcaption></figure>'
    )


def _choice(group: str, name: str, options: list[str]) -> str:
    hidden = " hidden" if len(options) == 1 else ""
    labels = "".join(
        f'<label><input type="radio" name="{escape(group)}" value="{escape(option)}"'
        f"{' checked' if place == 0 else ''}><span>{escape(option)}</span></label>"
        for place, option in enumerate(options)
    )
    return f"<fieldset{hidden}><legend>{escape(name)}</legend>{labels}</fieldset>"


def file_names(item: Figure) -> dict[str, Any]:
    """Return the files of a figure, without ending: name → grid."""
    if item.exports:
        return dict(item.exports)
    several = len(item.variants) > 1
    return {
        slug(item.name, *(part for part in choice)) if several else item.name: grid
        for choice, grid in item.variants.items()
    }


def specs(figures: list[Figure]) -> str:
    """Return the Vega-Lite specifications of all figures as JSON that may stand in a script element."""
    entries = {}
    for item in figures:
        for choice, grid in item.variants.items():
            key = f"{item.name}|{'|'.join(choice)}"
            entries[key] = {"spec": grid.spec, "columns": grid.columns, "panelWidth": grid.panel_width}
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def table(item: Table) -> str:
    """Return a table with its caption; a click on a header of a simple table sorts it."""
    sortable = len(item.header) == 1
    head = ""
    for cells in item.header:
        position = 0
        row = ""
        for text, span in cells:
            kind = ' class="text"' if position < item.texts and span == 1 else ""
            spanning = f' colspan="{span}"' if span > 1 else ""
            sort = f' data-sort="{position}"' if sortable else ""
            row += f"<th{kind}{spanning}{sort}>{escape(text)}</th>"
            position += span
        head += f"<tr>{row}</tr>"
    body = ""
    for line, texts in enumerate(item.rows):
        row = ""
        for column, text in enumerate(texts):
            kind = ("text wrap" if len(text) > 60 else "text") if column < item.texts else ""
            content = "<br>".join(
                escape(part) if place == 0 else f"<small>{escape(part)}</small>"
                for place, part in enumerate(text.split("\n"))
            )
            if (line, column) in item.strong:
                content = f"<b>{content}</b>"
            row += f'<td class="{kind}">{content}</td>' if kind else f"<td>{content}</td>"
        body += f'<tr class="apart">{row}</tr>' if line in item.apart else f"<tr>{row}</tr>"
    link = f' <span class="files"><a href="tables/{item.name}.csv">CSV</a></span>' if item.name else ""
    long = " long" if len(item.rows) > LONG_TABLE else ""
    return (
        f'<div class="table{long}"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'
        f'<p class="caption">{escape(item.caption)}{link}</p>'
    )


def page(title: str, lead: list[str], sections: list[Section], figures: list[Figure]) -> str:
    """Return the whole page."""
    home = files(__package__)
    style = (home / "page.css").read_text(encoding="utf-8")
    script = (home / "page.js").read_text(encoding="utf-8")
    library = _library()
    contents = "".join(f'<a href="#{part.anchor}">{escape(part.title)}</a> ' for part in sections)
    chapters = "\n".join(
        f'<section id="{part.anchor}"><h2>{escape(part.title)}</h2>\n{"".join(part.parts)}</section>'
        for part in sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{"".join(lead)}
<nav aria-label="Contents">{contents}</nav>
<noscript><p class="warning">The figures need JavaScript; they also lie in the folder figures.</p></noscript>
{chapters}
</main>
<script type="application/json" id="specs">{specs(figures)}</script>
<script type="module">{library}
{script}</script>
</body>
</html>
"""


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed in one script."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version())
    return bundle.replace("</script", "<\\/script")


@cache
def vl_version() -> str:
    """Return the Vega-Lite version the figures are written for, as vl-convert names it: 6.4."""
    import altair

    return ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
