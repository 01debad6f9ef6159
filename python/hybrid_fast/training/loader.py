"""A data loader's position: the batches its consumer was given, not those drawn ahead of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InvalidArgument, StateMismatch
from ..sampler import HybridBatchSampler
from .slices import RankSlices


class StatefulBatches:
    """Any torch ``DataLoader`` over a :class:`HybridBatchSampler`, with an exact state.

    Workers and prefetching draw batches ahead of the training (accelerate holds one back on top),
    so the sampler's own position says how many were drawn. This counts those handed out: a state
    taken after training on batch k goes on with batch k + 1, with any number of workers, in this
    process or another::

        sampler = hf.HybridBatchSampler(index, batch_size=128)
        loader = DataLoader(texts, batch_sampler=sampler, num_workers=4, persistent_workers=True)
        batches = StatefulBatches(loader)          # batches.load_state_dict(state) to go on
        for epoch in range(batches.epoch, 3):
            batches.set_epoch(epoch)
            for batch in batches:
                ...                                # batches.state_dict() is saved with the weights

    Epochs are numbered here, also for a loader that ``accelerator.prepare`` returned.

    Args:
        loader: a ``DataLoader`` (or what accelerate made of one) whose ``batch_sampler`` is a
            :class:`HybridBatchSampler` or a :class:`RankSlices`.

    Raises:
        InvalidArgument: another batch sampler, or one that accelerate shards a second time.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.sampler = _sampler_of(loader)
        self._epoch = self.sampler.epoch
        self._position = self._resume_at = 0
        self._finished = False
        self._walk = 0

    @property
    def epoch(self) -> int:
        """The epoch whose batches are handed out."""
        return self._epoch

    def __len__(self) -> int:
        """Return the number of batches of the whole epoch that this rank gets."""
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch; the same epoch keeps the position, another one starts at batch 0."""
        self.sampler.set_epoch(epoch)
        self._finished = False
        if epoch != self._epoch:
            self._epoch = epoch
            self._position = self._resume_at = 0

    def __iter__(self) -> Iterator[Any]:
        """Yield the loader's batches, from the loaded position once, then from 0.

        A loaded state from the end of an epoch leaves nothing of it: without :meth:`set_epoch` the next
        epoch follows, whole.
        """
        if self._finished:
            self._epoch, self._resume_at, self._finished = self._epoch + 1, 0, False
        start, self._resume_at = self._resume_at, 0
        self._position = start
        self._walk += 1
        if start == len(self):
            return iter(())
        self.sampler.load_state_dict(self.state_dict())
        if hasattr(self.loader, "set_epoch"):
            # accelerate counts iterations, and would set the sampler to that number.
            self.loader.set_epoch(self._epoch)
        return self._hand_out(start, self._walk)

    def _hand_out(self, start: int, walk: int) -> Iterator[Any]:
        for taken, batch in enumerate(self.loader, start + 1):
            if walk == self._walk:
                self._position = taken
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return the sampler's state at the batches handed out, in plain values."""
        return {**self.sampler.state_dict(), "epoch": self._epoch, "batch": self._position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next ``iter()`` go on where ``state`` was taken.

        A state from the end of epoch e leaves nothing of it: ``iter()`` goes on with epoch e + 1, a loop
        that names epoch e first is empty.

        Raises:
            StateMismatch: the state belongs to another index, configuration or stream version.
        """
        self.sampler.load_state_dict(state)
        if "batch" not in state or "epoch" not in state:
            raise StateMismatch("the state has no position; give what state_dict() returned")
        self._epoch = state["epoch"]
        self._position = self._resume_at = state["batch"]
        self._finished = self._position == len(self)
        self._walk += 1


def _sampler_of(loader: Any) -> HybridBatchSampler:
    """Return the sampler under a loader, looking through what accelerate wraps around it."""
    outer = getattr(loader, "batch_sampler", None)
    inner = getattr(outer, "batch_sampler", outer)
    sampler = inner.sampler if isinstance(inner, RankSlices) else inner
    if not isinstance(sampler, HybridBatchSampler):
        raise InvalidArgument(
            f"the loader's batch_sampler is {type(inner).__name__}, "
            "expected a HybridBatchSampler or RankSlices"
        )
    ranks = 1 if outer is inner else getattr(outer, "num_processes", 1)
    splits = getattr(outer, "split_batches", False)
    if hasattr(loader, "slice_fn"):  # accelerate's DataLoaderDispatcher: the first process draws for all
        ranks, splits = loader.state.num_processes, loader.split_batches
    if ranks > 1 and (sampler.world_size > 1 or (inner is sampler and not splits)):
        raise InvalidArgument(
            "accelerate would deal whole batches to the ranks, so that none of them sees one global batch; "
            "give its DataLoader RankSlices(sampler, accelerator.num_processes) of a whole sampler"
        )
    if isinstance(inner, RankSlices) and ranks > 1 and (splits or ranks != inner.world_size):
        raise InvalidArgument(
            f"RankSlices is for {inner.world_size} ranks that deal whole slices, but accelerate has {ranks}"
            f"{' and splits batches' if splits else ''}; give it the number of processes and leave "
            "split_batches off"
        )
    return sampler
