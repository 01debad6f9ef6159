"""Evaluation during training: a callback that measures samples, and everything after the last step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._core import __version__
from ..atomic import replacing
from ..config import EvaluationConfig, TrainConfig, to_mapping
from ..corpus import Corpus, fingerprint, load_source, sample_groups
from ..errors import ConfigError
from ..extras import require
from ..fields import joined
from ..progress import Progress
from ..quoting import quoted
from .embeddings import check_names, evaluate_embeddings
from .encoding import Counted, Encoding, description_of, encode, evaluating
from .evaluation import Evaluation
from .initial import remembered, require_equal_weights, weights_fingerprint

SAMPLE_SEED = 0
"""The sample measured during training is the same in every run of every sweep."""

Scope = Literal["sample", "full"]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationSet:
    """One evaluation set of a run: the whole, and the sample measured during training.

    Attributes:
        config: name, settings and measures.
        full: the whole set.
        sample: the fixed sample; the same object as ``full`` where no sample was asked for.
        fingerprints: of ``full`` and of ``sample``, in hexadecimal.
    """

    config: EvaluationConfig
    full: Corpus
    sample: Corpus
    fingerprints: dict[Scope, str]

    @classmethod
    def load(cls, config: EvaluationConfig, corpus: Corpus | None = None) -> EvaluationSet:
        """Read a set (or take ``corpus`` as already read) and draw its sample.

        Raises:
            CorpusError: the source cannot be read.
        """
        full = load_source(config.source) if corpus is None else corpus
        sample = full if config.sample is None else sample_groups(full, config.sample, seed=SAMPLE_SEED)
        whole = fingerprint(full)
        part = whole if sample is full else fingerprint(sample)
        return cls(config=config, full=full, sample=sample, fingerprints={"full": whole, "sample": part})


def check_evaluations(config: TrainConfig, place: str = "") -> None:
    """Refuse what cannot be measured; ``place`` is the way to the run's configuration.

    Raises:
        ConfigError: two sets of one name.
        InvalidArgument: a setting or measure that does not exist.
    """
    names = [item.name for item in config.evaluations]
    if len(set(names)) < len(names):
        where = joined(place, "evaluations")
        raise ConfigError(f"{where}: two sets have one name among {', '.join(map(quoted, names))}")
    for position, item in enumerate(config.evaluations):
        check_names(item.settings, item.measures, joined(place, f"evaluations[{position}]"))


def load_evaluations(config: TrainConfig) -> dict[str, EvaluationSet]:
    """Read the evaluation sets of a run, by name; a source named twice is read once.

    Raises:
        InvalidArgument: a measure that does not exist, noticed before anything is read.
        CorpusError: a set cannot be read.
    """
    check_evaluations(config)
    read: dict[str, Corpus] = {}
    sets = {}
    for item in config.evaluations:
        source = str(to_mapping(item.source))
        if source not in read:
            read[source] = load_source(item.source)
        sets[item.name] = EvaluationSet.load(item, read[source])
    return sets


def make_callback(
    config: TrainConfig,
    *,
    folder: Path | None = None,
    cache: Path | None = None,
    evaluations: Mapping[str, EvaluationSet] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> EvaluationCallback:
    """Return the function that training calls at each evaluation step.

    Args:
        config: the run; its ``evaluations`` are measured.
        folder: where ``per_query.parquet`` is written after the last step; None: nowhere.
        cache: folder shared by runs that start from equal weights, so that step 0 is measured once
            (and unequal weights are refused); None: measure step 0 like any other.
        evaluations: sets that are already read, as from :func:`load_evaluations`.
        threads: CPU threads of encoding and search; default: those of ``config``, else all.
        progress: called with (texts encoded, texts in all) during each evaluation.

    Raises:
        CorpusError: an evaluation set cannot be read.
    """
    return EvaluationCallback(
        config,
        folder=folder,
        cache=cache,
        evaluations=load_evaluations(config) if evaluations is None else evaluations,
        threads=threads,
        progress=progress,
    )


class EvaluationCallback:
    """Called as ``callback(model, step)``; see :func:`make_callback`."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        folder: Path | None,
        cache: Path | None,
        evaluations: Mapping[str, EvaluationSet],
        threads: int | None,
        progress: Progress | None,
    ) -> None:
        if folder is not None and any(item.full_at_end for item in config.evaluations):
            # Now, not after the last step.
            require("an evaluation of every query", "pandas", "pyarrow")
        self.config = config
        self.folder = folder
        self.cache = cache
        self.sets = [evaluations[item.name] for item in config.evaluations]
        self.threads = config.threads if threads is None else threads
        self.progress = progress
        self.encoding = Encoding(
            max_query_length=config.encoder.max_query_length,
            max_passage_length=config.encoder.max_passage_length,
            precision=config.precision,
        )

    def __call__(self, model: Any, step: int) -> Rows:
        """Measure ``model`` after ``step`` steps.

        Returns:
            Rows of ``metrics.jsonl``: step, pairs, evaluation, scope, setting, query_language,
            passage_language, measure, value, queries. Scope ``sample`` at every step, also ``full``
            at the last one (and at step 0 where a cache makes that cheap) where ``full_at_end``.
            Training adds the seconds.
        """
        if step == 0 and self.cache is not None and self.sets:
            return self._stamped(self._initial(model, self.cache), step)
        return self._stamped(self._measured(model, whole=step == self.config.steps), step)

    def _initial(self, model: Any, cache: Path) -> Rows:
        """Measure equal initial weights once for all runs, samples and whole sets."""
        weights = weights_fingerprint(model)
        require_equal_weights(cache, weights)
        key = {
            "version": __version__,
            "weights": weights,
            "encoder": to_mapping(self.config.encoder),
            "description": description_of(model, self.encoding),
            "precision": self.config.precision,
            "evaluations": [[item.fingerprints, to_mapping(item.config)] for item in self.sets],
        }
        return remembered(cache, key, lambda: self._measured(model, whole=True, keep=False))

    def _stamped(self, rows: Rows, step: int) -> Rows:
        pairs = step * self.config.sampler.batch_size
        return [{"step": step, "pairs": pairs, **row} for row in rows]

    def _measured(self, model: Any, *, whole: bool, keep: bool = True) -> Rows:
        """Measure the samples and, where ``whole``, the whole sets; ``keep`` writes per-query values."""
        fully = [whole and item.config.full_at_end for item in self.sets]
        encoded = [item.full if full else item.sample for item, full in zip(self.sets, fully, strict=True)]
        counted = Counted(self.progress, sum(len(c.queries) + len(c.passages) for c in encoded))
        rows: Rows = []
        complete: list[Evaluation] = []
        with evaluating(model, self.threads):
            for item, corpus, full in zip(self.sets, encoded, fully, strict=True):
                queries = encode(model, corpus.queries.texts, "query", self.encoding, counted)
                passages = encode(model, corpus.passages.texts, "passage", self.encoding, counted)
                if full:
                    result = self._evaluated(item, corpus, queries, passages)
                    complete.append(result)
                    if item.sample is not item.full:
                        # The sample's texts are among the whole set's: take their embeddings.
                        queries = queries[_positions(corpus.queries.ids, item.sample.queries.ids)]
                        passages = passages[_positions(corpus.passages.ids, item.sample.passages.ids)]
                        part = self._evaluated(item, item.sample, queries, passages)
                    else:
                        part = result
                    rows += _scoped(part, "sample") + _scoped(result, "full")
                else:
                    rows += _scoped(self._evaluated(item, corpus, queries, passages), "sample")
        if keep and complete and self.folder is not None:
            self._write_per_query(complete, self.folder / "per_query.parquet")
        return rows

    def _evaluated(self, item: EvaluationSet, corpus: Corpus, queries: Any, passages: Any) -> Evaluation:
        return evaluate_embeddings(
            queries,
            passages,
            corpus,
            settings=item.config.settings,
            measures=item.config.measures,
            top_k=1,
            name=item.config.name,
            threads=self.threads,
        )

    @staticmethod
    def _write_per_query(evaluations: list[Evaluation], path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with replacing(path) as temporary:
            writer = None
            try:
                for evaluation in evaluations:
                    table = pa.Table.from_pandas(evaluation.per_query, preserve_index=False)
                    writer = writer or pq.ParquetWriter(temporary, table.schema)
                    writer.write_table(table.cast(writer.schema))
            finally:
                if writer is not None:
                    writer.close()


def _scoped(evaluation: Evaluation, scope: Scope) -> Rows:
    rows = evaluation.rows()
    return [{"evaluation": row.pop("evaluation"), "scope": scope, **row} for row in rows]


def _positions(ids: Any, wanted: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    where = {name: row for row, name in enumerate(ids)}
    return np.array([where[name] for name in wanted], dtype=np.int64)
