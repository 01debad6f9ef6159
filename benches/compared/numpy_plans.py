"""Plans of monolingual and mixed cross-lingual batches as one would write them in NumPy.

Each plan has the mix of ours: as many monolingual batches, languages and language pairs in turns,
no pair twice in an epoch. A guard needs one stamp a group's passage identity, since all rows of a
group share it. Answers have the columns of ours, [batches, batch size].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compared.parallel_groups import LANGUAGES, ParallelGroups

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """A plan: the mark of each batch, and a row a pair, [batches, batch size]."""

    is_mono: NDArray[np.bool_]
    group: Rows
    query: Rows
    passage: Rows
    query_language: NDArray[np.int16]
    passage_language: NDArray[np.int16]


class NumpyPlans:
    """What all ways share, made once.

    Args:
        corpus: what is drawn from.
        size: rows of a batch.
        batches: batches of an epoch.
        ratio: share of monolingual ones.
    """

    def __init__(self, corpus: ParallelGroups, size: int, batches: int, ratio: float) -> None:
        self.corpus = corpus
        self.size = size
        self.batches = batches
        self.row_of = corpus.row_of
        self.identity = corpus.identity
        ends = np.floor(ratio * np.arange(batches + 1) + 0.5)
        self.is_mono = np.diff(ends) > 0
        self.mono = int(self.is_mono.sum())
        asked, answered = np.nonzero(1 - np.eye(LANGUAGES, dtype=int))
        self.asked, self.answered = asked.astype(np.int16), answered.astype(np.int16)
        self.rng = np.random.default_rng(13)

    def languages(self) -> Rows:
        """Return the language of each monolingual batch: a new order each round."""
        rounds = -(-self.mono // LANGUAGES)
        orders = self.rng.permuted(np.tile(np.arange(LANGUAGES), (rounds, 1)), axis=1)
        return orders.ravel()[: self.mono]

    def crossing(self, rows: int) -> tuple[Rows, Rows]:
        """Return groups and language pairs of cross-lingual rows, no combination twice in a round of both."""
        groups = self.rng.permutation(self.corpus.groups)
        pairs = self.rng.permutation(len(self.asked))
        return np.resize(groups, rows), np.resize(pairs, rows)

    def epoch_at_once(self) -> Columns:
        """Plan a whole epoch without a loop and without a guard."""
        return self._rows(*self._laid_out())

    def epoch_repaired(self) -> Columns:
        """Plan a whole epoch without a loop, find repeated passages by sorting, and replace those."""
        groups, asked, answered = self._laid_out()
        # Rows of a batch that hold a passage twice lie side by side once sorted.
        ids = self.identity[groups]
        ordered = np.sort(ids, axis=1)
        for batch in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)).tolist():
            self._swap(batch, groups, asked, answered, ids)
        return self._rows(groups, asked, answered)

    def one_by_one(self, *, guard: bool) -> Columns:
        """Fill one batch after another from permutations; a row that may not come waits for the next."""
        size = self.size
        shape = (self.batches, size)
        group, query, passage = (np.empty(shape, np.int64) for _ in range(3))
        asked, answered = np.empty(shape, np.int16), np.empty(shape, np.int16)
        queues = [Queue(self.rng.permutation(self.corpus.groups)) for _ in range(LANGUAGES)]
        crossing = Queue(*self.crossing((self.batches - self.mono) * size + self.corpus.groups))
        turns = iter(self.languages().tolist())
        stamps = np.full(int(self.identity.max()) + 1, -1)
        places = np.arange(size)
        for batch, mono in enumerate(self.is_mono.tolist()):
            language = next(turns) if mono else 0
            queue = queues[language] if mono else crossing
            rows = self._guarded(queue, stamps, places) if guard else queue.take(size)
            group[batch] = rows[0]
            first = rows[0] * LANGUAGES
            if mono:
                asked[batch] = answered[batch] = language
                query[batch] = passage[batch] = self.row_of[first + language]
            else:
                asked[batch] = self.asked[rows[1]]
                answered[batch] = self.answered[rows[1]]
                query[batch] = self.row_of[first + asked[batch]]
                passage[batch] = self.row_of[first + answered[batch]]
        return Columns(self.is_mono, group, query, passage, asked, answered)

    def _rows(self, groups: Rows, asked: NDArray[np.int16], answered: NDArray[np.int16]) -> Columns:
        """Look the rows up."""
        first = groups * LANGUAGES
        return Columns(
            self.is_mono, groups, self.row_of[first + asked], self.row_of[first + answered], asked, answered
        )

    def _guarded(self, queue: Queue, stamps: Rows, places: Rows) -> list[Rows]:
        """Take rows of different passages; what is left over goes back to the front."""
        size = self.size
        rows = queue.take(size)
        while True:
            ids = self.identity[rows[0]]
            order = places[: len(ids)] if len(ids) <= size else np.arange(len(ids))
            # The first row of a passage is stamped last, and so stays.
            stamps[ids[::-1]] = order[::-1]
            first = stamps[ids] == order
            if first.all() and len(ids) == size:
                return rows
            kept = np.flatnonzero(first)
            if len(kept) >= size:
                kept = kept[:size]
                left = np.ones(len(ids), dtype=bool)
                left[kept] = False
                queue.put_back([column[left] for column in rows])
                return [column[kept] for column in rows]
            more = queue.take(size - len(kept))
            rows = [np.concatenate(both) for both in zip(rows, more, strict=True)]

    def _laid_out(self) -> tuple[Rows, NDArray[np.int16], NDArray[np.int16]]:
        """Return groups, query languages and passage languages of an epoch, [batches, size]."""
        size, mono = self.size, self.mono
        turns = self.languages()
        groups = np.empty((self.batches, size), np.int64)
        asked = np.empty((self.batches, size), np.int16)
        answered = np.empty((self.batches, size), np.int16)
        alone = np.empty((mono, size), np.int64)
        self.spare = [Queue(np.empty(0, np.int64))] * LANGUAGES
        for language in range(LANGUAGES):
            own = np.flatnonzero(turns == language)
            order = self.rng.permutation(self.corpus.groups)
            alone[own] = np.resize(order[: len(own) * size], (len(own), size))
            self.spare[language] = Queue(order[len(own) * size :])
        groups[self.is_mono] = alone
        asked[self.is_mono] = answered[self.is_mono] = turns[:, None]
        rows = (self.batches - mono) * size
        group, pair = self.crossing(rows)
        groups[~self.is_mono] = group.reshape(-1, size)
        asked[~self.is_mono] = self.asked[pair].reshape(-1, size)
        answered[~self.is_mono] = self.answered[pair].reshape(-1, size)
        return groups, asked, answered

    def _swap(
        self,
        batch: int,
        groups: Rows,
        asked: NDArray[np.int16],
        answered: NDArray[np.int16],
        ids: Rows,
    ) -> None:
        """Replace repeated passages of a batch: by rows left over, or by rows of a later batch."""
        here: set[int] = set()
        again = []
        for place, one in enumerate(ids[batch].tolist()):
            if one in here:
                again.append(place)
            here.add(one)
        if self.is_mono[batch]:
            spare = self.spare[int(asked[batch, 0])]
            for place in again:
                for group in spare.each():
                    if int(self.identity[group]) not in here:
                        here.add(int(self.identity[group]))
                        groups[batch, place] = group
                        break
            return
        for place in again:
            for other in self._others(batch):
                there = ids[other]
                free = np.flatnonzero(~np.isin(there, list(here)))
                if ids[batch, place] in there or len(free) == 0:
                    continue
                mine, other_place = (batch, place), (other, int(free[0]))
                for column in (groups, asked, answered, ids):
                    column[mine], column[other_place] = column[other_place], column[mine]
                here.add(int(ids[mine]))
                break

    def _others(self, batch: int) -> Iterator[int]:
        """Go through the cross-lingual batches that come next, then around."""
        for step in range(1, self.batches):
            other = (batch + step) % self.batches
            if not self.is_mono[other]:
                yield other


class Queue:
    """Rows in a random order, with a way to put some back in front."""

    def __init__(self, *columns: Rows) -> None:
        self.columns = columns
        self.at = 0
        self.waiting: list[Rows] | None = None

    def take(self, count: int) -> list[Rows]:
        """Return the next rows; rows that wait come first."""
        waiting, self.waiting = self.waiting, None
        if waiting is None:
            start, self.at = self.at, self.at + count
            if self.at > len(self.columns[0]):
                start, self.at = 0, count
            return [column[start : self.at] for column in self.columns]
        if len(waiting[0]) > count:
            self.waiting = [column[count:] for column in waiting]
            return [column[:count] for column in waiting]
        more = self.take(count - len(waiting[0]))
        return [np.concatenate(both) for both in zip(waiting, more, strict=True)]

    def put_back(self, rows: list[Rows]) -> None:
        """Let rows wait for the next call."""
        if len(rows[0]) == 0:
            return
        self.waiting = (
            rows
            if self.waiting is None
            else [np.concatenate(both) for both in zip(rows, self.waiting, strict=True)]
        )

    def each(self) -> Iterator[int]:
        """Go on with one row at a time."""
        while self.at < len(self.columns[0]):
            self.at += 1
            yield int(self.columns[0][self.at - 1])
