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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np

from .._core import STREAM_VERSION, Plan
from ..config import SamplerConfig
from ..corpus import HardNegatives, normalise_language
from ..errors import InfeasiblePlan, InvalidArgument, NotSupported, StateMismatch
from ..pairs import PairIndex
from ..progress import Progress
from .batch import Batch
from .checks import GUARDS, guard_names, ratio, whole
from .naming import frequent_text, named
from .negatives import NegativeLanguage, Negatives, PairWithNegatives
from .weights import LanguageWeights, resolve_weights

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
        mono_ratio: α, the share of monolingual batches, 0 to 1.
        mixing: ``exact`` (the monolingual count is within 0.5 of α·n after every n batches),
            ``coupled`` (a greater α only turns batches monolingual; the j-th batch of a kind is the
            same whatever α) or ``bernoulli`` (an independent draw a batch).
        unit: ``batch``: every batch is of one kind; ``row``: each row is drawn by kind.
        cross: ``mixed`` or ``homogeneous`` cross-lingual batches.
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
        language_weights: LanguageWeights = "uniform",
        batches_per_epoch: int | None = None,
        guard: Sequence[str] = GUARDS,
        hard_negatives: Any = None,
        scope: str = "step",
        rank: int = 0,
        world_size: int = 1,
        seed: int = 13,
        guard_window: int | None = None,
        negatives_per_query: int = 1,
        negatives_language: NegativeLanguage = "any",
    ) -> None:
        if not isinstance(index, PairIndex):
            raise TypeError(f"index is {type(index).__name__}, expected a PairIndex")
        if callable(mono_ratio) or isinstance(mono_ratio, str):
            raise NotSupported("a schedule of mono_ratio is not built yet; give a number from 0 to 1")
        if guard_window is not None:
            raise NotSupported("guard_window is not built yet; leave it None")
        if scope == "rank":
            raise NotSupported('scope="rank" is not built yet; use scope="step"')
        if scope != "step":
            raise InvalidArgument(f'scope is {scope!r}, expected "step"')
        self.index = index
        self.batch_size = whole("batch_size", batch_size, 1, 2**32 - 2)
        self.mono_ratio = ratio("mono_ratio", mono_ratio)
        self.mixing = mixing
        self.unit = unit
        self.cross = cross
        self.guard = guard_names(guard)
        self.seed = whole("seed", seed, 0, 2**64 - 1)
        self.world_size = whole("world_size", world_size, 1, self.batch_size)
        self.rank = whole("rank", rank, 0, self.world_size - 1)
        if self.batch_size % self.world_size:
            raise InvalidArgument(
                f"batch_size is {self.batch_size}, which {self.world_size} ranks cannot share equally; "
                "take a multiple of world_size"
            )
        given = None if batches_per_epoch is None else whole("batches_per_epoch", batches_per_epoch, 1, 2**62)
        weights = resolve_weights(
            index,
            language_weights,
            batch_size=self.batch_size,
            batches_per_epoch=given,
            mono_ratio=self.mono_ratio,
        )
        try:
            self._plan = Plan(
                index._core,
                batch_size=self.batch_size,
                mono_ratio=self.mono_ratio,
                mixing=mixing,
                unit=unit,
                cross=cross,
                exponent=weights.exponent,
                weights=weights.each,
                mono_weights=weights.mono,
                batches_per_epoch=given,
                guard=("group" in self.guard, "query" in self.guard, "passage" in self.guard),
                seed=self.seed,
            )
        except InfeasiblePlan as error:
            raise InfeasiblePlan(named(str(error), index.languages)) from None
        settings: list[object] = [self.batch_size, self.mono_ratio, mixing, unit, cross, *weights]
        settings += [len(self._plan), self.guard, self.seed, index.languages]
        self.negatives = None
        if hard_negatives is not None:
            per_query = whole("negatives_per_query", negatives_per_query, 1, 2**16)
            self.negatives = Negatives(index, HardNegatives.of(hard_negatives), per_query, negatives_language)
            settings.append(self.negatives.fingerprint)
        self._digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
        self._epoch = 0
        self._position = 0
        self._resume_at = 0
        self._walk = 0
        self._warn_frequent()

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
        :func:`~hybrid_fast.sampler.index_and_negatives` makes of it.
        """
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
        """
        columns = self._columns(operator.index(start), operator.index(stop), progress)
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
        """Return the number of batches of the whole epoch."""
        return len(self._plan)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the pair ids of each batch, from the loaded position once, then from 0.

        With hard negatives each id is a :class:`PairWithNegatives`, an int that carries them.
        """
        start = self._position = self._resume_at
        self._walk += 1
        return self._hand_out(start, self._walk)

    def _hand_out(self, start: int, walk: int) -> Iterator[list[int]]:
        if walk == self._walk:
            # Only now is the loaded position used: a torch loader with workers calls iter() twice.
            self._resume_at = 0
        epoch = self._epoch
        step = max(1, min(256, _ROWS_AT_ONCE // self.batch_size))
        for first in range(start, len(self), step):
            last = min(first + step, len(self))
            columns = self._columns(first, last, None, epoch)
            for offset, row in enumerate(columns["pair"].tolist()):
                if "negatives" in columns:
                    row = PairWithNegatives.batch(row, columns["negatives"][offset].tolist())
                if walk == self._walk and epoch == self._epoch:
                    self._position = first + offset + 1
                yield row

    def set_epoch(self, epoch: SupportsIndex) -> None:
        """Go to an epoch; the same epoch keeps the position, another one starts at batch 0."""
        number = whole("epoch", epoch, 0, 2**64 - 1)
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
        epoch = whole("epoch", state["epoch"], 0, 2**64 - 1)
        position = whole("batch", state["batch"], 0, len(self))
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
            raise InfeasiblePlan(named(str(error), self.index.languages)) from None
        if self.negatives is not None:  # over the global batch, before a rank takes its slice
            columns["negatives"] = self.negatives.take(columns, self.batch_size)
        share = self.batch_size // self.world_size
        mine = slice(self.rank * share, (self.rank + 1) * share)
        for name, column in columns.items():
            if name == "substitutes" or (name == "is_mono" and self.unit == "batch"):
                continue
            columns[name] = column.reshape(stop - start, self.batch_size, *column.shape[1:])[:, mine]
        return columns

    def _warn_frequent(self) -> None:
        frequent = sorted(self._plan.frequent(), key=lambda one: one[4] - one[3])
        if not frequent:
            return
        more = f" (and {len(frequent) - 1} more like it)" if len(frequent) > 1 else ""
        warnings.warn(frequent_text(frequent[0], self.index.languages) + more, stacklevel=3)
