"""The rows that the full batches of an epoch leave out, for trainers that do not drop the last batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..sampler import HybridBatchSampler

Int64s = NDArray[np.int64]


class LastRows:
    """Short batches after the full ones of an epoch: one for each language whose rows leave a rest.

    A language of n rows gives n mod batch size rows at most, those that came least often in the epoch;
    each batch is guarded, of one kind, and the kinds follow the ratio at the end of the epoch.

    Args:
        sampler: of whole batches, on one process.
        ids: int64 [rows], increasing pair ids of the data set's rows.
    """

    def __init__(self, sampler: HybridBatchSampler, ids: Int64s) -> None:
        self.sampler = sampler
        self.ids = ids
        self._pairs = sampler.index.pairs(ids)
        strata = [share[:2] for share in sampler._plan.shares()]
        drawn = np.zeros_like(sampler.index.strata, bool)
        drawn[tuple(np.array(strata, np.int64).T)] = True
        self._drawn = drawn[self._pairs.query_language, self._pairs.passage_language]
        self._rests: list[tuple[int, int]] = []
        cells = ids // len(sampler.index.languages)
        for language in range(len(sampler.index.languages)):
            rows = len(np.unique(cells[self._drawn & (self._pairs.query_language == language)]))
            if rest := rows % sampler.batch_size:
                self._rests.append((language, rest))

    def __len__(self) -> int:
        """Return the number of short batches, the same every epoch."""
        return len(self._rests)

    def batches(self, epoch: int) -> list[Int64s]:
        """Return the pair ids of the short batches of an epoch."""
        sampler = self.sampler
        total = sampler.global_batches
        pairs = sampler.plan_of(epoch).batches(epoch, 0, total, None)["pair"]
        came = np.bincount(np.searchsorted(self.ids, pairs), minlength=len(self.ids))
        random = np.random.default_rng([sampler.seed, epoch]).random(len(self.ids))
        order = np.lexsort((random, came))
        order = order[self._drawn[order]]
        ratio = sampler.mono_ratio_at((epoch + 1) * total - 1)
        found = []
        for number, (language, rest) in enumerate(self._rests):
            mono = int((number + 1) * ratio + 0.5) > int(number * ratio + 0.5)
            own = order[self._pairs.query_language[order] == language]
            alike = self._pairs.passage_language[own] == language
            of_kind = own[alike == mono]
            rows = of_kind if len(of_kind) else own
            if sampler.cross == "homogeneous":
                answers = self._pairs.passage_language[rows]
                rows = rows[answers == answers[0]]
            found.append(self.ids[self._guarded(rows, rest)])
        return found

    def _guarded(self, rows: Int64s, most: int) -> list[int]:
        """Return the first rows that share nothing guarded with one another."""
        guard, index = self.sampler.guard, self.sampler.index
        query, passage = index.identities(self.ids[rows])
        keys = {"group": self._pairs.group[rows], "query": query, "passage": passage}
        indptr, texts = index.texts(self.ids[rows])
        came: set[tuple[str, int]] = set()
        taken: list[int] = []
        for place, row in enumerate(rows.tolist()):
            own = {(name, int(keys[name][place])) for name in guard}
            if "passage" in guard:
                own.update(("text", text) for text in texts[indptr[place] : indptr[place + 1]].tolist())
            if own & came:
                continue
            came |= own
            taken.append(row)
            if len(taken) == most:
                break
        return taken
