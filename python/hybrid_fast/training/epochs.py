"""The epoch of a resumed training, told to the sampler."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ..sampler import HybridBatchSampler


class EpochCallback(TrainerCallback):
    """Sets the sampler's epoch when the trainer starts one.

    Needed on several processes: when such a training goes on within a later epoch, transformers
    wraps the batches twice, and its ``set_epoch`` no longer reaches them. Harmless on one::

        SentenceTransformerTrainer(..., callbacks=[EpochCallback()])
    """

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Find the sampler under the data loader and set its epoch."""
        layer = getattr(kwargs.get("train_dataloader"), "batch_sampler", None)
        while layer is not None and not isinstance(getattr(layer, "sampler", None), HybridBatchSampler):
            layer = getattr(layer, "batch_sampler", None)
        if layer is not None:
            # The epoch is kept as a fraction; at its end it is a whole number.
            layer.set_epoch(int((state.epoch or 0.0) + 1e-6))
