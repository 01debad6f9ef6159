"""Fine-tuning of a shared dual encoder on ratio-controlled batches; the sampler in others' loops.

The names load on first use, so that a loop of one's own needs torch and nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..extras import needed

if TYPE_CHECKING:
    from .argument import BatchSamplerFor, batch_sampler_for
    from .epochs import EpochCallback
    from .loader import StatefulBatches
    from .run import train
    from .schedule import evaluation_steps
    from .slices import RankSlices
    from .stored_pairs import pair_dataset
    from .surroundings import environment

_HOME = {
    "BatchSamplerFor": "argument",
    "EpochCallback": "epochs",
    "RankSlices": "slices",
    "StatefulBatches": "loader",
    "batch_sampler_for": "argument",
    "environment": "surroundings",
    "evaluation_steps": "schedule",
    "pair_dataset": "stored_pairs",
    "train": "run",
}

__all__ = [
    "BatchSamplerFor",
    "EpochCallback",
    "RankSlices",
    "StatefulBatches",
    "batch_sampler_for",
    "environment",
    "evaluation_steps",
    "pair_dataset",
    "train",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'hybrid_fast.training' has no attribute {name!r}")
    with needed(f"hybrid_fast.training.{name}"):
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
