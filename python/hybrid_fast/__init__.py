"""Ratio-controlled training batches and exact evaluation for multilingual dense retrievers.

The names below are the public interface. They load on first use, so that ``import hybrid_fast``
is quick and works without torch; training and evaluation need the extra ``hybrid_fast[train]``,
the report needs ``hybrid_fast[report]``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._core import __version__

if TYPE_CHECKING:
    from .config import (
        EncoderConfig,
        EvaluationConfig,
        LossConfig,
        SamplerConfig,
        SourceConfig,
        SweepConfig,
        Tier,
        TrainConfig,
    )
    from .corpus import Corpus, HardNegatives, identities, load_corpus
    from .errors import HybridFastError
    from .evaluation import Evaluation, evaluate
    from .measures import Measures, measure, measure_run
    from .mining import mine_negatives
    from .pairs import PairIndex
    from .ranking import Ranks, ranks, topk
    from .reporting import report
    from .sampler import (
        Batch,
        CappedEpochs,
        Cosine,
        Exposure,
        ExposureMatched,
        HybridBatchSampler,
        Linear,
        Piecewise,
        Simulation,
        exposure,
        simulate,
    )
    from .searching import SearchResult, merge, search
    from .sweeping import sweep
    from .training import train

_HOME = {
    "Batch": "sampler",
    "CappedEpochs": "sampler",
    "Cosine": "sampler",
    "Linear": "sampler",
    "Piecewise": "sampler",
    "Corpus": "corpus",
    "EncoderConfig": "config",
    "Evaluation": "evaluation",
    "EvaluationConfig": "config",
    "Exposure": "sampler",
    "ExposureMatched": "sampler",
    "HardNegatives": "corpus",
    "HybridBatchSampler": "sampler",
    "HybridFastError": "errors",
    "LossConfig": "config",
    "Measures": "measures",
    "PairIndex": "pairs",
    "Ranks": "ranking",
    "SamplerConfig": "config",
    "SearchResult": "searching",
    "Simulation": "sampler",
    "SourceConfig": "config",
    "SweepConfig": "config",
    "Tier": "config",
    "TrainConfig": "config",
    "evaluate": "evaluation",
    "exposure": "sampler",
    "identities": "corpus",
    "load_corpus": "corpus",
    "measure": "measures",
    "measure_run": "measures",
    "merge": "searching",
    "mine_negatives": "mining",
    "ranks": "ranking",
    "report": "reporting",
    "search": "searching",
    "simulate": "sampler",
    "sweep": "sweeping",
    "topk": "ranking",
    "train": "training",
}

__all__ = [
    "Batch",
    "CappedEpochs",
    "Corpus",
    "Cosine",
    "EncoderConfig",
    "Evaluation",
    "EvaluationConfig",
    "Exposure",
    "ExposureMatched",
    "HardNegatives",
    "HybridBatchSampler",
    "HybridFastError",
    "Linear",
    "LossConfig",
    "Measures",
    "PairIndex",
    "Piecewise",
    "Ranks",
    "SamplerConfig",
    "SearchResult",
    "Simulation",
    "SourceConfig",
    "SweepConfig",
    "Tier",
    "TrainConfig",
    "__version__",
    "evaluate",
    "exposure",
    "identities",
    "load_corpus",
    "measure",
    "measure_run",
    "merge",
    "mine_negatives",
    "ranks",
    "report",
    "search",
    "simulate",
    "sweep",
    "topk",
    "train",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'hybrid_fast' has no attribute {name!r}")
    from .extras import needed

    with needed(f"hybrid_fast.{name}", "report" if name == "report" else None):
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
