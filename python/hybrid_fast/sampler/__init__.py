"""Batches with a controlled share of monolingual ones, as a pure function of their number."""

from __future__ import annotations

from .._core import STREAM_VERSION
from .batch import Batch
from .capped_epochs import CappedEpochs
from .carrying import PairWithNegatives
from .exposure_matching import ExposureMatched
from .ledger import Exposure
from .mix import Mix
from .sampler import HybridBatchSampler
from .schedules import Cosine, Linear, Piecewise
from .simulation import Simulation, exposure, simulate

__all__ = [
    "STREAM_VERSION",
    "Batch",
    "CappedEpochs",
    "Cosine",
    "Exposure",
    "ExposureMatched",
    "HybridBatchSampler",
    "Linear",
    "Mix",
    "PairWithNegatives",
    "Piecewise",
    "Simulation",
    "exposure",
    "simulate",
]
