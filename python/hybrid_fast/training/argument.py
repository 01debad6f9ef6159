"""The sampler as the ``batch_sampler`` argument of sentence-transformers' training arguments."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray
from sentence_transformers.base.sampler import DefaultBatchSampler

from ..corpus.language_labels import one_language_twice
from ..errors import ConfigError, InfeasiblePlan, InvalidArgument
from ..pairs import PairIndex
from ..sampler import HybridBatchSampler
from ..sampler.checks import whole
from .last_rows import LastRows
from .rows import LABELS, RowColumns, index_of_rows
from .slices import RankSlices

TAKEN = {"index", "batch_size", "scope", "rank", "world_size", "guard_window", "hard_negatives"}
"""Arguments of the sampler that the trainer decides; negatives are columns of the data set."""


class RowBatches(DefaultBatchSampler):
    """Rows of the trainer's data set, a batch (a rank's slice of one) at a time."""

    def __init__(
        self, slices: RankSlices, row_of: NDArray[np.int64] | int, last: LastRows | None = None
    ) -> None:
        # accelerate and transformers look for ``sampler`` to set the epoch.
        super().__init__(slices.sampler, batch_size=slices.batch_size, drop_last=last is None)
        self.slices = slices
        self.row_of = row_of
        self.last = last

    def __len__(self) -> int:
        """Return the number of batches of an epoch, over all processes."""
        return len(self.slices) + (0 if self.last is None else len(self.last))

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the rows of each batch."""
        epoch = self.slices.sampler.epoch
        for pair_ids in self.slices:
            yield self._rows(pair_ids)
        for short in [] if self.last is None else self.last.batches(epoch):
            yield self._rows(short.tolist())

    def _rows(self, pair_ids: list[int]) -> list[int]:
        if isinstance(self.row_of, int):
            return [pair_id // self.row_of for pair_id in pair_ids]
        rows: list[int] = np.searchsorted(self.row_of, pair_ids).tolist()
        return rows

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch."""
        super().set_epoch(epoch)
        self.slices.set_epoch(epoch)


class BatchSamplerFor:
    """What :func:`batch_sampler_for` returns: called by the trainer with its data set and batch size."""

    def __init__(
        self, index: PairIndex | None, columns: RowColumns, split_batches: bool, settings: dict[str, Any]
    ) -> None:
        self.index = index
        self.columns = columns
        self.split_batches = split_batches
        self.settings = settings

    def __call__(
        self,
        dataset: Any,
        batch_size: int,
        drop_last: bool = True,
        valid_label_columns: Any = None,
        generator: Any = None,
        seed: int = 0,
    ) -> RowBatches:
        """Return the batches of a data set: full ones, and the rest of each language if it is not dropped."""
        processes = PartialState().num_processes
        if processes > 1 and not drop_last:
            raise ConfigError(
                "drop_last is False, but processes cannot share a batch that is not full; "
                "set dataloader_drop_last=True"
            )
        ranks = 1 if self.split_batches else processes
        settings = {"seed": seed or 0, **self.settings}
        if self.index is not None:
            ids = _pair_ids(dataset)
            sampler = HybridBatchSampler(self.index, batch_size * ranks, **settings)
            return RowBatches(RankSlices(sampler, ranks), ids, self._last(sampler, ids, drop_last))
        labels = LABELS if valid_label_columns is None else valid_label_columns
        rows = index_of_rows(dataset, self.columns, labels)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                sampler = HybridBatchSampler(rows.index, batch_size * ranks, **settings)
            except InfeasiblePlan as error:
                raise InfeasiblePlan(rows.worded(str(error))) from None
        for one in told:
            warnings.warn(rows.worded(str(one.message)), one.category, stacklevel=2)
        last = self._last(sampler, rows.pair_ids, drop_last)
        return RowBatches(RankSlices(sampler, ranks), len(rows.index.languages), last)

    def _last(self, sampler: HybridBatchSampler, ids: NDArray[np.int64], drop_last: bool) -> LastRows | None:
        # A length that was asked for is kept.
        whole_epoch = self.settings.get("batches_per_epoch") is None
        return LastRows(sampler, ids) if whole_epoch and not drop_last else None

    def __reduce__(self) -> tuple[Any, ...]:
        # The trainer pickles its arguments into each checkpoint: an index would make them large.
        return BatchSamplerFor, (None, self.columns, self.split_batches, self.settings)


def batch_sampler_for(
    index: PairIndex | None = None,
    *,
    query: str | None = None,
    passage: str | None = None,
    query_language: str = "query_language",
    passage_language: str | None = "passage_language",
    group: str | None = None,
    split_batches: bool = False,
    **settings: Any,
) -> BatchSamplerFor:
    """Return a value for the ``batch_sampler`` argument of sentence-transformers' training arguments.

    With a data set of one's own, every row is a pair, drawn at most once a pass; the languages are
    read from its columns, which must be hidden from the trainer (it embeds every column it sees)::

        train = load_dataset(...)   # query, positive, query_language, passage_language, group
        arguments = SentenceTransformerTrainingArguments(
            ..., batch_sampler=batch_sampler_for(group="group", mono_ratio=0.5)
        )
        SentenceTransformerTrainer(
            model, args=arguments, loss=loss, train_dataset=train.with_format(columns=["query", "positive"])
        ).train()

    With a corpus: ``train_dataset=pair_dataset(corpus, index)`` and ``batch_sampler_for(index)``.

    No text that a row shows to the trainer (query, positive, negatives; of a list every element) meets
    itself in another row of the batch, as with sentence-transformers' ``NoDuplicatesBatchSampler``; the
    guard "passage" switches it. A text in so many rows that no batch can be filled is refused by name.

    With ``dataloader_drop_last=False`` (the trainer's default) an epoch ends with short batches: of a
    language of n rows, n modulo batch size rows that came least often in it.

    The trainer's seed and batch size are taken. On several processes a global batch of
    ``per_device_train_batch_size`` × processes is guarded and sliced: add
    ``gather_across_devices=True`` to the loss, and :class:`EpochCallback` to go on from checkpoints.
    The trainer asks for batches of its ``eval_dataset`` in the same way: it needs the same columns.

    In a ``DatasetDict`` each data set has batches of its own, and processes draw their slices
    apart; concatenate the data sets to mix and guard them together.

    Args:
        index: of the corpus behind :func:`pair_dataset`; None: the data set's own rows.
        query: column of the queries; default: the first one the trainer sees.
        passage: column of the positives; default: the second one the trainer sees.
        query_language: column of the queries' languages.
        passage_language: column of the positives' languages; None: the language of the query.
        group: column whose equal values must not meet in a batch (translations of one pair).
        split_batches: the trainer runs with accelerate's ``split_batches``.
        settings: further arguments of :class:`HybridBatchSampler`, except index, batch size and ranks.

    Raises:
        TypeError: an index that is none, or a setting that the sampler does not know or that is of the
            wrong kind.
        InvalidArgument: a setting outside its range. What only the data can tell (a language without a
            weight, too few rows) is told when the trainer gives its data set.
    """
    if index is not None and not isinstance(index, PairIndex):
        raise TypeError(f"index is {type(index).__name__}, expected a PairIndex, or columns by name")
    known = inspect.signature(HybridBatchSampler).parameters.keys() - TAKEN
    if unknown := sorted(settings.keys() - known):
        raise TypeError(
            f"batch_sampler_for takes no {unknown[0]!r}; its settings are {', '.join(sorted(known))}"
        )
    _check(settings, None if index is None else index.languages)
    columns = RowColumns(
        query=query,
        passage=passage,
        query_language=query_language,
        passage_language=passage_language,
        group=group,
    )
    return BatchSamplerFor(index, columns, split_batches, settings)


def _check(settings: Mapping[str, Any], languages: Sequence[str] | None) -> None:
    """Refuse settings that are wrong whatever the data: they must serve a few rows of nothing."""
    settings = dict(settings)
    weights = settings.get("language_weights")
    if (
        languages is None
        and isinstance(weights, Mapping | Sequence | np.ndarray)
        and not isinstance(weights, str)
    ):
        languages = [str(name) for name in (weights if isinstance(weights, Mapping) else range(len(weights)))]
        if same := one_language_twice(languages):
            raise InvalidArgument(
                f"language_weights: {same[1]!r} is another code of {same[0]!r}; give each language once"
            )
    names = tuple(languages or ("0", "1"))
    # Its length is checked apart: an epoch of that many batches is not for so few rows.
    if (batches := settings.pop("batches_per_epoch", None)) is not None:
        whole("batches_per_epoch", batches, 1, 2**62)
    cells = np.arange(2 * len(names))
    with warnings.catch_warnings(), contextlib.suppress(InfeasiblePlan):
        warnings.simplefilter("ignore", UserWarning)
        index = PairIndex.from_columns(cells // len(names), cells % len(names), cells, cells, languages=names)
        HybridBatchSampler(index, 1, **settings)


def _pair_ids(dataset: Any) -> NDArray[np.int64]:
    if "pair" not in dataset.column_names:
        raise ConfigError(
            "batch_sampler_for was given an index, but the data set is not one of pair_dataset(corpus, index)"
        )
    ids: NDArray[np.int64] = dataset.with_format("numpy", columns=["pair"])["pair"][:]
    return ids
