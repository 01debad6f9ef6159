"""The measures of all runs of a sweep folder as one table; read, never recomputed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..extras import needed
from .description import read_description
from .runs import RUNS, is_finished

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "run", "mono_ratio", "seed", "learning_rate", "finished", "step", "pairs", "seconds", "evaluation",
    "scope", "setting", "query_language", "passage_language", "tier", "measure", "value", "queries",
)  # fmt: skip


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
    with needed("a table"):
        import pandas as pd

    folder = Path(folder)
    description = read_description(folder)
    tier_of = {code: name for name, codes in description["tiers"].items() for code in codes}
    rows: list[dict[str, Any]] = []
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
        rows += [
            {**own, **row, "tier": tier_of.get(row["query_language"], "other")}
            for row in _lines(place / "metrics.jsonl", done=done)
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


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
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                if done:
                    raise RunError(f"{path}, line {number}, is damaged: {error}") from None
                break  # the line that a running or interrupted run is just writing
    return rows
