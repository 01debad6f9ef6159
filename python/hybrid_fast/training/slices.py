"""Each global batch as its ranks' slices, in the order in which accelerate deals batches to ranks."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InvalidArgument
from ..sampler import HybridBatchSampler


class RankSlices:
    """A batch sampler for ``accelerator.prepare``: rank r gets the r-th slice of every global batch.

    accelerate deals the batches of a batch sampler to the ranks in turn (``BatchSamplerShard``), so
    that a global batch handed out whole ends on one rank, and a sampler that is sliced already loses
    batches. This one hands out the slices of a global batch one after another: dealt in turn, they
    make every rank's share of one global batch a step, with nothing twice and nothing left out, and
    every rank gets ``len(sampler)`` of them. On one process it changes nothing.

    Args:
        sampler: whole global batches (``world_size=1``).
        world_size: how many ranks there are; must divide the batch size.

    Raises:
        InvalidArgument: a sampler that is sliced already or of scope ``rank``, or a batch that the
            ranks cannot share equally.
    """

    drop_last = True
    """All slices are full: accelerate has nothing to fill up."""

    def __init__(self, sampler: HybridBatchSampler, world_size: int) -> None:
        if sampler.scope != "step":
            raise InvalidArgument(
                f"the sampler has scope={sampler.scope!r}, whose ranks take whole batches; "
                "give each rank its own, and leave its loader out of accelerator.prepare"
            )
        if sampler.world_size != 1:
            raise InvalidArgument(
                f"the sampler is a rank's own (world_size={sampler.world_size}), and would be sliced twice; "
                "give one with world_size=1"
            )
        if world_size < 1 or sampler.batch_size % world_size:
            raise InvalidArgument(
                f"batch_size is {sampler.batch_size}, which {world_size} ranks cannot share equally; "
                "take a multiple of world_size"
            )
        self.sampler = sampler
        self.world_size = world_size
        self.batch_size = sampler.batch_size // world_size

    def __len__(self) -> int:
        """Return the number of slices of an epoch, over all ranks."""
        return len(self.sampler) * self.world_size

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the slices of each global batch, by rank."""
        for pair_ids in self.sampler:
            for start in range(0, len(pair_ids), self.batch_size):
                yield pair_ids[start : start + self.batch_size]

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch."""
        self.sampler.set_epoch(epoch)
