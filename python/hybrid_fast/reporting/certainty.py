"""Intervals of final means and paired differences between ratios, from the queries' own values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from ..statistics import bootstrap, paired_difference
from .folder import Run, SweepFolder
from .summaries import PLACE, Summaries, at

REPLICATES = 2000
_KEYS = ["evaluation", "setting", "tier", "measure"]
Place = tuple[str, str, str]
RunKey = tuple[float, float, int]
"""(learning rate, ratio, seed)."""
Values = dict[tuple[str, str, str, str], dict[RunKey, pd.Series]]
"""For (evaluation, setting, tier, measure), each run's values, indexed by (stratum, question)."""


def query_values(sweep: SweepFolder, summaries: Summaries, measures: list[str]) -> Values:
    """Return each run's values per question, such that their mean is the macro mean of the tier.

    The mean over strata of the mean over a stratum's questions is the macro mean. Translations of a
    question are one question. Empty where the final values are not those of the full sets.
    """
    tier_of = {code: name for name, codes in sweep.tiers.items() for code in codes}
    full = [name for name, scope in summaries.final_scope.items() if scope == "full"]
    values: Values = {}
    for run in sweep.runs:
        table = _read_queries(run, measures)
        if table is None:
            continue
        table = table[table["evaluation"].isin(full)]
        table = table.assign(tier=table["query_language"].map(lambda code: tier_of.get(code, "other")))
        for key, rows in table.groupby(_KEYS, sort=False):
            values.setdefault(key, {})[run.learning_rate, run.mono_ratio, run.seed] = _by_question(rows)
    return values


def _read_queries(run: Run, measures: list[str]) -> pd.DataFrame | None:
    path = run.folder / "per_query.parquet"
    if not path.is_file():
        return None
    table = pd.read_parquet(path, filters=[("measure", "in", measures)])
    names = ["evaluation", "setting", "query_language", "passage_language", "measure"]
    table = table.astype(dict.fromkeys(names, object) | {"value": "float64"})
    pairs = table[["query_id", "query_language"]].drop_duplicates()
    asked = [
        question(str(name), code)
        for name, code in zip(pairs["query_id"], pairs["query_language"], strict=True)
    ]
    return table.merge(pairs.assign(question=asked), on=["query_id", "query_language"])


def question(query_id: str, language: str) -> str:
    """Return the name that the translations of a query share: its id without its language.

    >>> question("ar/56be4", "ar"), question("person-01.birthplace.de", "de"), question("q7", "de")
    ('56be4', 'person-01.birthplace', 'q7')
    """
    code = re.escape(language)
    return re.sub(rf"^{code}[/:.]|[/:.]{code}$", "", query_id) or query_id


def _by_question(rows: pd.DataFrame) -> pd.Series:
    """Fold the cells (query language, passage language) into as few strata as keep the macro mean."""
    cells = rows.groupby(["query_language", "passage_language"])["question"].agg(frozenset)
    sets = cells.groupby(level=0).agg(["nunique", "size", "first"])
    if (sets["nunique"] == 1).all() and sets["size"].nunique() == 1:
        if sets["first"].nunique() == 1:
            folded = rows.groupby("question")["value"].mean()
            return pd.concat({"": folded})
        return rows.groupby(["query_language", "question"])["value"].mean()
    stratum = rows["query_language"] + " → " + rows["passage_language"]
    return rows.groupby([stratum, rows["question"]])["value"].mean()


def intervals(summaries: Summaries, values: Values) -> pd.DataFrame:
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
            table_of = _aligned(known)
            ends = bootstrap(
                table_of.to_numpy().T,
                clusters=_questions(table_of),
                strata=_strata(table_of),
                replicates=REPLICATES,
            )
            low, high = ends.low, ends.high
            kind = "bootstrap" if len(seeds) > 1 else "queries"
        elif len(seeds) > 1:
            low, high, kind = table["value"].min(), table["value"].max(), "seeds"
        rows.append(
            dict(zip([*PLACE, "measure", "learning_rate", "mono_ratio"], key, strict=True))
            | {"seeds": len(seeds), "mean": table["value"].mean(), "low": low, "high": high, "kind": kind}
        )
    return pd.DataFrame(rows)


def differences(
    summaries: Summaries, values: Values, measures: list[str], ratios: list[float]
) -> pd.DataFrame:
    """Return each ratio's paired difference to the reference ratio, per place, measure and learning rate.

    The reference is 0.5 where the sweep has it, else the lowest ratio. Columns: ratio, reference,
    difference, low and high (95 % bootstrap), p (two-sided sign-flip test over questions, the seeds averaged)
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
    values: dict[RunKey, pd.Series],
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
        both = _aligned([values[key] for pair in keys for key in pair])
        result = paired_difference(
            both.iloc[:, ::2].to_numpy().T,
            both.iloc[:, 1::2].to_numpy().T,
            clusters=_questions(both),
            strata=_strata(both),
            replicates=REPLICATES,
        )
        row |= {"low": result.interval.low, "high": result.interval.high, "p": result.p_value}
        row["kind"] = "bootstrap" if len(seeds) > 1 else "queries"
    return row


def _aligned(per_run: list[pd.Series]) -> pd.DataFrame:
    return pd.concat(per_run, axis=1, join="inner")


def _questions(table: pd.DataFrame) -> list[Any]:
    return list(table.index.get_level_values(1))


def _strata(table: pd.DataFrame) -> list[Any]:
    return list(table.index.get_level_values(0))


def is_clear(differences: pd.DataFrame) -> pd.Series:
    """Say which differences are clear: Holm-corrected p below 0.05, and an interval that leaves out 0.

    The test speaks of these trained models, the interval of other seeds too; a claim needs both.
    """
    away = (differences["low"] > 0) | (differences["high"] < 0)
    return (differences["p_holm"] < 0.05) & away


def holm(p_values: list[float]) -> list[float]:
    """Return Holm's corrected p values, in the given order; NaN stays NaN and does not count."""
    known = sorted((p, position) for position, p in enumerate(p_values) if not np.isnan(p))
    corrected = [float("nan")] * len(p_values)
    highest = 0.0
    for rank, (p, position) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[position] = highest
    return corrected
