"""The sampler's batches as the trainer takes them: one after another, epoch after epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..corpus import Corpus
from ..pairs import PairIndex
from ..sampler import HybridBatchSampler, PairWithNegatives
from .steering import Steering

Pair = tuple[str, ...]
"""Texts of a query, its passage and, behind them, its hard negatives."""


class TrainingBatches:
    """A batch sampler of exactly ``steps`` batches, which goes on with the next epoch when one ends.

    Attributes:
        taken: batches handed out.
        seconds: what the sampler took for them, in this process.
    """

    def __init__(self, sampler: HybridBatchSampler, steps: int, steering: Steering | None = None) -> None:
        self.sampler = sampler
        self.steps = steps
        self.steering = steering
        self.taken = 0
        self.epoch = 0
        self.seconds = 0.0

    def __len__(self) -> int:
        """Return the number of batches of the whole training, wherever it stands."""
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the pair ids of the batches not yet taken."""
        while self.taken < self.steps:
            self.sampler.set_epoch(self.epoch)
            drawing = iter(self.sampler)
            while True:
                start = time.perf_counter()
                pair_ids = next(drawing, None)
                self.seconds += time.perf_counter() - start
                if pair_ids is None:
                    break
                self.taken += 1
                yield pair_ids
                if self.taken == self.steps:
                    return
            self.epoch += 1

    def state_dict(self, trained: int | None = None) -> dict[str, Any]:
        """Return where the training stands, in plain values.

        Args:
            trained: batches trained on, where workers took some ahead; default: those taken.
        """
        taken = self.taken if trained is None else trained
        epoch, batch = divmod(taken, len(self.sampler))
        position = {**self.sampler.state_dict(), "epoch": epoch, "batch": batch}
        state = {"taken": taken, "epoch": epoch, "sampler": position}
        return state if self.steering is None else {**state, "steering": self.steering.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same plan; the sampler refuses one of another.

        Raises:
            StateMismatch: the state belongs to another corpus, configuration or version.
        """
        self.taken, self.epoch = state["taken"], state["epoch"]
        self.sampler.set_epoch(self.epoch)
        self.sampler.load_state_dict(state["sampler"])
        if self.steering is not None:
            self.steering.load_state_dict(state["steering"])


class PairTexts(Dataset[Pair]):
    """The texts of pair ids, decoded by the index: nothing is made before it is drawn."""

    def __init__(self, index: PairIndex, corpus: Corpus) -> None:
        self.index = index
        self.corpus = corpus

    def __len__(self) -> int:
        """Return how many pair ids there are: one for each cell and passage language."""
        return len(self.corpus.cells) * len(self.corpus.languages)

    def __getitem__(self, pair_id: int) -> Pair:
        """Return the texts of one pair."""
        return self.__getitems__([pair_id])[0]

    def __getitems__(self, pair_ids: Sequence[int]) -> list[Pair]:
        """Return the texts of a batch in one go; masked negatives are left out."""
        pairs = self.index.pairs(np.asarray(pair_ids, dtype=np.int64))
        asked, held = self.corpus.queries.texts, self.corpus.passages.texts
        return [
            (asked[query], held[passage], *(held[row] for row in _negatives(pair) if row >= 0))
            for pair, query, passage in zip(
                pair_ids, pairs.query.tolist(), pairs.passage.tolist(), strict=True
            )
        ]


def _negatives(pair: int) -> tuple[int, ...]:
    return pair.negatives if isinstance(pair, PairWithNegatives) else ()
