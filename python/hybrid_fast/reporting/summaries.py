"""Macro means of a sweep: curves, final values and the untouched encoder, per tier, language and pair.

A mean over a tier is the mean over the query languages of the tier (monolingual, multilingual), or over
all ordered pairs whose query language is in the tier (cross-lingual).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .folder import SweepFolder
from .words import MAIN_SETTINGS, SETTINGS

RUN = ["learning_rate", "mono_ratio", "seed"]
PLACE = ["evaluation", "setting", "tier"]


@dataclass(frozen=True)
class Summaries:
    """Everything the figures and tables are drawn from."""

    curves: pd.DataFrame
    """Means per tier at every evaluated step: PLACE, measure, RUN, step, pairs, value."""
    tiers: pd.DataFrame
    """Final means per tier: PLACE, measure, RUN, value."""
    languages: pd.DataFrame
    """Final means per query language: PLACE, query_language, measure, RUN, value."""
    pairs: pd.DataFrame
    """Final values per query and passage language (monolingual and cross-lingual): adds passage_language."""
    untouched: pd.DataFrame
    """Means per tier before training: PLACE, measure, scope, value."""
    untouched_languages: pd.DataFrame
    """Means per query language before training."""
    curve_scope: dict[str, str]
    """Scope (sample or full) of the curves, by evaluation."""
    final_scope: dict[str, str]
    """Scope of the final values, by evaluation."""
    evaluations: list[str]
    """Names, in the order of the configuration."""
    learning_rates: list[float]
    """In the order of the configuration."""
    tier_names: list[str]
    """Tiers that have values, in the order of the configuration."""

    def settings(self, evaluation: str) -> list[str]:
        """Return the settings measured in an evaluation."""
        present = set(self.tiers.loc[self.tiers["evaluation"] == evaluation, "setting"])
        return [setting for setting in SETTINGS if setting in present]

    def tiers_of(self, evaluation: str) -> list[str]:
        """Return the tiers with values in an evaluation."""
        present = set(self.tiers.loc[self.tiers["evaluation"] == evaluation, "tier"])
        return [tier for tier in self.tier_names if tier in present]

    def main_setting(self, evaluation: str) -> str:
        """Return the setting that stands for an evaluation."""
        present = self.settings(evaluation)
        return next(setting for setting in MAIN_SETTINGS if setting in present)

    def main_places(self) -> list[tuple[str, str, str]]:
        """Return (evaluation, main setting, tier) for each tier, tier after tier."""
        return [
            (evaluation, self.main_setting(evaluation), tier)
            for tier in self.tier_names
            for evaluation in self.evaluations
            if tier in self.tiers_of(evaluation)
        ]

    def places(self) -> list[tuple[str, str, str]]:
        """Return every (evaluation, setting, tier) that has values."""
        present = set(map(tuple, self.tiers[PLACE].drop_duplicates().to_numpy().tolist()))
        return [
            (evaluation, setting, tier)
            for evaluation in self.evaluations
            for setting in SETTINGS
            for tier in self.tier_names
            if (evaluation, setting, tier) in present
        ]

    def main_measure(self, setting: str) -> str:
        """Return the measure that stands for a setting: AP where a query has several golds, else RR@10."""
        measures = self.measures()
        return "AP" if setting == "multilingual" and "AP" in measures else measures[0]

    def measures(self) -> list[str]:
        """Return the two measures of the figures: RR@10 and AP where they were measured."""
        present = list(dict.fromkeys(self.tiers["measure"]))
        chosen = [name for name in ("RR@10", "AP") if name in present]
        return chosen or [name for name in present if name != "rank_distance"][:2]


def summarise(sweep: SweepFolder, metrics: pd.DataFrame) -> Summaries:
    """Compute every mean the report shows from the rows of :func:`~.folder.read_metrics`."""
    present = [str(name) for name in metrics["evaluation"].unique()]
    declared = [name for name in sweep.sweep.get("evaluations", {}) if name in present]
    evaluations = declared + [name for name in present if name not in declared]
    tiers = [*sweep.tiers, "other"]
    tier_names = [name for name in tiers if (metrics["tier"] == name).any()]

    curve_scope = {}
    final_scope = {}
    for evaluation in evaluations:
        rows = metrics[metrics["evaluation"] == evaluation]
        steps = rows.groupby("scope", observed=True)["step"].nunique()
        curve_scope[evaluation] = "sample" if steps.get("sample", 0) > steps.get("full", 0) else "full"
        last = rows[rows["step"] == rows["step"].max()]
        final_scope[evaluation] = "full" if (last["scope"] == "full").any() else "sample"
    in_curve = metrics[_in_scope(metrics, curve_scope)]
    in_final = metrics[_in_scope(metrics, final_scope)]
    # A run's own last step: what an interrupted evaluation left out must not move the others.
    last_step = in_final.groupby(["run", "evaluation"], observed=True)["step"].transform("max")
    final = in_final[in_final["step"] == last_step]
    final = final[final["step"] > 0] if (final["step"] > 0).any() else final

    start = in_final[in_final["step"] == 0]
    lacking = [name for name in evaluations if not (start["evaluation"] == name).any()]
    sampled = in_curve[(in_curve["step"] == 0) & in_curve["evaluation"].isin(lacking)]
    start = pd.concat([start, sampled], ignore_index=True)

    return Summaries(
        curves=_mean(in_curve, [*PLACE, "measure", *RUN, "step"]),
        tiers=_mean(final, [*PLACE, "measure", *RUN]),
        languages=_mean(final, [*PLACE, "query_language", "measure", *RUN]),
        pairs=_mean(
            final[final["setting"] != "multilingual"],
            [*PLACE, "query_language", "passage_language", "measure", *RUN],
        ),
        untouched=_mean(start, [*PLACE, "measure", "scope"]),
        untouched_languages=_mean(start, [*PLACE, "query_language", "measure", "scope"]),
        curve_scope=curve_scope,
        final_scope=final_scope,
        evaluations=evaluations,
        learning_rates=sweep.learning_rates,
        tier_names=tier_names,
    )


def _in_scope(metrics: pd.DataFrame, scopes: dict[str, str]) -> pd.Series:
    """Say which rows are of the scope that is taken for their evaluation."""
    chosen = pd.Series(data=False, index=metrics.index)
    for evaluation, scope in scopes.items():
        chosen |= (metrics["evaluation"] == evaluation) & (metrics["scope"] == scope)
    return chosen


def _mean(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    means = rows.groupby(by, sort=True, observed=True)["value"].mean().reset_index()
    words = means.select_dtypes("category")
    return means.astype({name: column.cat.categories.dtype for name, column in words.items()})


def at(table: pd.DataFrame, place: tuple[str, str, str], measure: str) -> pd.DataFrame:
    """Return the rows of one evaluation, setting and tier, and one measure."""
    evaluation, setting, tier = place
    chosen = (table["evaluation"] == evaluation) & (table["setting"] == setting) & (table["tier"] == tier)
    return table[chosen & (table["measure"] == measure)]
