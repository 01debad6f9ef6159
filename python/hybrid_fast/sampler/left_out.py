"""Languages and language pairs that cannot be drawn, told one at a time: there may be a thousand million."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray


class LeftOut(Sequence[str]):
    """Languages without a monolingual cell, then language pairs without a pair ("de→en").

    Equal to a tuple or list of the same names.

    Args:
        languages: names of the languages.
        query: query language of each stratum that has pairs, row by row of query languages.
        passage: its passage language.
    """

    def __init__(
        self, languages: Sequence[str], query: NDArray[np.int64], passage: NDArray[np.int64]
    ) -> None:
        self._languages, count = languages, len(languages)
        alone = np.ones(count, np.bool_)
        alone[query[query == passage]] = False
        self._alone = np.flatnonzero(alone)
        # A pair is its place in the table of all; those not left out are these and the diagonal.
        own = np.arange(count, dtype=np.int64) * (count + 1)
        there = np.union1d(query * count + passage, own)
        self._pairs = count * count - len(there)
        # Pairs left out before each one that is not.
        self._before = there - np.arange(len(there))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._alone) + self._pairs

    @overload
    def __getitem__(self, place: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> str | tuple[str, ...]:
        """Return one, or a tuple of some."""
        places = range(len(self))[place]
        return self._name(places) if isinstance(places, int) else tuple(map(self._name, places))

    def _name(self, place: int) -> str:
        if place < len(self._alone):
            return self._languages[int(self._alone[place])]
        number = place - len(self._alone)
        number += int(np.searchsorted(self._before, number, side="right"))
        query, passage = divmod(number, len(self._languages))
        return f"{self._languages[query]}→{self._languages[passage]}"

    def __iter__(self) -> Iterator[str]:
        """Go through them."""
        return map(self._name, range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence of names."""
        if not isinstance(other, tuple | list | LeftOut):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        """Hash as the tuple does that it equals."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        names = [*map(repr, self[:8])] + (["…"] if len(self) > 8 else [])
        return f"({', '.join(names)})"
