"""Fine-tuning of a shared dual encoder on ratio-controlled batches."""

from .environment import environment
from .run import train
from .schedule import evaluation_steps

__all__ = ["environment", "evaluation_steps", "train"]
