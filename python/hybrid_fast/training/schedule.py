"""The steps at which a run is evaluated."""

from __future__ import annotations

from ..config import TrainConfig


def evaluation_steps(config: TrainConfig) -> tuple[int, ...]:
    """Return the steps of evaluation, increasing: 0 is before training, the last is always there.

    Without ``config.evaluate_at`` they are 0, then 1, 2, 5, 10, 20, 50 …, and the last step: what
    the mixing ratio does shows early.
    """
    if config.evaluate_at:
        return tuple(sorted({*config.evaluate_at, config.steps}))
    points = {0, config.steps}
    power = 1
    while power <= config.steps:
        points.update(step for step in (power, 2 * power, 5 * power) if step <= config.steps)
        power *= 10
    return tuple(sorted(points))
