"""Batches with a controlled share of monolingual ones, as a pure function of their number."""

from __future__ import annotations

from .._core import STREAM_VERSION
from .batch import Batch
from .capped_epochs import CappedEpochs
from .exposure_matching import ExposureMatched
from .sampler import HybridBatchSampler
from .simulation import Simulation, simulate

__all__ = [
    "STREAM_VERSION",
    "Batch",
    "CappedEpochs",
    "ExposureMatched",
    "HybridBatchSampler",
    "Simulation",
    "simulate",
]
