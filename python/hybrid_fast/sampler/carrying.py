"""Pair ids that carry their hard negatives to a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class PairWithNegatives(int):
    """A pair id that carries the passage rows of its hard negatives, -1 where one is masked.

    It is what iterating over a sampler with hard negatives yields: a data set that asks for it finds them
    in ``negatives``, another one uses the pair id as it is.
    """

    negatives: tuple[int, ...]

    def __new__(cls, pair: int, negatives: Iterable[int] = ()) -> PairWithNegatives:
        """Make the pair id ``pair`` with the passage rows ``negatives``."""
        made = super().__new__(cls, pair)
        made.negatives = tuple(negatives)
        return made

    @classmethod
    def batch(cls, pairs: Sequence[int], negatives: Sequence[Sequence[int]]) -> list[int]:
        """Return the pair ids of a batch with their negatives."""
        return [cls(pair, rows) for pair, rows in zip(pairs, negatives, strict=True)]
