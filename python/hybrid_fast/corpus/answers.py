"""Known positives: which passage identities answer which questions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


class Answers:
    """A set of (question, passage identity)."""

    def __init__(self, question: Int64s, identity: Int64s) -> None:
        """Take the questions and, of equal length, the identities that answer them; none below 0."""
        self._identity, place = np.unique(identity, return_inverse=True)
        self._known = np.unique(question * len(self._identity) + place)

    def hold(self, question: Int64s, identity: Int64s) -> NDArray[np.bool_]:
        """Return whether each identity answers each question; shapes broadcast."""
        if not len(self._identity):
            return np.zeros(np.broadcast_shapes(question.shape, identity.shape), bool)
        place = np.minimum(np.searchsorted(self._identity, identity), len(self._identity) - 1)
        keys = question * len(self._identity) + place
        at = np.minimum(np.searchsorted(self._known, keys), len(self._known) - 1)
        known: NDArray[np.bool_] = (self._known[at] == keys) & (self._identity[place] == identity)
        return known


def answers_of_groups(
    asking: Int64s, question: Int64s, holding: Int64s, identity: Int64s
) -> tuple[Int64s, Int64s]:
    """Return each question of a group with each passage identity of the group.

    Args:
        asking: int64 [n], group of each cell with a query.
        question: int64 [n], its question.
        holding: int64 [m], group of each cell with a passage.
        identity: int64 [m], its passage identity.
    """
    asked_in, asks = distinct(asking, question)
    held_in, holds = distinct(holding, identity)
    start = np.searchsorted(held_in, asked_in, "left")
    counts = np.searchsorted(held_in, asked_in, "right") - start
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(asks, counts), holds[np.repeat(start, counts) + within]


def distinct(group: Int64s, value: Int64s) -> tuple[Int64s, Int64s]:
    """Return the different (group, value), by group."""
    order = np.lexsort((value, group))
    group, value = group[order], value[order]
    first = np.ones(len(group), bool)
    first[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
    return group[first], value[first]
