"""Writes the report of a sweep: report.html, figures/*.svg and *.png, tables/*.csv, files.txt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..atomic import replacing, write_text
from ..progress import Progress
from .folder import read_folder
from .headline import Headline, headline_of

PNG_SCALE = 2.0
"""Pixels of a PNG per pixel of the page."""

LIST = "files.txt"
"""Names the figures and tables of a report, a line each: the next report removes those and no others."""


def report(folder: Path | str, *, progress: Progress | None = None) -> Path:
    """Write ``folder/report`` from the files of a sweep and return the path of report.html.

    Only files of the sweep folder are read; nothing is measured again. Runs that are missing or not
    finished are left out and named. The figures and tables of an older report, which its ``files.txt``
    names, are replaced; other files that lie beside them stay.

    Args:
        folder: What ``hybrid-fast sweep`` wrote.
        progress: Called after each figure.

    Raises:
        RunError: ``folder`` is not a sweep folder, has no finished run, or a file in it is malformed.
        ImportError: the extra ``hybrid_fast[report]`` is not installed.
    """
    return write(folder, progress=progress)[0]


def write(folder: Path | str, *, progress: Progress | None = None) -> tuple[Path, Headline]:
    """Write the report as :func:`report` does; return its path and the headline, from one reading."""
    folder = Path(folder)
    try:
        import altair as alt
        import pandas  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"the report needs {error.name}; install it with: pip install 'hybrid_fast[report]'"
        ) from None
    from altair.utils.schemapi import debug_mode

    from .contents import contents
    from .page import file_names, page

    sweep = read_folder(folder)
    # The schema check of every altair object would take most of the time; the tests draw every figure.
    with alt.data_transformers.enable("default", max_rows=None), debug_mode(False):
        made = contents(sweep)
        html = page(made.title, made.lead, made.sections, made.figures)
        grids = {name: grid for item in made.figures for name, grid in file_names(item).items()}
        target = folder / "report"
        for done, (name, grid) in enumerate(grids.items(), start=1):
            _write_figure(target / "figures", name, grid.spec)
            if progress is not None:
                progress(done, len(grids))
    for name, data in made.csv.items():
        write_text(target / "tables" / f"{name}.csv", data.to_csv(index=False))
    write_text(target / "report.html", html)
    figures = [f"figures/{name}.{ending}" for name in grids for ending in ("png", "svg")]
    _replace_list(target, [*figures, *(f"tables/{name}.csv" for name in made.csv)])
    return target / "report.html", headline_of(sweep, made.summaries)


def _write_figure(folder: Path, name: str, spec: dict[str, Any]) -> None:
    import vl_convert

    from .page import vl_version

    svg = vl_convert.vegalite_to_svg(spec, vl_version=vl_version())
    write_text(folder / f"{name}.svg", svg)
    with replacing(folder / f"{name}.png") as temporary:
        temporary.write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))


def _replace_list(folder: Path, files: list[str]) -> None:
    """Note which files a report has, and remove those that only the older one has."""
    path = folder / LIST
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    write_text(path, "".join(f"{name}\n" for name in sorted(files)))
    for name in set(before) - set(files):
        if re.fullmatch(r"(figures/[^/\\]+\.(png|svg)|tables/[^/\\]+\.csv)", name):
            (folder / name).unlink(missing_ok=True)
