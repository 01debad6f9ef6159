"""Batches with a controlled share of monolingual ones, as a pure function of their number."""

from __future__ import annotations

from .._core import STREAM_VERSION
from .batch import Batch
from .sampler import HybridBatchSampler
from .simulation import Simulation, simulate

__all__ = ["STREAM_VERSION", "Batch", "HybridBatchSampler", "Simulation", "simulate"]
