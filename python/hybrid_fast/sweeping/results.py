"""The measures of all runs of a sweep folder as one table; read, never recomputed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RunError
from ..extras import require
from .description import read_description
from .runs import RUNS, is_finished

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "run", "mono_ratio", "seed", "learning_rate", "finished", "step", "pairs", "seconds", "evaluation",
    "scope", "setting", "query_language", "passage_language", "tier", "measure", "value", "queries",
)  # fmt: skip
WORDS = ("run", "evaluation", "scope", "setting", "query_language", "passage_language", "tier", "measure")
"""The columns that hold words."""


def results(folder: Path | str, *, finished_only: bool = False) -> pd.DataFrame:
    """Read every run's ``metrics.jsonl`` into one tidy table.

    Args:
        folder: of the sweep.
        finished_only: leave out runs that are still going on or were interrupted.

    Returns:
        A row a (run, step, evaluation, scope, setting, query language, pool, measure): run (name of
        its folder), mono_ratio, seed, learning_rate, finished, step, pairs, seconds, evaluation,
        scope, setting, query_language, passage_language, tier (of the query language), measure,
        value, queries.

    Raises:
        RunError: the folder is not one of a sweep, or a line of a finished run is damaged.
    """
    require("a table", "pandas")
    folder = Path(folder)
    description = read_description(folder)
    tier_of = {code: name for name, codes in description["tiers"].items() for code in codes}
    columns = _Columns()
    for place in sorted((folder / RUNS).glob("*")):
        if not (place / "config.json").is_file():
            continue
        done = is_finished(place)
        if finished_only and not done:
            continue
        config = json.loads((place / "config.json").read_text(encoding="utf-8"))
        own = {
            "run": place.name,
            "mono_ratio": float(config["sampler"]["mono_ratio"]),
            "seed": int(config["seed"]),
            "learning_rate": float(config["learning_rate"]),
            "finished": done,
        }
        columns.add(own, _lines(place / "metrics.jsonl", done=done), tier_of)
    return columns.table()


class _Columns:
    """The columns of :func:`results`, filled run by run: rows as dicts would take ten times the memory."""

    def __init__(self) -> None:
        self._numbers: dict[str, list[pd.Series]] = {name: [] for name in COLUMNS if name not in WORDS}
        self._codes: dict[str, list[NDArray[np.int32]]] = {name: [] for name in WORDS}
        self._words: dict[str, dict[str, int]] = {name: {} for name in WORDS}

    def add(
        self, own: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], tier_of: Mapping[str, str]
    ) -> None:
        """Add the rows of one run, whose own values are the same in each."""
        import pandas as pd

        for name in COLUMNS:
            values: list[Any]
            if name in own:
                values = [own[name]] * len(rows)
            elif name == "tier":
                values = [tier_of.get(row["query_language"], "other") for row in rows]
            else:
                values = [row.get(name) for row in rows]
            if name in WORDS:
                words = self._words[name]
                codes = [words.setdefault(value, len(words)) for value in values]
                self._codes[name].append(np.array(codes, dtype=np.int32))
            elif rows:
                self._numbers[name].append(pd.Series(values))

    def table(self) -> pd.DataFrame:
        """Return the table."""
        import pandas as pd

        found = {}
        for name in COLUMNS:
            if name in WORDS:
                words = pd.Series(list(self._words[name]))
                codes = np.concatenate([np.zeros(0, dtype=np.int32), *self._codes[name]])
                found[name] = words.take(codes).reset_index(drop=True)
            elif parts := self._numbers[name]:
                found[name] = pd.concat(parts, ignore_index=True)
            else:
                found[name] = pd.Series([], dtype=object)
        return pd.DataFrame(found)


def summary(table: pd.DataFrame, measures: Sequence[str] = ("RR@10", "AP")) -> pd.DataFrame:
    """Average the last step of finished runs: one row a (evaluation, setting, tier, rate, ratio, measure).

    Macro means: every query language (or ordered pair with a query language of the tier) weighs the
    same; then the mean over seeds. The whole set is taken where it was measured, else the sample.

    Returns:
        evaluation, setting, tier, learning_rate, mono_ratio, measure, value, low and high (smallest
        and largest seed), seeds.
    """
    final = table[table["finished"] & table["measure"].isin(list(measures))]
    final = final[final["step"] == final.groupby("run")["step"].transform("max")]
    whole = final.groupby("evaluation")["scope"].transform(lambda scopes: (scopes == "full").any())
    final = final[(final["scope"] == "full") | ~whole.astype(bool)]
    place = ["evaluation", "setting", "tier", "learning_rate", "mono_ratio", "measure"]
    by_seed = final.groupby([*place, "seed"], sort=False)["value"].mean().reset_index()
    grouped = by_seed.groupby(place, sort=False)["value"]
    return grouped.agg(value="mean", low="min", high="max", seeds="size").reset_index()


def _lines(path: Path, *, done: bool) -> list[dict[str, Any]]:
    if not path.is_file():
        if done:
            raise RunError(f"{path} is missing")
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    if not lines[-1]:
        lines.pop()
    try:
        rows = json.loads(f"[{','.join(lines)}]")  # twice as fast as one after the other
    except ValueError:
        rows = []
    if len(rows) == len(lines) and all(map(_is_row, rows)):
        return list(rows)
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not _is_row(row):
                raise ValueError("it is no row of measures")
            rows.append(row)
        except ValueError as error:
            if done:
                raise RunError(f"{path}, line {number}, is damaged: {error}") from None
            break  # the line that a running or interrupted run is just writing
    return rows


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("query_language"), str)
