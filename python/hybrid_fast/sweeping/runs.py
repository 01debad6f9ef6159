"""Which runs a sweep has: the resolved configuration of each, and its name."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ..config import SweepConfig, TrainConfig, digest

RUNS = "runs"
"""Folder of the runs below that of the sweep."""
INITIAL = "initial"
"""Folder of what was measured on the equal initial weights."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a sweep.

    Attributes:
        name: 12 hexadecimal digits, the digest of ``config``.
        mono_ratio: its ratio.
        seed: its seed.
        learning_rate: its peak learning rate.
        config: everything that decides its result.
    """

    name: str
    mono_ratio: float
    seed: int
    learning_rate: float
    config: TrainConfig

    def __str__(self) -> str:
        return f"ratio {self.mono_ratio:g}, seed {self.seed}, learning rate {self.learning_rate:g}"


def runs_of(config: SweepConfig) -> list[Run]:
    """Return the runs in the order they are made.

    Seeds are outermost, so that early results cover all ratios; then learning rates as listed, then
    ratios. Batches are ``coupled``, so that the j-th batch of a kind is the same whatever the
    ratio. Threads are no part of a run: they belong to the machine.
    """
    train = config.train
    runs = []
    for seed in dict.fromkeys(config.seeds):
        for learning_rate in learning_rates_of(config):
            for ratio in dict.fromkeys(float(ratio) for ratio in config.ratios):
                sampler = dataclasses.replace(train.sampler, mono_ratio=ratio, mixing="coupled")
                resolved = dataclasses.replace(
                    train, sampler=sampler, seed=seed, learning_rate=learning_rate, threads=None
                )
                runs.append(
                    Run(
                        name=digest(resolved),
                        mono_ratio=ratio,
                        seed=seed,
                        learning_rate=learning_rate,
                        config=resolved,
                    )
                )
    return runs


def learning_rates_of(config: SweepConfig) -> tuple[float, ...]:
    """Return the learning rates of a sweep: those listed, or the one of its training configuration."""
    return tuple(
        dict.fromkeys(float(rate) for rate in config.learning_rates or (config.train.learning_rate,))
    )


def is_finished(folder: Path) -> bool:
    """Say whether a run folder has its done mark, which is written last."""
    try:
        return isinstance(json.loads((folder / "done.json").read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
