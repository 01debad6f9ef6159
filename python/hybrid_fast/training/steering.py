"""A run whose share of monolingual batches follows its evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config import ControllerConfig, TrainConfig
from ..errors import ConfigError
from ..sampler import HybridBatchSampler
from ..sampler.controller import GainController
from .records import append_rows, keep_until

RECORD = "controller.jsonl"
"""One line an evaluation: step, held-out quality of both kinds, share of the batches to come."""


class Steering:
    """Feeds the evaluations of a run to its controller, and the controller's share to its sampler."""

    def __init__(
        self, config: TrainConfig, controller: ControllerConfig, sampler: HybridBatchSampler, folder: Path
    ) -> None:
        self.name = controller.evaluation or config.evaluations[0].name
        self.measure = controller.measure
        self.steps = config.steps
        self.sampler = sampler
        self.path = folder / RECORD
        self.controller = GainController(
            float(config.sampler.mono_ratio),
            floor=controller.floor,
            rate=controller.rate,
            window=controller.window,
        )
        self._first: int | None = None

    def after(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows of an evaluation; change the batches not yet handed out."""
        self.follow(self.observe(step, rows))

    def follow(self, share: float | None) -> None:
        """Set the share of the batches not yet handed out; None leaves it."""
        if share is not None:
            self.sampler.set_mono_ratio(share)

    def observe(self, step: int, rows: Sequence[Mapping[str, Any]]) -> float | None:
        """Take the rows of an evaluation; record and return the share to set, None where it stays.

        It stays at the first observation, before anything was gained, and after the last step.

        Raises:
            ConfigError: the rows do not hold the watched measure in both settings.
        """
        monolingual, cross_lingual = (
            self._macro_mean(rows, setting) for setting in ("monolingual", "cross-lingual")
        )
        share = self.controller.observe(step, monolingual, cross_lingual)
        row = {"step": step, "monolingual": monolingual, "cross-lingual": cross_lingual, "mono_ratio": share}
        append_rows(self.path, [row])
        known, self._first = self._first, step if self._first is None else self._first
        return share if known is not None and step < self.steps else None

    def keep_until(self, step: int) -> None:
        """Drop the records after ``step``, which a resumed run writes again."""
        keep_until(self.path, step)

    def state_dict(self) -> dict[str, Any]:
        """Return the controller's state, in plain values."""
        return {"first": self._first, "controller": self.controller.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; the sampler keeps its own changes."""
        self._first = state["first"]
        self.controller.load_state_dict(state["controller"])

    def _macro_mean(self, rows: Sequence[Mapping[str, Any]], setting: str) -> float:
        values = [
            float(row["value"])
            for row in rows
            if row.get("scope", "sample") == "sample"
            and (row["evaluation"], row["setting"], row["measure"]) == (self.name, setting, self.measure)
            and row["value"] is not None
            and math.isfinite(row["value"])
        ]
        if not values:
            raise ConfigError(
                f"sampler.controller watches {self.measure} of the evaluation {self.name!r} in the {setting} "
                "setting, which was not measured; name one that is"
            )
        return sum(values) / len(values)


def check_controller(config: TrainConfig) -> None:
    """Refuse a controller that has nothing to watch.

    Raises:
        ConfigError: no such evaluation, setting or measure, or a share that is a schedule.
    """
    controller = config.sampler.controller
    if controller is None:
        return
    if config.workers:
        raise ConfigError("sampler.controller needs workers = 0: batches taken ahead cannot follow it")
    watched = [item for item in config.evaluations if controller.evaluation in ("", item.name)]
    if not watched:
        wanted = repr(controller.evaluation) if controller.evaluation else "any"
        raise ConfigError(f"sampler.controller needs an evaluation to watch, but {wanted} is not configured")
    if not {"monolingual", "cross-lingual"} <= set(watched[0].settings):
        raise ConfigError(
            f"sampler.controller watches both kinds; give the evaluation {watched[0].name!r} the settings "
            "monolingual and cross-lingual"
        )
    if controller.measure not in watched[0].measures:
        raise ConfigError(
            f"sampler.controller watches {controller.measure}, but {watched[0].name!r} measures "
            f"{', '.join(watched[0].measures)}"
        )
    if not isinstance(config.sampler.mono_ratio, int | float):
        raise ConfigError("sampler.controller starts from a number; give mono_ratio one, not a schedule")
