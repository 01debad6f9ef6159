"""Controllers: they choose the share of monolingual batches while training, from held-out quality.

An experiment. A controlled run's batches depend on its evaluations, so its plan is known only
afterwards, and runs that differ in anything else differ in their batches too.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import InvalidArgument, StateMismatch
from .checks import ratio, whole


class Controller(Protocol):
    """What proposes the share of monolingual batches from held-out quality, without random numbers."""

    @property
    def mono_ratio(self) -> float:
        """The share proposed for the batches not yet handed out."""

    def observe(self, step: int, monolingual: float, cross_lingual: float) -> float:
        """Take the held-out quality of both kinds after ``step`` batches; return the share proposed."""

    def state_dict(self) -> dict[str, Any]:
        """Return what it has learned, in plain values."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""


class GainController:
    """Raises the share of the kind whose held-out quality gains more a step.

    Two arms with exponential weights (Hedge: Freund and Schapire 1997), the reward of an arm being
    the gain of its kind's held-out quality. Over the last ``window`` observations::

        g = (quality now − quality then) / (steps between)          for each kind
        d = (g_mono − g_cross) / (|g_mono| + |g_cross|)             from −1 to 1; 0 where nothing moves
        w ← clip(w + rate · d, −limit, limit)
        α = floor + (1 − 2 · floor) / (1 + exp(−w))

    A gain is that of the quality, whichever batches caused it. Nothing here is random: the same
    observations give the same shares.

    Args:
        mono_ratio: the share to start from; moved within the floors.
        floor: least share of either kind, 0 or more and below one half.
        rate: how fast the share moves; above 0.
        window: how many observations back the gain is measured from; 1 is the last interval.

    Raises:
        InvalidArgument: a value outside its range.
    """

    limit = 3.0
    """Bound of the weight: from there the share comes back within a few observations."""

    def __init__(
        self, mono_ratio: float = 0.5, *, floor: float = 0.1, rate: float = 0.5, window: int = 3
    ) -> None:
        self.floor = ratio("floor", floor)
        if not self.floor < 0.5:
            raise InvalidArgument(f"floor is {floor}, expected below 0.5: it holds for both kinds")
        if not (math.isfinite(rate) and rate > 0):
            raise InvalidArgument(f"rate is {rate}, expected above 0")
        self.rate = float(rate)
        self.window = whole("window", window, 1, 2**31)
        free = (ratio("mono_ratio", mono_ratio) - self.floor) / (1 - 2 * self.floor)
        self._weight = _bounded(
            math.log(free / (1 - free)) if 0 < free < 1 else math.copysign(GainController.limit, free - 0.5)
        )
        self._seen: deque[tuple[int, float, float]] = deque(maxlen=self.window + 1)

    @property
    def mono_ratio(self) -> float:
        """The share proposed for the batches not yet handed out."""
        return self.floor + (1 - 2 * self.floor) / (1 + math.exp(-self._weight))

    def observe(self, step: int, monolingual: float, cross_lingual: float) -> float:
        """Take the held-out quality of both kinds after ``step`` batches; return the share proposed.

        Raises:
            InvalidArgument: a quality that is not finite, or a step not after the last one.
        """
        if not (math.isfinite(monolingual) and math.isfinite(cross_lingual)):
            raise InvalidArgument(
                f"the held-out quality at step {step} is {monolingual} and {cross_lingual}, "
                "expected finite numbers"
            )
        if self._seen and step <= self._seen[-1][0]:
            raise InvalidArgument(f"step {step} was observed after step {self._seen[-1][0]}")
        self._seen.append((int(step), float(monolingual), float(cross_lingual)))
        then = self._seen[0]
        if then[0] < step:
            mono, cross = (
                (now - before) / (step - then[0])
                for now, before in ((monolingual, then[1]), (cross_lingual, then[2]))
            )
            moved = abs(mono) + abs(cross)
            self._weight = _bounded(self._weight + (self.rate * (mono - cross) / moved if moved else 0.0))
        return self.mono_ratio

    def state_dict(self) -> dict[str, Any]:
        """Return what it has learned, in plain values."""
        return {"weight": self._weight, "seen": [list(one) for one in self._seen]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            StateMismatch: the state is not one of this controller.
        """
        try:
            seen = [(int(step), float(mono), float(cross)) for step, mono, cross in state["seen"]]
            self._weight = _bounded(float(state["weight"]))
        except (KeyError, TypeError, ValueError):
            raise StateMismatch("this is no state of a controller; give what state_dict() returned") from None
        self._seen = deque(seen, maxlen=self.window + 1)


def _bounded(weight: float) -> float:
    return min(max(weight, -GainController.limit), GainController.limit)
