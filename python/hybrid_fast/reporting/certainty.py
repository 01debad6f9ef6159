"""Intervals of final means and paired differences between ratios, from the queries' own values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics import bootstrap, paired_difference
from .folder import Run, SweepFolder
from .summaries import PLACE, Summaries, at

if TYPE_CHECKING:
    import pyarrow as pa

REPLICATES = 2000
_KEYS = ["evaluation", "setting", "tier", "measure"]
_LABELS = ["evaluation", "setting", "query_language", "passage_language", "query_id", "measure"]
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
    # Runs of a sweep are judged on the same questions: what those are is worked out once for all of them.
    alike: list[tuple[pa.Table, dict[RunKey, NDArray[np.float64]]]] = []
    for run in sweep.runs:
        table = _read_queries(run, measures)
        if table is None:
            continue
        labels = table.drop_columns(["value"])
        group = next((group for known, group in alike if known.equals(labels)), None)
        if group is None:
            group = {}
            alike.append((labels, group))
        value = table["value"].to_numpy().astype(np.float64)
        group[run.learning_rate, run.mono_ratio, run.seed] = value
    values: Values = {}
    for labels, group in alike:
        rows = _with_questions(labels.to_pandas())
        rows = rows.assign(tier=rows["query_language"].map(lambda code: tier_of.get(code, "other")))
        matrix = np.column_stack(list(group.values()))
        for key, part in rows[rows["evaluation"].isin(full)].groupby(_KEYS, sort=False):
            means = _by_question(
                part, pd.DataFrame(matrix[part.index], index=part.index, columns=list(group))
            )
            found = values.setdefault(key, {})
            for name, column in zip(group, means.to_numpy().T, strict=True):
                found[name] = pd.Series(column, index=means.index)
    return values


def _read_queries(run: Run, measures: list[str]) -> pa.Table | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.folder / "per_query.parquet"
    if not path.is_file():
        return None
    table = pq.read_table(path, columns=[*_LABELS, "value"], filters=[("measure", "in", measures)])
    # Plain strings, whatever dictionaries a file has them in.
    return table.cast(
        pa.schema([*((name, pa.string()) for name in _LABELS), ("value", table.schema.field("value").type)])
    ).combine_chunks()


def _with_questions(labels: pd.DataFrame) -> pd.DataFrame:
    pairs = labels[["query_id", "query_language"]].drop_duplicates()
    asked = [
        question(str(name), code)
        for name, code in zip(pairs["query_id"], pairs["query_language"], strict=True)
    ]
    merged = labels.merge(pairs.assign(question=asked), on=["query_id", "query_language"], how="left")
    return merged.astype(dict.fromkeys(merged.columns, object))


def question(query_id: str, language: str) -> str:
    """Return the name that the translations of a query share: its id without its language.

    >>> question("ar/56be4", "ar"), question("person-01.birthplace.de", "de"), question("q7", "de")
    ('56be4', 'person-01.birthplace', 'q7')
    """
    code = re.escape(language)
    return re.sub(rf"^{code}[/:.]|[/:.]{code}$", "", query_id) or query_id


def _by_question(rows: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Fold the cells (query language, passage language) into as few strata as keep the macro mean.

    Args:
        rows: labels of the values, with ``question``.
        values: a column for each run, aligned with ``rows``.
    """
    cells = rows.groupby(["query_language", "passage_language"])["question"].agg(frozenset)
    sets = cells.groupby(level=0).agg(["nunique", "size", "first"])
    if (sets["nunique"] == 1).all() and sets["size"].nunique() == 1:
        if sets["first"].nunique() == 1:
            folded = values.groupby(rows["question"]).mean()
            return pd.concat({"": folded})
        return values.groupby([rows["query_language"], rows["question"]]).mean()
    stratum = rows["query_language"] + " → " + rows["passage_language"]
    return values.groupby([stratum, rows["question"]]).mean()


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
    first = per_run[0].index
    if all(series.index is first for series in per_run):
        return pd.DataFrame(np.column_stack([series.to_numpy() for series in per_run]), index=first)
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
