"""Steps until a run first reaches a share of a common target."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .summaries import RUN, Summaries, at

SHARES = (0.90, 0.95, 0.99)


def steps_to_target(summaries: Summaries, places: list[tuple[str, str, str]], measure: str) -> pd.DataFrame:
    """Return, per place, run and share, the first evaluated step at or above share × target.

    The common target of a place is the highest mean over seeds that any ratio and learning rate reaches at
    any evaluated step. A run that never gets there is censored: ``reached`` is False and ``steps`` is its
    last evaluated step. Between evaluations nothing is interpolated.
    """
    rows: list[dict[str, Any]] = []
    for place in places:
        curves = at(summaries.curves, place, measure)
        if curves.empty:
            continue
        target = curves.groupby(["learning_rate", "mono_ratio", "step"])["value"].mean().max()
        for key, curve in curves.groupby(RUN, sort=True):
            curve = curve.sort_values("step")
            for share in SHARES:
                above = curve[curve["value"] >= share * target - 1e-12]
                rows.append(
                    dict(zip(["evaluation", "setting", "tier"], place, strict=True))
                    | dict(zip(RUN, key, strict=True))
                    | {
                        "measure": measure,
                        "target": target,
                        "share": share,
                        "reached": not above.empty,
                        "steps": int(
                            (curve if above.empty else above)["step"].iloc[-1 if above.empty else 0]
                        ),
                    }
                )
    return pd.DataFrame(rows)
