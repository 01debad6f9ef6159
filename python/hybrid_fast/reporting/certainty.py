"""Intervals of final means and paired differences between ratios, from the queries' own values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .folder import Run, SweepFolder
from .summaries import PLACE, Summaries, at

DRAWS = 2000
_KEYS = ["evaluation", "setting", "tier", "measure"]
Matrices = dict[tuple[str, str, str, str], dict[tuple[float, float, int], pd.Series]]


def query_values(sweep: SweepFolder, summaries: Summaries, measures: list[str]) -> Matrices:
    """Return, for each place and measure, each run's value per query.

    A query id that occurs in several languages is one unit: its value is the sum over the cells (query
    language, passage language) of its value divided by the cell's queries, scaled so that the mean over
    queries is the macro mean of the tier. Empty unless the final values are those of the full sets.
    """
    tier_of = {code: name for name, codes in sweep.tiers.items() for code in codes}
    full = [name for name, scope in summaries.final_scope.items() if scope == "full"]
    values: Matrices = {}
    for run in sweep.runs:
        table = _read_queries(run, measures)
        if table is None:
            continue
        table = table[table["evaluation"].isin(full)]
        table = table.assign(tier=table["query_language"].astype(object).map(lambda code: tier_of.get(code, "other")))
        for key, rows in table.groupby(_KEYS, observed=True):
            cell = rows.groupby(["query_language", "passage_language"], observed=True)["value"]
            share = rows["value"] / cell.transform("size") / cell.ngroups
            summed = share.groupby(rows["query_id"], observed=True).sum()
            values.setdefault(key, {})[(run.learning_rate, run.mono_ratio, run.seed)] = summed * len(summed)
    return values


def _read_queries(run: Run, measures: list[str]) -> pd.DataFrame | None:
    path = run.folder / "per_query.parquet"
    if not path.is_file():
        return None
    table = pd.read_parquet(path, filters=[("measure", "in", measures)])
    return table.astype({"value": "float64"})


def intervals(summaries: Summaries, values: Matrices) -> pd.DataFrame:
    """Return mean, low and high of the final value per place, measure, learning rate and ratio.

    The column ``kind`` says what low and high are: ``bootstrap`` (95 % hierarchical percentile bootstrap
    over seeds × queries), ``queries`` (over queries only, one seed), ``seeds`` (lowest and highest seed) or
    ``none`` (one seed and no values per query).
    """
    rows: list[dict[str, Any]] = []
    grouped = summaries.tiers.groupby([*PLACE, "measure", "learning_rate", "mono_ratio"], sort=True)
    for key, table in grouped:
        place, measure, rate, ratio = key[:3], key[3], key[4], key[5]
        seeds = table["seed"].tolist()
        per_seed = values.get((*place, measure), {})
        known = [per_seed[(rate, ratio, seed)] for seed in seeds if (rate, ratio, seed) in per_seed]
        low, high, kind = float("nan"), float("nan"), "none"
        if len(known) == len(seeds):
            low, high = bootstrap(_matrix(known))
            kind = "bootstrap" if len(seeds) > 1 else "queries"
        elif len(seeds) > 1:
            low, high, kind = table["value"].min(), table["value"].max(), "seeds"
        rows.append(
            dict(zip([*PLACE, "measure", "learning_rate", "mono_ratio"], key, strict=True))
            | {"seeds": len(seeds), "mean": table["value"].mean(), "low": low, "high": high, "kind": kind}
        )
    return pd.DataFrame(rows)


def differences(
    summaries: Summaries, values: Matrices, measures: list[str], ratios: list[float]
) -> pd.DataFrame:
    """Return each ratio's paired difference to the reference ratio, per place, measure and learning rate.

    The reference is 0.5 where the sweep has it, else the lowest ratio. Columns: ratio, reference,
    difference, low and high (95 % bootstrap), p (two-sided sign-flip test over queries, the seeds averaged)
    and p_holm (Holm's correction over the comparisons of one place, measure and learning rate).
    """
    reference = 0.5 if 0.5 in ratios else min(ratios)
    rows: list[dict[str, Any]] = []
    for place in summaries.places():
        for measure in measures:
            table = at(summaries.tiers, place, measure)
            for rate in sorted(table["learning_rate"].unique()):
                chosen = table[table["learning_rate"] == rate]
                family = []
                for ratio in sorted(chosen["mono_ratio"].unique()):
                    if ratio == reference:
                        continue
                    row = _compare(chosen, values.get((*place, measure), {}), rate, ratio, reference)
                    if row is not None:
                        labels = dict(zip(PLACE, place, strict=True))
                        family.append(labels | {"measure": measure, "learning_rate": rate} | row)
                for row, corrected in zip(family, holm([row["p"] for row in family]), strict=True):
                    rows.append(row | {"p_holm": corrected})
    return pd.DataFrame(rows)


def _compare(
    table: pd.DataFrame,
    values: dict[tuple[float, float, int], pd.Series],
    rate: float,
    ratio: float,
    reference: float,
) -> dict[str, Any] | None:
    own = table[table["mono_ratio"] == ratio].set_index("seed")["value"]
    other = table[table["mono_ratio"] == reference].set_index("seed")["value"]
    seeds = own.index.intersection(other.index)
    if not len(seeds):
        return None
    gaps = own[seeds] - other[seeds]
    row = {
        "mono_ratio": ratio,
        "reference": reference,
        "seeds": len(seeds),
        "difference": gaps.mean(),
        "low": gaps.min() if len(seeds) > 1 else float("nan"),
        "high": gaps.max() if len(seeds) > 1 else float("nan"),
        "p": float("nan"),
        "kind": "seeds" if len(seeds) > 1 else "none",
    }
    keys = [((rate, ratio, seed), (rate, reference, seed)) for seed in seeds]
    if all(first in values and second in values for first, second in keys):
        matrix = _matrix([values[first] - values[second] for first, second in keys])
        low, high = bootstrap(matrix)
        row |= {"low": low, "high": high, "p": sign_flip(matrix.mean(axis=0))}
        row["kind"] = "bootstrap" if len(seeds) > 1 else "queries"
    return row


def _matrix(per_seed: list[pd.Series]) -> np.ndarray:
    return pd.concat(per_seed, axis=1).fillna(0.0).to_numpy().T


def bootstrap(values: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean of ``values[seeds, queries]``, both drawn anew.

    Every seed is judged on the same queries, so one draw of queries serves all seeds.
    """
    rng = np.random.default_rng(seed)
    seeds, queries = values.shape
    weights = rng.multinomial(queries, np.full(queries, 1 / queries), size=draws) / queries
    per_seed = weights @ values.T
    chosen = rng.integers(0, seeds, size=(draws, seeds))
    means = np.take_along_axis(per_seed, chosen, axis=1).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def sign_flip(differences: np.ndarray, *, draws: int = 4999, seed: int = 0) -> float:
    """Return the two-sided p of a paired permutation test: each query's difference keeps or flips its sign."""
    rng = np.random.default_rng(seed)
    observed = abs(differences.sum()) - 1e-12
    extreme = 0
    for start in range(0, draws, 500):
        flips = rng.integers(0, 2, size=(min(500, draws - start), differences.size)) * 2 - 1
        extreme += int((np.abs(flips @ differences) >= observed).sum())
    return (extreme + 1) / (draws + 1)


def holm(p_values: list[float]) -> list[float]:
    """Return Holm's corrected p values, in the given order; NaN stays NaN and does not count."""
    known = sorted((p, position) for position, p in enumerate(p_values) if not np.isnan(p))
    corrected = [float("nan")] * len(p_values)
    highest = 0.0
    for rank, (p, position) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[position] = highest
    return corrected
