"""A plan counted row by row without training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .checks import GUARDS, whole
from .naming import frequent_text
from .sampler import HybridBatchSampler

_ROWS_AT_ONCE = 2**16


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a plan draws, counted row by row without training.

    Attributes:
        batches: batches counted.
        rows: rows counted, all ranks together.
        mono_ratio: α that was asked for.
        by_kind: batches of each kind, ``monolingual`` and ``cross-lingual`` (rows, when rows are drawn
            by kind).
        drift: the greatest distance between the monolingual count and α·n over every prefix of n
            batches (rows) of an epoch.
        query_rows: rows drawn with the query in each language.
        passage_rows: rows drawn with the passage in each language.
        strata: int64 [query language, passage language], rows drawn of each.
        duplicates: rows that share a guarded identity with an earlier row of their batch; 0.
        unguarded: the same for identities whose guard is switched off, by name.
        coverage: share of the query cells of each drawn language that came at least once.
        pairs: different pairs drawn.
        available: different pairs that could be drawn.
        not_placed: rows whose turn in a pass could not be used because of the guard.
        frequent: identities that come more often than a pass can place them, in words.
        digest: 32 hexadecimal digits; equal plans have equal digests.
    """

    batches: int
    rows: int
    mono_ratio: float
    by_kind: dict[str, int]
    drift: float
    query_rows: dict[str, int]
    passage_rows: dict[str, int]
    strata: NDArray[np.int64]
    duplicates: int
    unguarded: dict[str, int]
    coverage: dict[str, float]
    pairs: int
    available: int
    not_placed: int
    frequent: tuple[str, ...]
    digest: str

    def __str__(self) -> str:
        """Return the counts as a plain text table."""
        mono, cross = self.by_kind["monolingual"], self.by_kind["cross-lingual"]
        lines = [
            f"{self.batches:,} batches, {self.rows:,} rows: {mono:,} monolingual, {cross:,} cross-lingual",
            f"drift from ratio {self.mono_ratio:g}: at most {self.drift:.2f}",
            f"pairs: {self.pairs:,} of {self.available:,} at least once",
            f"duplicates in a batch: {self.duplicates:,} · rows not placed: {self.not_placed:,}",
        ]
        lines += [f"{name} twice in a batch (guard off): {n:,} rows" for name, n in self.unguarded.items()]
        lines += self.frequent
        width = max(8, *(len(name) for name in self.query_rows))
        lines += ["", f"{'language':<{width}}  {'query rows':>12}  {'passage rows':>12}  {'coverage':>8}"]
        lines += [
            f"{name:<{width}}  {self.query_rows[name]:>12,}  {self.passage_rows[name]:>12,}  "
            + (f"{self.coverage[name]:>8.1%}" if name in self.coverage else f"{'-':>8}")
            for name in self.query_rows
        ]
        return "\n".join([*lines, "", f"digest {self.digest}"])


def simulate(
    sampler: HybridBatchSampler, *, batches: SupportsIndex | None = None, progress: Progress | None = None
) -> Simulation:
    """Count what a sampler draws from the start of its epoch, over all ranks.

    Args:
        sampler: left as it is; its position plays no part.
        batches: how many batches; default: the whole epoch. More than an epoch goes on with the next.
        progress: called with (batches done, batches).

    Returns:
        Drift, exposure, duplicates, coverage and a digest of the plan.
    """
    index = sampler.index
    count = len(index.languages)
    total = len(sampler) if batches is None else whole("batches", batches, 1, 2**62)
    ledger = _Ledger(sampler)
    step = max(1, _ROWS_AT_ONCE * 4 // sampler.batch_size)
    done = 0
    while done < total:
        epoch, start = divmod(done, len(sampler))
        stop = min(start + step, len(sampler), start + total - done)
        ledger.add(sampler.epoch + epoch, start, stop)
        done += stop - start
        if progress is not None:
            progress(done, total)
    names = index.languages
    frequent = tuple(frequent_text(one, names) for one in sampler._plan.frequent())
    strata = ledger.strata.reshape(count, count)
    drawn = ledger.pairs.reshape(len(index), count)
    query_cells = index._core.query_cells()
    languages = index._core.cell_languages()
    cells = np.bincount(languages[query_cells], minlength=count)
    came = np.bincount(languages[drawn.any(axis=1)], minlength=count)
    return Simulation(
        batches=total,
        rows=total * sampler.batch_size,
        mono_ratio=sampler.mono_ratio,
        by_kind={"monolingual": ledger.mono, "cross-lingual": ledger.slots - ledger.mono},
        drift=ledger.drift,
        query_rows=dict(zip(names, strata.sum(axis=1).tolist(), strict=True)),
        passage_rows=dict(zip(names, strata.sum(axis=0).tolist(), strict=True)),
        strata=strata,
        duplicates=sum(ledger.twice[name] for name in sampler.guard),
        unguarded={name: ledger.twice[name] for name in GUARDS if name not in sampler.guard},
        coverage={name: came[n] / cells[n] for n, name in enumerate(names) if came[n]},
        pairs=int(drawn.sum()),
        available=sum(rows for _, _, rows, _, _ in sampler._plan.shares()),
        not_placed=ledger.not_placed(),
        frequent=frequent,
        digest=ledger.digest(),
    )


class _Ledger:
    """Running counts of :func:`simulate`."""

    def __init__(self, sampler: HybridBatchSampler) -> None:
        index = sampler.index
        self.sampler = sampler
        self.strata = np.zeros(len(index.languages) ** 2, np.int64)
        self.pairs = np.zeros(len(index) * len(index.languages), np.bool_)
        self.twice = dict.fromkeys(GUARDS, 0)
        self.mono = 0
        self.slots = 0
        self.drift = 0.0
        self.substitutes = 0
        self._epoch_mono = 0
        self._epoch_slots = 0
        self._hashes = (hashlib.sha256(), hashlib.sha256())

    def add(self, epoch: int, start: int, stop: int) -> None:
        sampler = self.sampler
        index = sampler.index
        columns = sampler._plan.batches(epoch, start, stop, None)
        pair, is_mono = columns["pair"], columns["is_mono"]
        self._hashes[0].update(np.ascontiguousarray(pair, dtype="<i8").tobytes())
        self._hashes[1].update(is_mono.tobytes())
        if start == 0:
            self._epoch_mono = self._epoch_slots = 0
        counts = self._epoch_mono + np.cumsum(is_mono)
        slots = self._epoch_slots + np.arange(1, len(is_mono) + 1)
        self.drift = max(self.drift, float(np.abs(counts - sampler.mono_ratio * slots).max()))
        self._epoch_mono, self._epoch_slots = int(counts[-1]), int(slots[-1])
        self.mono += int(is_mono.sum())
        self.slots += len(is_mono)
        self.substitutes += columns["substitutes"]
        self.pairs[pair] = True
        stratum = columns["query_language"].astype(np.int64) * len(index.languages)
        stratum += columns["passage_language"]
        self.strata += np.bincount(stratum, minlength=len(self.strata))
        query, passage = index.identities(pair)
        for name, identity in (("group", columns["group"]), ("query", query), ("passage", passage)):
            ordered = np.sort(identity.reshape(-1, sampler.batch_size), axis=1)
            self.twice[name] += int((ordered[:, 1:] == ordered[:, :-1]).sum())

    def not_placed(self) -> int:
        """Count rows replaced by others, and full batches that a pass lost to frequent identities."""
        lost = 0
        size = self.sampler.batch_size
        for query, passage, rows, _, batches in self.sampler._plan.shares():
            if batches:
                drawn = int(self.strata[query * len(self.sampler.index.languages) + passage])
                lost += drawn // (batches * size) * (rows // size - batches) * size
        return lost + self.substitutes

    def digest(self) -> str:
        joined = self._hashes[0].digest() + self._hashes[1].digest()
        return hashlib.sha256(joined).hexdigest()[:32]
