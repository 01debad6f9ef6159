"""A plan counted row by row without training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from .._core import audit_plan
from ..arrays import language_table
from ..errors import InfeasiblePlan
from ..progress import Progress
from .checks import GUARDS, whole
from .ledger import Exposure, StratumCounts
from .mix import Mix
from .naming import frequent_text, named
from .sampler import HybridBatchSampler

_MOST_TABLED = 1000
"""Languages up to which numbers of language pairs are written as a table."""

_MARKS = 1000
"""Stretches of the run whose mix is kept."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a plan draws, counted row by row without training.

    Attributes:
        batches: batches counted.
        rows: rows counted, all ranks together.
        mono_ratio: α that was asked for; under a schedule its mean.
        by_kind: batches of each kind, ``monolingual`` and ``cross-lingual`` (rows, when rows are drawn
            by kind).
        drift: the greatest distance between the monolingual count and α·n (∫α where it
            changes) over every prefix of n batches (rows) of an epoch.
        language_drift: the greatest distance of a language's count from its share of the monolingual
            batches (rows), over every prefix of an epoch.
        stratum_drift: the same for language pairs and the cross-lingual batches (rows, where rows of
            several language pairs mix in a batch).
        stratum_deviations: float64, that distance of each language pair that exists, aligned with
            ``exposure.by_stratum``.
        query_rows: rows drawn with the query in each language.
        passage_rows: rows drawn with the passage in each language.
        exposure: the ledger: rows, groups and passes by language, language pair and side.
        mix: the monolingual share over time.
        duplicates: rows that share a guarded identity, or a text that the index lists, with an earlier row
            of their batch (of the batches that are guarded together); 0.
        unguarded: the same for identities whose guard is switched off, by name.
        coverage: share of the query cells of each drawn language that came at least once.
        pairs: different pairs drawn.
        available: different pairs that could be drawn.
        not_placed: rows whose turn in a pass could not be used because of the guard.
        frequent: identities that come more often than a pass can place them, in words.
        digest: 32 hexadecimal digits; equal plans have equal digests: XXH3-128 over the XXH3-128 of
            each batch (pair ids as 8 bytes each, kinds as one byte each; least byte first).
    """

    batches: int
    rows: int
    mono_ratio: float
    by_kind: dict[str, int]
    drift: float
    language_drift: float
    stratum_drift: float
    stratum_deviations: NDArray[np.float64]
    query_rows: dict[str, int]
    passage_rows: dict[str, int]
    exposure: Exposure
    mix: Mix
    duplicates: int
    unguarded: dict[str, int]
    coverage: dict[str, float]
    pairs: int
    available: int
    not_placed: int
    frequent: tuple[str, ...]
    digest: str

    @cached_property
    def deviations(self) -> NDArray[np.float64]:
        """The distance of each language pair from its share, float64 [query language, passage language]."""
        counts = self.exposure.by_stratum
        names = self.exposure.languages
        return language_table(len(names), counts.query, counts.passage, self.stratum_deviations)

    @property
    def strata(self) -> NDArray[np.int64]:
        """Rows drawn of each language pair, int64 [query language, passage language]."""
        return self.exposure.strata

    def to_mapping(self) -> dict[str, Any]:
        """Return all numbers as plain dicts, lists and numbers, ready for JSON.

        Deviations are a table, and with more than 1,000 languages a dict of the language pairs that exist.
        """
        plain = {
            name: getattr(self, name)
            for name in (
                *("batches", "rows", "mono_ratio", "by_kind", "drift", "language_drift", "stratum_drift"),
                *("duplicates", "unguarded", "coverage", "pairs", "available", "not_placed", "digest"),
            )
        }
        mix = {
            "at": self.mix.at.tolist(),
            "monolingual": self.mix.monolingual.tolist(),
            "asked": self.mix.asked.tolist(),
        }
        return {
            **plain,
            "frequent": list(self.frequent),
            "deviations": self._plain_deviations(),
            "exposure": self.exposure.to_mapping(),
            "mix": mix,
        }

    def _plain_deviations(self) -> list[list[float]] | dict[str, float]:
        names, counts = self.exposure.languages, self.exposure.by_stratum
        if len(names) <= _MOST_TABLED:
            table: list[list[float]] = self.deviations.tolist()
            return table
        columns = (counts.query.tolist(), counts.passage.tolist(), self.stratum_deviations.tolist())
        return {
            f"{names[query]}→{names[passage]}": value for query, passage, value in zip(*columns, strict=True)
        }

    def __str__(self) -> str:
        """Return the counts as a plain text table."""
        mono, cross = self.by_kind["monolingual"], self.by_kind["cross-lingual"]
        lines = [
            f"{self.batches:,} batches, {self.rows:,} rows: {mono:,} monolingual, {cross:,} cross-lingual",
            f"drift from ratio {self.mono_ratio:g}: at most {self.drift:.2f}, of a language "
            f"{self.language_drift:.2f}, of a language pair {self.stratum_drift:.2f}",
            f"pairs: {self.pairs:,} of {self.available:,} at least once",
            f"duplicates in a batch: {self.duplicates:,} · rows not placed: {self.not_placed:,}",
        ]
        lines += [f"{name} twice in a batch (guard off): {n:,} rows" for name, n in self.unguarded.items()]
        lines += self.frequent
        return "\n".join([*lines, "", str(self.exposure), "", f"digest {self.digest}"])


def simulate(
    sampler: HybridBatchSampler,
    *,
    batches: SupportsIndex | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Count what a sampler draws from the start of its epoch, over all ranks.

    Duplicates are counted anew from the identities of the index, without asking the packer.

    Args:
        sampler: left as it is; its position plays no part.
        batches: how many batches, of all ranks; default: the whole epoch. More than an epoch goes on with
            the next.
        threads: how many threads; default: ``HYBRID_FAST_THREADS`` or all cores. Changes no number.
        progress: called with (batches done, batches).

    Returns:
        Drift, exposure, duplicates, coverage, the mix over time and a digest of the plan.
    """
    total = sampler.global_batches if batches is None else whole("batches", batches, 1, 2**40)
    counts = _counts(sampler, sampler.epoch, total, threads, progress)
    exposure = _exposure(sampler, total, counts)
    names = sampler.index.languages
    slots = total if sampler.unit == "batch" else exposure.rows
    deviations, seen = counts["deviations"], exposure.by_stratum
    own = seen.query == seen.passage
    repeated = dict(zip(GUARDS, counts["repeated"], strict=True))
    guarded = list(sampler.guard)
    if sampler.index.has_texts:
        repeated["text"] = counts["repeated_texts"]
        guarded += ["text"] if "passage" in sampler.guard else []
    asked = exposure.all_query_groups
    return Simulation(
        batches=total,
        rows=exposure.rows,
        mono_ratio=_mean_ratio(sampler, counts),
        by_kind={"monolingual": counts["monolingual"], "cross-lingual": slots - counts["monolingual"]},
        drift=counts["drift"],
        language_drift=float(deviations.max(where=own, initial=0.0)),
        stratum_drift=float(deviations.max(where=~own, initial=0.0)),
        stratum_deviations=deviations,
        query_rows=dict(zip(names, exposure.query_rows.tolist(), strict=True)),
        passage_rows=dict(zip(names, exposure.passage_rows.tolist(), strict=True)),
        exposure=exposure,
        mix=Mix(counts["marks_at"], counts["marks_monolingual"], counts["marks_asked"]),
        duplicates=sum(repeated[name] for name in guarded),
        unguarded={name: count for name, count in repeated.items() if name not in guarded},
        coverage={names[n]: float(came / asked[n]) for n, came in enumerate(exposure.query_groups) if came},
        pairs=int(seen.pairs.sum()),
        available=sum(rows for _, _, rows, _, _ in sampler._plan.shares()),
        not_placed=counts["substitutes"] + _lost(sampler, seen),
        frequent=tuple(frequent_text(one, names) for one in sampler._plan.frequent()),
        digest=counts["digest"],
    )


def exposure(
    sampler: HybridBatchSampler,
    batches: SupportsIndex | None = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Exposure:
    """Count what a run has seen after its first batches, from the start of epoch 0.

    Args:
        sampler: left as it is.
        batches: how many batches; default: those handed out so far, the epochs before this one
            included.
        threads: how many threads; default: ``HYBRID_FAST_THREADS`` or all cores.
        progress: called with (batches done, batches).

    Returns:
        The ledger; :meth:`Exposure.to_mapping` makes it ready for JSON.
    """
    if batches is None:
        total = sampler.epoch * sampler.global_batches + sampler.global_position
    else:
        total = whole("batches", batches, 0, 2**40)
    return _exposure(sampler, total, _counts(sampler, 0, total, threads, progress))


def _counts(
    sampler: HybridBatchSampler, epoch: int, batches: int, threads: int | None, progress: Progress | None
) -> dict[str, Any]:
    threads = None if threads is None else whole("threads", threads, 1, 2**16)
    try:
        plan = sampler.plan_of(epoch + max(batches - 1, 0) // sampler.global_batches)
        return audit_plan(plan, epoch, batches, _MARKS, threads=threads, progress=progress)
    except InfeasiblePlan as error:
        raise InfeasiblePlan(named(str(error), sampler.index.languages)) from None


def _mean_ratio(sampler: HybridBatchSampler, counts: dict[str, Any]) -> float:
    if isinstance(sampler.mono_ratio, float) and not sampler.changes:
        return sampler.mono_ratio
    return float(counts["marks_asked"][-1] / counts["marks_at"][-1])


def _exposure(sampler: HybridBatchSampler, batches: int, counts: dict[str, Any]) -> Exposure:
    index = sampler.index
    query, passage, available = index.stratum_sizes
    return Exposure(
        languages=index.languages,
        batches=batches,
        rows=batches * sampler.global_batch_size,
        by_stratum=StratumCounts(query, passage, counts["strata"], counts["pairs"], available),
        query_groups=counts["query_groups"],
        passage_groups=counts["passage_groups"],
        all_query_groups=counts["query_cells"],
        all_passage_groups=counts["passage_cells"],
    )


def _lost(sampler: HybridBatchSampler, seen: StratumCounts) -> int:
    """Count the rows of full batches that passes lost to frequent identities."""
    size = sampler.global_batch_size
    strata = zip(seen.query.tolist(), seen.passage.tolist(), strict=True)
    drawn = dict(zip(strata, seen.rows.tolist(), strict=True))
    return sum(
        drawn[query, passage] // (batches * size) * (rows // size - batches) * size
        for query, passage, rows, _, batches in sampler._plan.shares()
        if batches
    )
