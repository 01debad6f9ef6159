"""Ranking measures under their ``ir_measures`` names, with the values of ``trec_eval``."""

from ..measure_names import MeasureNames, check_measures
from .from_ranks import measure
from .results import Measures
from .runs import measure_run
from .tables import Judgements, Run, read_qrels, read_run

__all__ = [
    "Judgements",
    "MeasureNames",
    "Measures",
    "Run",
    "check_measures",
    "measure",
    "measure_run",
    "read_qrels",
    "read_run",
]
