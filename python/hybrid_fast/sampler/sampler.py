"""The sampler: batches as a pure function of index, configuration, seed, epoch and batch number.

The plan depends on nothing else, so it can be read in any order, resumed anywhere and sliced over
any number of ranks. Nothing here knows torch: :class:`HybridBatchSampler` has the methods of a torch
``BatchSampler``.
"""

from __future__ import annotations

import hashlib
import json
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

import numpy as np

from .._core import STREAM_VERSION, Plan
from ..arrays import fitting
from ..errors import InfeasiblePlan, InvalidArgument, StateMismatch
from ..pairs import PairIndex
from ..progress import Progress
from .batch import Batch
from .carrying import PairWithNegatives
from .checks import GUARDS, choice, guard_names, ratio, whole
from .exposure_matching import ExposureMatched
from .left_out import LeftOut
from .naming import frequent_text, named
from .schedules import (
    MonoRatio,
    Piecewise,
    identity,
    label,
    mean_ratio,
    parse_mono_ratio,
    pieces_of,
)
from .weights import LanguageWeights, Weights, resolve_weights

if TYPE_CHECKING:
    from ..config import SamplerConfig
    from .negatives import NegativeLanguage, Negatives

XX_MIXED_STREAM_VERSION = STREAM_VERSION + 1
"""Stream version of ``mono="xx-mixed"``, whose batches changed alone: its blocks no longer depend on α."""
_ROWS_AT_ONCE = 2**16


class HybridBatchSampler:
    """Draws batches of pairs, a share ``mono_ratio`` of them monolingual.

    A monolingual batch holds one language; a cross-lingual batch mixes ordered language pairs
    (arXiv 2408.10536: X-X-mono and X-Y batches), or holds one (``cross="homogeneous"``). Within a
    batch no group, query identity or passage identity comes twice; within a pass over a language
    pair no question-passage pair comes twice.

    Args:
        index: what is drawn from.
        batch_size: rows of a global batch, over all ranks.
        mono_ratio: α, the share of monolingual batches, 0 to 1; or its schedule over the batches drawn so
            far in all epochs: :class:`Linear`, :class:`Cosine`, :class:`Piecewise`, a text such as
            "linear:0.2..0.8" or "piecewise:0=0.2,1000=0.5", or a function of the batch number (always the
            same for the same number). :meth:`set_mono_ratio` changes it while running.
        mixing: ``exact`` (the monolingual count is within 0.5 of α·n after every n batches),
            ``coupled`` (a greater α only turns batches monolingual; the j-th batch of a kind is the
            same whatever α; where kinds are guarded together, by ``unit="row"`` or a guard window, only its
            languages are) or ``bernoulli`` (an independent draw a batch).
        unit: ``batch``: every batch is of one kind; ``row``: each row is drawn by kind.
        cross: ``mixed`` or ``homogeneous`` cross-lingual batches.
        mono: ``homogeneous``: a monolingual batch holds one language; ``xx-mixed``: rows of several
            languages, each with query and passage in one (an ablation: it is known to ruin training).
        language_weights: ``uniform``, the exponent t of size^t, or a weight for each language (a
            mapping from names, or a sequence in the order of ``index.languages``); weight 0 leaves
            a language out. A language pair gets the product of its two weights. Also
            :class:`CappedEpochs` ("capped:4") and :class:`ExposureMatched` ("exposure-matched:0.5").
        batches_per_epoch: length of an epoch; default: Σ over languages of ⌊cells with a drawable
            query / batch_size⌋, whatever α.
        guard: what must not come twice in a batch; leave one out to switch it off.
        hard_negatives: for each query row, passage rows that do not answer it, best first: an int array
            [queries, n] with −1 for none, a mapping, a pair (indptr, rows) or :class:`HardNegatives`. A row
            takes the first whose identity is neither a positive nor a taken negative of the global batch.
        negatives_per_query: hard negatives a row; −1 (masked) where its list is used up.
        negatives_language: ``any``, or ``passage``: only those in the language of the row's passage.
        scope: ``step``: the global batch of ``batch_size`` rows is guarded, then sliced over the ranks.
            ``rank``: each rank takes whole batches of ``batch_size`` rows; consecutive ones are guarded
            together and dealt out in an order of their own each step, so that no rank sees one kind only.
        rank: the rank whose rows are returned.
        world_size: number of ranks; must divide ``batch_size`` (scope ``step``) or ``guard_window`` (scope
            ``rank``). The stream is the same for any.
        seed: 0 to 2⁶⁴ − 1.
        guard_window: with scope ``rank``, how many consecutive batches hold no identity twice; default
            ``world_size``. The stream depends on it, never on the number of ranks. Epochs hold whole windows.

    Raises:
        InfeasiblePlan: a language or language pair cannot fill a batch; named, with its count.
        InvalidArgument: a value outside its range.
    """

    def __init__(
        self,
        index: PairIndex,
        batch_size: int = 100,
        mono_ratio: MonoRatio = 0.5,
        *,
        mixing: Literal["exact", "coupled", "bernoulli"] = "exact",
        unit: Literal["batch", "row"] = "batch",
        cross: Literal["mixed", "homogeneous"] = "mixed",
        language_weights: LanguageWeights = "uniform",
        batches_per_epoch: int | None = None,
        guard: Sequence[str] = GUARDS,
        hard_negatives: Any = None,
        scope: Literal["step", "rank"] = "step",
        rank: int = 0,
        world_size: int = 1,
        seed: int = 13,
        guard_window: int | None = None,
        negatives_per_query: int = 1,
        negatives_language: NegativeLanguage = "any",
        mono: Literal["homogeneous", "xx-mixed"] = "homogeneous",
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name != "self"}
        if not isinstance(index, PairIndex):
            raise TypeError(f"index is {type(index).__name__}, expected a PairIndex")
        self.index = index
        self.global_batch_size = whole("batch_size", batch_size, 1, 2**32 - 2)
        self.mono_ratio = parse_mono_ratio(mono_ratio)
        self.mixing = choice("mixing", mixing, ("exact", "coupled", "bernoulli"))
        self.unit = choice("unit", unit, ("batch", "row"))
        self.mono = choice("mono", mono, ("homogeneous", "xx-mixed"))
        self.cross = choice("cross", cross, ("mixed", "homogeneous"))
        self.guard = guard_names(guard)
        self.seed = whole("seed", seed, 0, 2**64 - 1)
        self.scope = choice("scope", scope, ("step", "rank"))
        self.world_size = whole("world_size", world_size, 1, 2**32)
        self.rank = whole("rank", rank, 0, self.world_size - 1)
        self.guard_window = self._window(guard_window)
        given = None if batches_per_epoch is None else whole("batches_per_epoch", batches_per_epoch, 1, 2**62)
        self._told_epochs = 1
        self._changes: list[tuple[int, float]] = []
        # Only some forms of α depend on the length of an epoch; without it the plan says best what is wrong.
        mean = 0.5
        if isinstance(self.mono_ratio, float):
            mean = self.mono_ratio
        elif isinstance(language_weights, str | ExposureMatched):
            mean = mean_ratio(self.mono_ratio, self._epoch_length(given, Weights()))
        weights = resolve_weights(
            index,
            language_weights,
            batch_size=self.global_batch_size,
            batches_per_epoch=given,
            mono_ratio=mean,
        )
        fixed = isinstance(self.mono_ratio, float | Piecewise)
        try:
            self._plan = Plan(
                index._core,
                batch_size=self.global_batch_size,
                mono_ratio=pieces_of(self.mono_ratio, 1 if fixed else self._epoch_length(given, weights), 1),
                mixing=mixing,
                unit=unit,
                mono=mono,
                cross=cross,
                exponent=weights.exponent,
                weights=weights.each,
                mono_weights=weights.mono,
                batches_per_epoch=given,
                guard=("group" in self.guard, "query" in self.guard, "passage" in self.guard),
                guard_window=self.guard_window,
                seed=self.seed,
            )
        except InfeasiblePlan as error:
            raise InfeasiblePlan(named(str(error), index.languages)) from None
        self._total = len(self._plan)
        settings: list[object] = [
            self.global_batch_size,
            identity(self.mono_ratio, self._total),
            mixing,
            unit,
            mono,
            cross,
            *weights,
        ]
        settings += [self._total, self.guard, self.guard_window, self.seed, index.languages]
        self.negatives: Negatives | None = None
        if hard_negatives is not None:
            from ..corpus import HardNegatives
            from .negatives import Negatives

            per_query = whole("negatives_per_query", negatives_per_query, 1, 2**16)
            self.negatives = Negatives(index, HardNegatives.of(hard_negatives), per_query, negatives_language)
            settings.append(self.negatives.fingerprint)
        self._digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
        self._epoch = 0
        self._position = 0
        self._resume_at = 0
        self._walk = 0
        self._asked: int | None = None
        self._opened = False
        self._afterwards: int | None = None
        self._behind: tuple[int, int] | None = None  # the epoch a caller named last, and the one it got
        self._warn_frequent()

    def _window(self, given: int | None) -> int:
        """Return how many consecutive batches are guarded together, checked against the ranks."""
        if self.scope == "step":
            if given not in (None, 1):
                raise InvalidArgument(
                    f'guard_window is {given}, but scope="step" guards each global batch alone; '
                    'leave it out, or take scope="rank"'
                )
            if self.global_batch_size % self.world_size:
                raise InvalidArgument(
                    f"batch_size is {self.global_batch_size}, which {self.world_size} ranks cannot share "
                    "equally; take a multiple of world_size"
                )
            return 1
        window = self.world_size if given is None else whole("guard_window", given, 1, 2**32)
        if window % self.world_size:
            raise InvalidArgument(
                f"guard_window is {window}, which {self.world_size} ranks cannot share equally; "
                "take a multiple of world_size"
            )
        return window

    def _epoch_length(self, batches_per_epoch: int | None, weights: Weights) -> int:
        """Return the batches of an epoch over all ranks, before there is a plan."""
        return Plan.epoch_length(
            self.index._core,
            batch_size=self.global_batch_size,
            exponent=weights.exponent,
            weights=weights.each,
            batches_per_epoch=batches_per_epoch,
            guard_window=self.guard_window,
        )

    @classmethod
    def from_config(
        cls,
        index: PairIndex,
        config: SamplerConfig,
        *,
        seed: int,
        hard_negatives: Any = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> HybridBatchSampler:
        """Return the sampler of a configuration; its language weights may name any code of a language.

        Where the configuration names a file of hard negatives, give what
        :func:`~hybrid_fast.sampler.configured.index_and_negatives` makes of it.
        """
        from ..corpus import normalise_language

        if config.hard_negatives is not None and hard_negatives is None:
            raise InvalidArgument(
                f"the configuration names hard negatives, {config.hard_negatives}; read them for the "
                "corpus and give them as hard_negatives"
            )
        weights = config.language_weights
        if isinstance(weights, dict):
            weights = {normalise_language(code): weight for code, weight in weights.items()}
        return cls(
            index,
            config.batch_size,
            config.mono_ratio,
            mixing=config.mixing,
            unit=config.unit,
            mono=config.mono,
            cross=config.cross,
            language_weights=weights,
            guard=config.guard,
            hard_negatives=hard_negatives,
            negatives_per_query=config.negatives_per_query,
            negatives_language=config.negatives_language,
            rank=rank,
            world_size=world_size,
            seed=seed,
        )

    @property
    def batch_size(self) -> int:
        """Rows of each list that ``iter`` yields: this rank's part of ``global_batch_size`` rows."""
        return self.global_batch_size // (self.world_size if self.scope == "step" else 1)

    @property
    def drop_last(self) -> bool:
        """True: every batch is full. Read by accelerate before it deals a sampler's batches to the ranks.

        Raises:
            InvalidArgument: the batches are one rank's own, and would be dealt a second time.
        """
        if self.world_size > 1:
            raise InvalidArgument(
                f"the sampler holds rank {self.rank}'s own part (world_size={self.world_size}), and "
                "accelerate would deal it to the ranks once more, so that none of them sees one global "
                "batch; give the DataLoader RankSlices(sampler, accelerator.num_processes) of a sampler "
                "with world_size=1, or leave it out of accelerator.prepare"
            )
        return True

    @property
    def sampler(self) -> HybridBatchSampler:
        """The sampler itself: accelerate and Lightning tell the epoch to ``batch_sampler.sampler``."""
        return self

    @property
    def epoch(self) -> int:
        """The epoch whose batches are handed out."""
        return self._epoch

    @property
    def global_batches(self) -> int:
        """Batches of an epoch over all ranks; with scope ``step`` every rank has a part of each."""
        return self._total

    @property
    def changes(self) -> tuple[tuple[int, float], ...]:
        """What :meth:`set_mono_ratio` changed: (batch over all epochs and ranks, α from there on)."""
        return tuple(self._changes)

    def mono_ratio_at(self, batch: SupportsIndex) -> float:
        """Return α at a batch, counted over all epochs and all ranks, changes included."""
        number = whole("batch", batch, 0, 2**62)
        return self.plan_of(number // self._total).ratio_at(number)

    def mono_ratio_integral(self, batches: SupportsIndex) -> float:
        """Return the integral of α over the first ``batches`` batches of all epochs and ranks."""
        number = whole("batches", batches, 0, 2**62)
        return self.plan_of(number // self._total).ratio_integral(number)

    def set_mono_ratio(self, mono_ratio: float) -> int:
        """Set α for batches not yet handed out; those before stay as they are, and nothing comes twice.

        The change is part of :meth:`state_dict`. Where rows of both kinds share blocks (``unit="row"`` or
        scope ``rank``) it waits for the next block. Under several ranks every rank must make the same
        change at the same batch.

        Returns:
            The first batch that the change touches, counted over all epochs and ranks.
        """
        value = ratio("mono_ratio", mono_ratio)
        free = self._plan.free_batch(self.global_position)
        at = self._epoch * self._total + min(free, self._total)
        self._replan([*(change for change in self._changes if change[0] < at), (at, value)])
        return at

    @property
    def _steps_apart(self) -> int:
        """How many global batches go by while a rank takes one."""
        return self.world_size if self.scope == "rank" else 1

    def _replan(self, changes: list[tuple[int, float]]) -> None:
        pieces = pieces_of(self.mono_ratio, self._total, self._told_epochs)
        try:
            self._plan = self._plan.with_ratio(pieces, changes)
        except InfeasiblePlan as error:
            raise InfeasiblePlan(named(str(error), self.index.languages)) from None
        self._changes = changes

    @property
    def global_position(self) -> int:
        """Batches of the epoch handed out so far over all ranks, if each stands where this one does."""
        return self._position * self._steps_apart

    def plan_of(self, epoch: int) -> Plan:
        """Return the plan, after asking a function of α about all batches up to the end of an epoch."""
        if callable(self.mono_ratio) and epoch >= self._told_epochs:
            self._told_epochs = epoch + 1
            self._replan(self._changes)
        return self._plan

    @property
    def left_out(self) -> Sequence[str]:
        """Languages without a monolingual cell, then language pairs without a pair ("de→en")."""
        return LeftOut(self.index.languages, *self.index.stratum_sizes[:2])

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
            negatives=None if many.negatives is None else many.negatives[0],
        )

    def batches(
        self, start: SupportsIndex, stop: SupportsIndex, *, progress: Progress | None = None
    ) -> Batch:
        """Return batches ``start`` to ``stop`` (not included) in one call.

        Returns:
            ``is_mono`` bool [n] ([n, b] when rows are drawn by kind), ``negatives`` [n, b, negatives a
            row], the others [n, b].

        Raises:
            IndexError: the range is not within the epoch.
            InvalidArgument: memory has no room for so many.
        """
        first, last = operator.index(start), operator.index(stop)
        with fitting(f"{last - first} batches of {self.batch_size} rows"):
            columns = self._columns(first, last, progress)
        return Batch(
            is_mono=columns["is_mono"],
            group=columns["group"],
            query=columns["query"],
            passage=columns["passage"],
            query_language=columns["query_language"],
            passage_language=columns["passage_language"],
            negatives=columns.get("negatives"),
        )

    def __len__(self) -> int:
        """Return the number of batches of the whole epoch that this rank takes (part) in."""
        return self._total // self._steps_apart

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the pair ids of each batch, from the loaded position once, then from 0.

        A loaded state from the end of an epoch leaves nothing of it: the next epoch follows, whole.
        With hard negatives each id is a :class:`PairWithNegatives`, an int that carries them.
        """
        if self._afterwards is not None and self._position == len(self):
            self._epoch, self._afterwards = self._afterwards, None
            self._resume_at = 0
        start = self._position = self._resume_at
        self._walk += 1
        self._opened = True
        return self._hand_out(start, self._walk)

    def _hand_out(self, start: int, walk: int) -> Iterator[list[int]]:
        if walk == self._walk:
            # Only now is the loaded position used: a torch loader with workers calls iter() twice.
            self._resume_at = 0
            self._asked = None
            self._opened = False
        epoch = self._epoch
        most = max(1, min(256, _ROWS_AT_ONCE // self.global_batch_size))
        number, step = start, 1
        while number < len(self):
            changes = self._changes
            columns = self._columns(number, min(number + step, len(self)), None, epoch)
            step = min(2 * step, most)
            for offset, row in enumerate(columns["pair"].tolist()):
                number += 1
                if "negatives" in columns:
                    row = PairWithNegatives.batch(row, columns["negatives"][offset].tolist())
                if walk == self._walk and epoch == self._epoch:
                    self._position = number
                yield row
                if changes is not self._changes:
                    break

    def set_epoch(self, epoch: SupportsIndex) -> None:
        """Go to an epoch; the same epoch keeps the position, another one starts at batch 0."""
        number = self._counted_on(whole("epoch", epoch, 0, 2**64 - 1))
        self._asked = number
        self._opened = False
        self._afterwards = None
        if number != self._epoch:
            self._epoch = number
            self._position = 0
            self._resume_at = 0

    def _counted_on(self, number: int) -> int:
        """Return the epoch that a caller means whose count started anew though a later state was loaded."""
        if self._behind is not None:
            named, meant = self._behind
            if number not in (named, named + 1):
                self._behind = None
            else:
                meant = min(meant + number - named, 2**64 - 1)
                self._behind = number, meant
                return meant
        return number

    def state_dict(self) -> dict[str, Any]:
        """Return where iteration stands: after k batches handed out, ``batch`` is k.

        After the last batch ``batch`` is ``len(self)``, which says that the epoch is finished.
        """
        return {
            "stream_version": XX_MIXED_STREAM_VERSION if self.mono == "xx-mixed" else STREAM_VERSION,
            "index": self.index.fingerprint,
            "config": self._digest,
            "epoch": self._epoch,
            "batch": self._position,
            "mono_ratio_changes": [list(change) for change in self._changes],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next ``iter()`` go on where ``state`` was taken.

        A state from within an epoch goes on with its next batch. One from the end of epoch e goes on
        with epoch e + 1, whole, with or without ``set_epoch(e + 1)``; ``set_epoch(e)`` after loading it
        asks for what is left of epoch e, which is nothing. A loader that named an earlier epoch and loads
        only when its loop starts (accelerate numbers epochs from 0 in every process) is understood to
        count on from the epoch it then got, for as long as it counts on by one.

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
        epoch = whole("epoch", state["epoch"], 0, 2**64 - 1)
        position = whole("batch", state["batch"], 0, len(self))
        changes = [
            (whole("the batch of a change", batch, 0, 2**62), ratio("mono_ratio", value))
            for batch, value in state["mono_ratio_changes"]
        ]
        if changes != self._changes:
            self._replan(changes)
        following = min(epoch + 1, 2**64 - 1)
        self._behind = None
        if self._opened and self._asked is not None:
            # torchdata loads only when its loop starts, after the loop has named its epoch.
            following = max(following, self._asked)
            comes = following if position == len(self) else epoch
            if self._asked < comes:
                # accelerate counts epochs from 0 again in a new process.
                self._behind = self._asked, comes
        self._afterwards = following if self._opened or position == len(self) else None
        self._asked = None
        self._opened = False
        self._epoch = epoch
        self._position = position
        self._resume_at = position
        self._walk += 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as arguments and state: another process draws the same batches from the same place."""
        return _made_again, (type(self), self._arguments, self.state_dict())

    def __repr__(self) -> str:
        ranks = "" if self.world_size == 1 else f", rank {self.rank} of {self.world_size}"
        return (
            f"HybridBatchSampler({len(self):,} batches of {self.global_batch_size}, "
            f"mono_ratio={label(self.mono_ratio)} ({self.mixing}, by {self.unit}), cross={self.cross}, "
            f"seed={self.seed}, epoch={self._epoch}{ranks}, languages: {', '.join(self.index.languages)})"
        )

    def _columns(
        self, start: int, stop: int, progress: Progress | None, epoch: int | None = None
    ) -> dict[str, Any]:
        """Return columns of this rank's rows, [n, b]; ``is_mono`` is [n] unless rows are drawn by kind."""
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"batches {start} to {stop} are not within the epoch's {len(self)}")
        number = self._epoch if epoch is None else epoch
        apart = self._steps_apart
        plan = self.plan_of(number)
        first, last = start * apart, stop * apart
        if self.negatives is not None:
            # Negatives are guarded over whole windows.
            first -= first % self.guard_window
            last += -last % self.guard_window
        try:
            columns = plan.batches(number, first, last, progress)
        except InfeasiblePlan as error:
            raise InfeasiblePlan(named(str(error), self.index.languages)) from None
        if self.negatives is not None:
            columns["negatives"] = self.negatives.take(columns, self.global_batch_size * self.guard_window)
        for name, column in columns.items():
            if name == "substitutes":
                continue
            if name != "is_mono" or self.unit == "row":
                column = column.reshape(last - first, self.global_batch_size, *column.shape[1:])
            columns[name] = column[start * apart - first : stop * apart - first]
        if self.scope == "rank":
            own = plan.dealt(number, start, stop, self.world_size).reshape(-1, self.world_size)[:, self.rank]
            mine: Any = own + np.arange(stop - start) * self.world_size
        else:
            share = self.global_batch_size // self.world_size
            mine = (slice(None), slice(self.rank * share, (self.rank + 1) * share))
        for name, column in columns.items():
            if name == "substitutes" or (self.scope == "step" and name == "is_mono" and self.unit == "batch"):
                continue
            columns[name] = column[mine]
        return columns

    def _warn_frequent(self) -> None:
        frequent = sorted(self._plan.frequent(), key=lambda one: one[4] - one[3])
        if not frequent:
            return
        more = f" (and {len(frequent) - 1} more like it)" if len(frequent) > 1 else ""
        warnings.warn(frequent_text(frequent[0], self.index.languages) + more, stacklevel=3)


def _made_again(
    kind: type[HybridBatchSampler], arguments: dict[str, Any], state: Mapping[str, Any]
) -> HybridBatchSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it was given when the first one was made
        sampler = kind(**arguments)
    sampler.load_state_dict(state)
    return sampler
