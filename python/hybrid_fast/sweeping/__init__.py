"""Ratios × seeds × learning rates under equal conditions, one folder a run, resumed when interrupted."""

from .results import results, summary
from .running import sweep
from .runs import Run, runs_of
from .tiers import tier_labels

__all__ = ["Run", "results", "runs_of", "summary", "sweep", "tier_labels"]
