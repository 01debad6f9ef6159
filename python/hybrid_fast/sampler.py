"""Batches with a controlled share of monolingual ones, as a pure function of their number.

The plan depends on (index, configuration, seed, epoch, batch number) and nothing else, so it can be
read in any order, resumed anywhere and sliced over any number of ranks. Nothing here knows torch:
:class:`HybridBatchSampler` has the methods of a torch ``BatchSampler``.
"""

from __future__ import annotations

import hashlib
import json
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ._core import STREAM_VERSION, Plan
from .config import SamplerConfig
from .corpus import normalise_language
from .errors import InfeasiblePlan, InvalidArgument, NotSupported, StateMismatch
from .pairs import PairIndex
from .progress import Progress

STREAM_VERSION = STREAM_VERSION
"""Changes whenever the same configuration gives other batches; saved states carry it."""

_GUARDS = ("group", "query", "passage")
_ROWS_AT_ONCE = 2**16


@dataclass(frozen=True, eq=False)
class Batch:
    """One batch, or the batches of a range with one axis more in front.

    Attributes:
        is_mono: whether the batch is monolingual; one value a row when rows are drawn by kind.
        group: int64 [b], group ids as given.
        query: int64 [b], query rows as given.
        passage: int64 [b], passage rows as given.
        query_language: int16 [b], positions in ``index.languages``.
        passage_language: int16 [b], positions in ``index.languages``.
    """

    is_mono: Any
    group: NDArray[np.int64]
    query: NDArray[np.int64]
    passage: NDArray[np.int64]
    query_language: NDArray[np.int16]
    passage_language: NDArray[np.int16]


class HybridBatchSampler:
    """Draws batches of pairs, a share ``mono_ratio`` of them monolingual.

    A monolingual batch holds one language; a cross-lingual batch mixes ordered language pairs
    (arXiv 2408.10536: X-X-mono and X-Y batches), or holds one (``cross="homogeneous"``). Within a
    batch no group, query identity or passage identity comes twice; within a pass over a language
    pair no question-passage pair comes twice.

    Args:
        index: what is drawn from.
        batch_size: rows of a global batch, over all ranks.
        mono_ratio: α, the share of monolingual batches, 0 to 1.
        mixing: ``exact`` (the monolingual count is within 0.5 of α·n after every n batches),
            ``coupled`` (a greater α only turns batches monolingual; the j-th batch of a kind is the
            same whatever α) or ``bernoulli`` (an independent draw a batch).
        unit: ``batch``: every batch is of one kind; ``row``: each row is drawn by kind.
        cross: ``mixed`` or ``homogeneous`` cross-lingual batches.
        language_weights: ``uniform``, the exponent t of size^t, or a weight for each language (a
            mapping from names, or a sequence in the order of ``index.languages``); weight 0 leaves
            a language out. A language pair gets the product of its two weights.
        batches_per_epoch: length of an epoch; default: Σ over languages of ⌊cells with a drawable
            query / batch_size⌋, whatever α.
        guard: what must not come twice in a batch; leave one out to switch it off.
        hard_negatives: not built yet.
        scope: ``step``: the global batch is guarded, then sliced over the ranks.
        rank: the rank whose slice is returned.
        world_size: number of ranks; must divide ``batch_size``. The stream is the same for any.
        seed: 0 to 2⁶⁴ − 1.

    Raises:
        InfeasiblePlan: a language or language pair cannot fill a batch; named, with its count.
        InvalidArgument: a value outside its range.
        NotSupported: a feature that is named and not built yet.
    """

    def __init__(
        self,
        index: PairIndex,
        batch_size: int = 100,
        mono_ratio: float | str | Callable[..., float] = 0.5,
        *,
        mixing: Literal["exact", "coupled", "bernoulli"] = "exact",
        unit: Literal["batch", "row"] = "batch",
        cross: Literal["mixed", "homogeneous"] = "mixed",
        language_weights: str | float | Mapping[str, float] | Sequence[float] = "uniform",
        batches_per_epoch: int | None = None,
        guard: Sequence[str] = _GUARDS,
        hard_negatives: object = None,
        scope: str = "step",
        rank: int = 0,
        world_size: int = 1,
        seed: int = 13,
        guard_window: int | None = None,
    ) -> None:
        if not isinstance(index, PairIndex):
            raise TypeError(f"index is {type(index).__name__}, expected a PairIndex")
        if callable(mono_ratio) or isinstance(mono_ratio, str):
            raise NotSupported("a schedule of mono_ratio is not built yet; give a number from 0 to 1")
        if hard_negatives is not None:
            raise NotSupported("hard_negatives is not built yet; leave it None")
        if guard_window is not None:
            raise NotSupported("guard_window is not built yet; leave it None")
        if scope == "rank":
            raise NotSupported('scope="rank" is not built yet; use scope="step"')
        if scope != "step":
            raise InvalidArgument(f'scope is {scope!r}, expected "step"')
        self.index = index
        self.batch_size = _whole("batch_size", batch_size, 1, 2**32 - 2)
        self.mono_ratio = _number("mono_ratio", mono_ratio)
        self.mixing = mixing
        self.unit = unit
        self.cross = cross
        self.guard = _guard(guard)
        self.seed = _whole("seed", seed, 0, 2**64 - 1)
        self.world_size = _whole("world_size", world_size, 1, self.batch_size)
        self.rank = _whole("rank", rank, 0, self.world_size - 1)
        if self.batch_size % self.world_size:
            raise InvalidArgument(
                f"batch_size is {self.batch_size}, which {self.world_size} ranks cannot share equally; "
                "take a multiple of world_size"
            )
        exponent, weights = _weights(index, language_weights)
        given = (
            None if batches_per_epoch is None else _whole("batches_per_epoch", batches_per_epoch, 1, 2**62)
        )
        try:
            self._plan = Plan(
                index._core,
                batch_size=self.batch_size,
                mono_ratio=self.mono_ratio,
                mixing=mixing,
                unit=unit,
                cross=cross,
                exponent=exponent,
                weights=weights,
                batches_per_epoch=given,
                guard=("group" in self.guard, "query" in self.guard, "passage" in self.guard),
                seed=self.seed,
            )
        except InfeasiblePlan as error:
            raise InfeasiblePlan(_named(str(error), index.languages)) from None
        settings: list[object] = [self.batch_size, self.mono_ratio, mixing, unit, cross, exponent, weights]
        settings += [len(self._plan), self.guard, self.seed, index.languages]
        self._digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
        self._epoch = 0
        self._position = 0
        self._resume_at = 0
        self._walk = 0
        self._warn_frequent()

    @classmethod
    def from_config(cls, index: PairIndex, config: SamplerConfig, *, seed: int) -> HybridBatchSampler:
        """Return the sampler of a configuration; its language weights may name any code of a language."""
        weights = config.language_weights
        if isinstance(weights, dict):
            weights = {normalise_language(code): weight for code, weight in weights.items()}
        return cls(
            index,
            config.batch_size,
            config.mono_ratio,
            mixing=config.mixing,
            unit=config.unit,
            cross=config.cross,
            language_weights=weights,
            guard=config.guard,
            seed=seed,
        )

    @property
    def epoch(self) -> int:
        """The epoch whose batches are handed out."""
        return self._epoch

    @property
    def left_out(self) -> tuple[str, ...]:
        """Languages without a monolingual cell, and language pairs without a pair ("de→en")."""
        names = self.index.languages
        strata = self.index.strata
        alone = [name for number, name in enumerate(names) if strata[number, number] == 0]
        pairs = [
            f"{names[query]}→{names[passage]}"
            for query, passage in np.argwhere(strata == 0)
            if query != passage
        ]
        return (*alone, *pairs)

    def batch(self, i: SupportsIndex) -> Batch:
        """Return batch ``i`` of the epoch (this rank's rows of it), wherever iteration stands.

        Raises:
            IndexError: ``i`` is negative or not below ``len(self)``.
        """
        number = operator.index(i)
        if not 0 <= number < len(self):
            raise IndexError(f"batch {number} is not within the epoch's {len(self)} batches")
        many = self.batches(number, number + 1)
        mono = many.is_mono[0]
        return Batch(
            is_mono=bool(mono) if self.unit == "batch" else mono,
            group=many.group[0],
            query=many.query[0],
            passage=many.passage[0],
            query_language=many.query_language[0],
            passage_language=many.passage_language[0],
        )

    def batches(
        self, start: SupportsIndex, stop: SupportsIndex, *, progress: Progress | None = None
    ) -> Batch:
        """Return batches ``start`` to ``stop`` (not included) in one call.

        Returns:
            ``is_mono`` bool [n] ([n, b] when rows are drawn by kind), the others [n, b].

        Raises:
            IndexError: the range is not within the epoch.
        """
        columns = self._columns(operator.index(start), operator.index(stop), progress)
        return Batch(
            is_mono=columns["is_mono"],
            group=columns["group"],
            query=columns["query"],
            passage=columns["passage"],
            query_language=columns["query_language"],
            passage_language=columns["passage_language"],
        )

    def __len__(self) -> int:
        """Return the number of batches of the whole epoch."""
        return len(self._plan)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the pair ids of each batch, from the loaded position once, then from 0."""
        start, self._resume_at = self._resume_at, 0
        self._position = start
        self._walk += 1
        return self._hand_out(start, self._walk)

    def _hand_out(self, start: int, walk: int) -> Iterator[list[int]]:
        epoch = self._epoch
        step = max(1, min(256, _ROWS_AT_ONCE // self.batch_size))
        for first in range(start, len(self), step):
            last = min(first + step, len(self))
            pairs = self._columns(first, last, None, epoch)["pair"]
            for offset, row in enumerate(pairs.tolist()):
                if walk == self._walk and epoch == self._epoch:
                    self._position = first + offset + 1
                yield row

    def set_epoch(self, epoch: SupportsIndex) -> None:
        """Go to an epoch; the same epoch keeps the position, another one starts at batch 0."""
        number = _whole("epoch", epoch, 0, 2**64 - 1)
        if number != self._epoch:
            self._epoch = number
            self._position = 0
            self._resume_at = 0

    def state_dict(self) -> dict[str, Any]:
        """Return where iteration stands: after k batches handed out, ``batch`` is k."""
        return {
            "stream_version": STREAM_VERSION,
            "index": self.index.fingerprint,
            "config": self._digest,
            "epoch": self._epoch,
            "batch": self._position,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next ``iter()`` go on where ``state`` was taken.

        Raises:
            StateMismatch: the state belongs to another index, configuration or stream version, or
                is incomplete.
        """
        own = self.state_dict()
        missing = [name for name in own if name not in state]
        if missing:
            raise StateMismatch(f"the sampler state has no {missing[0]!r}; give what state_dict() returned")
        for name, what in (
            ("stream_version", "stream version"),
            ("index", "index"),
            ("config", "configuration"),
        ):
            if state[name] != own[name]:
                raise StateMismatch(
                    f"the sampler state is of another {what} ({state[name]}, here {own[name]}); "
                    "go on with the data and configuration it was saved with"
                )
        epoch = _whole("epoch", state["epoch"], 0, 2**64 - 1)
        position = _whole("batch", state["batch"], 0, len(self))
        self._epoch = epoch
        self._position = position
        self._resume_at = position
        self._walk += 1

    def __repr__(self) -> str:
        ranks = "" if self.world_size == 1 else f", rank {self.rank} of {self.world_size}"
        return (
            f"HybridBatchSampler({len(self):,} batches of {self.batch_size}, "
            f"mono_ratio={self.mono_ratio:g} ({self.mixing}, by {self.unit}), cross={self.cross}, "
            f"seed={self.seed}, epoch={self._epoch}{ranks}, languages: {', '.join(self.index.languages)})"
        )

    def _columns(
        self, start: int, stop: int, progress: Progress | None, epoch: int | None = None
    ) -> dict[str, Any]:
        """Return columns of this rank's rows, [n, b]; ``is_mono`` is [n] unless rows are drawn by kind."""
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"batches {start} to {stop} are not within the epoch's {len(self)}")
        try:
            columns = self._plan.batches(self._epoch if epoch is None else epoch, start, stop, progress)
        except InfeasiblePlan as error:
            raise InfeasiblePlan(_named(str(error), self.index.languages)) from None
        share = self.batch_size // self.world_size
        mine = slice(self.rank * share, (self.rank + 1) * share)
        for name, column in columns.items():
            if name == "substitutes" or (name == "is_mono" and self.unit == "batch"):
                continue
            columns[name] = column.reshape(stop - start, self.batch_size)[:, mine]
        return columns

    def _warn_frequent(self) -> None:
        frequent = sorted(self._plan.frequent(), key=lambda one: one[4] - one[3])
        if not frequent:
            return
        more = f" (and {len(frequent) - 1} more like it)" if len(frequent) > 1 else ""
        warnings.warn(_frequent_text(frequent[0], self.index.languages) + more, stacklevel=3)


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
    total = len(sampler) if batches is None else _whole("batches", batches, 1, 2**62)
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
    frequent = tuple(_frequent_text(one, names) for one in sampler._plan.frequent())
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
        unguarded={name: ledger.twice[name] for name in _GUARDS if name not in sampler.guard},
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
        self.twice = dict.fromkeys(_GUARDS, 0)
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


def _frequent_text(one: tuple[str, int, tuple[int, int] | None, int, int], names: Sequence[str]) -> str:
    kind, identity, stratum, rows, placed = one
    where = "the mixed strata" if stratum is None else f"{names[stratum[0]]}→{names[stratum[1]]}"
    return (
        f"{kind} identity {identity} has {rows} rows in {where}, of which a pass can place {placed}; "
        "the others are deferred"
    )


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} is {value}, expected a whole number")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, expected a whole number") from None
    if not least <= number <= most:
        raise InvalidArgument(f"{name} is {number}, expected {least} to {most}")
    return number


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}, expected a number") from None
    if not 0.0 <= number <= 1.0:
        raise InvalidArgument(f"{name} is {number}, expected a number from 0 to 1")
    return number


def _guard(guard: Sequence[str]) -> tuple[str, ...]:
    if isinstance(guard, str) or guard is None:
        raise TypeError(f"guard is {guard!r}, expected a list of names from {', '.join(_GUARDS)}")
    names = tuple(guard)
    for name in names:
        if name not in _GUARDS:
            raise InvalidArgument(f"guard names {name!r}, expected names from {', '.join(_GUARDS)}")
    return tuple(name for name in _GUARDS if name in names)


def _weights(
    index: PairIndex, given: str | float | Mapping[str, float] | Sequence[float]
) -> tuple[float | None, list[float] | None]:
    """Return the exponent of the sizes, or one weight a language, or neither for uniform weights."""
    if isinstance(given, str):
        if given == "uniform":
            return None, None
        if given == "exposure-matched":
            raise NotSupported('language_weights="exposure-matched" is not built yet; give weights')
        raise InvalidArgument(
            f'language_weights is {given!r}, expected "uniform", an exponent or a weight for each language'
        )
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in index.languages]
        missing = [name for name in index.languages if name not in given]
        if unknown:
            raise InvalidArgument(
                f"language_weights names {unknown[0]!r}, expected languages of the index: "
                f"{', '.join(index.languages)}"
            )
        if missing:
            raise InvalidArgument(
                f"language_weights has no weight for {', '.join(missing)}; give 0 to leave a language out"
            )
        weights = [float(given[name]) for name in index.languages]
    elif isinstance(given, Sequence | np.ndarray):
        weights = [float(weight) for weight in given]
        if len(weights) != len(index.languages):
            raise InvalidArgument(
                f"language_weights has {len(weights)} weights, expected one for each of "
                f"{len(index.languages)} languages"
            )
    else:
        return float(given), None
    for name, weight in zip(index.languages, weights, strict=True):
        if not (np.isfinite(weight) and weight >= 0):
            raise InvalidArgument(f"the weight of {name} is {weight}, expected 0 or more")
    return None, weights


def _named(message: str, languages: Sequence[str]) -> str:
    """Put names for the language numbers of a message from the core."""
    return re.sub(r"language (\d+)", lambda found: languages[int(found.group(1))], message)
