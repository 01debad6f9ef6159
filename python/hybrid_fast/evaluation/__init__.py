"""One exact evaluation pass for the monolingual, cross-lingual and multilingual settings."""

from .callback import EvaluationCallback, make_callback
from .embeddings import evaluate_embeddings
from .evaluation import Evaluation
from .model import evaluate

__all__ = ["Evaluation", "EvaluationCallback", "evaluate", "evaluate_embeddings", "make_callback"]
