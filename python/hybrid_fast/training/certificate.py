"""The plan's certificate: what a run will draw, proven before it draws it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corpus import Corpus, normalise_language
from ..corpus.overlap import overlap
from ..errors import RunError
from ..sampler import HybridBatchSampler
from ..sampler import exposure as ledger

CHUNK = 1024
"""Batches looked at together."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What the batches of a whole training hold.

    Attributes:
        query_rows: bool, the corpus's query rows that are drawn at least once.
        passage_rows: bool, likewise for passages.
        query_exposure: int64, drawn query rows of each language, repetitions counted.
        passage_exposure: int64, likewise for passages.
        monolingual: batches of one language; under row-wise mixing, batches all of whose rows are.
        cross_lingual: the other batches.
        digest: SHA-256 of all rows in order.
        negative_rows: bool, passage rows drawn as hard negatives; None without.
        negative_exposure: int64, drawn hard negatives of each language.
        masked: places for a hard negative that stayed empty.
        bare: batches without any hard negative.
    """

    query_rows: NDArray[np.bool_]
    passage_rows: NDArray[np.bool_]
    query_exposure: NDArray[np.int64]
    passage_exposure: NDArray[np.int64]
    monolingual: int
    cross_lingual: int
    digest: str
    negative_rows: NDArray[np.bool_] | None
    negative_exposure: NDArray[np.int64]
    masked: int
    bare: int


def draw(sampler: HybridBatchSampler, corpus: Corpus, steps: int) -> Drawn:
    """Go through the batches that a training of ``steps`` steps takes, without training."""
    query_rows = np.zeros(len(corpus.queries), dtype=np.bool_)
    passage_rows = np.zeros(len(corpus.passages), dtype=np.bool_)
    languages = len(corpus.languages)
    query_exposure = np.zeros(languages, dtype=np.int64)
    passage_exposure = np.zeros(languages, dtype=np.int64)
    negative_rows = None if sampler.negatives is None else np.zeros(len(corpus.passages), dtype=np.bool_)
    negative_exposure = np.zeros(languages, dtype=np.int64)
    monolingual = masked = bare = 0
    digest = hashlib.sha256()
    taken, epoch = 0, 0
    while taken < steps:
        sampler.set_epoch(epoch)
        length = min(len(sampler), steps - taken)
        for start in range(0, length, CHUNK):
            batches = sampler.batches(start, min(start + CHUNK, length))
            for rows in (batches.query, batches.passage):
                digest.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
            query_rows[batches.query.ravel()] = True
            passage_rows[batches.passage.ravel()] = True
            query_exposure += np.bincount(batches.query_language.ravel(), minlength=languages)
            passage_exposure += np.bincount(batches.passage_language.ravel(), minlength=languages)
            if batches.negatives is not None and negative_rows is not None:
                digest.update(np.ascontiguousarray(batches.negatives, dtype="<i8").tobytes())
                taken_rows = batches.negatives[batches.negatives >= 0]
                negative_rows[taken_rows] = True
                negative_exposure += np.bincount(corpus.passages.languages[taken_rows], minlength=languages)
                masked += int((batches.negatives < 0).sum())
                bare += int((batches.negatives < 0).all(axis=(1, 2)).sum())
            equal = batches.query_language == batches.passage_language
            monolingual += int(equal.all(axis=1).sum())
        taken += length
        epoch += 1
    return Drawn(
        query_rows=query_rows,
        passage_rows=passage_rows,
        query_exposure=query_exposure,
        passage_exposure=passage_exposure,
        monolingual=monolingual,
        cross_lingual=steps - monolingual,
        digest=digest.hexdigest(),
        negative_rows=negative_rows,
        negative_exposure=negative_exposure,
        masked=masked,
        bare=bare,
    )


def certify(
    sampler: HybridBatchSampler,
    corpus: Corpus,
    steps: int,
    *,
    hold_out: tuple[str, ...],
    evaluations: Mapping[str, Corpus],
) -> dict[str, Any]:
    """Return the certificate of a training, ready for ``plan.json``.

    Raises:
        RunError: a row in a held-out language is drawn.
    """
    drawn = draw(sampler, corpus, steps)
    held_out = sorted({normalise_language(code) for code in hold_out})
    exposure = {
        "query_rows": _by_language(corpus, drawn.query_exposure),
        "passage_rows": _by_language(corpus, drawn.passage_exposure),
    }
    negatives = _by_language(corpus, drawn.negative_exposure)
    languages = sorted({code for counts in exposure.values() for code in counts})
    if leaked := sorted({*languages, *negatives} & set(held_out)):
        raise RunError(f"the plan draws held-out languages: {', '.join(leaked)}")
    rows = {
        "query_rows": np.flatnonzero(drawn.query_rows),
        "passage_rows": np.flatnonzero(drawn.passage_rows),
    }
    # Passages that are only ever wrong answers are seen too.
    seen = rows | {"passage_rows": np.flatnonzero(_either(drawn.passage_rows, drawn.negative_rows))}
    return {
        "languages": languages,
        "held_out": held_out,
        "batches": {"monolingual": drawn.monolingual, "cross-lingual": drawn.cross_lingual},
        **exposure,
        "exposure": ledger(sampler, steps * (sampler.global_batches // len(sampler))).to_mapping(),
        "distinct_queries": len(rows["query_rows"]),
        "distinct_passages": len(rows["passage_rows"]),
        "digest": drawn.digest,
        "overlap": {name: overlap(corpus, other, **seen) for name, other in evaluations.items()},
        **({} if drawn.negative_rows is None else {"negatives": _negatives(drawn, negatives)}),
    }


def _negatives(drawn: Drawn, rows: dict[str, int]) -> dict[str, Any]:
    return {"rows": rows, "masked": drawn.masked, "batches_without": drawn.bare}


def _either(rows: NDArray[np.bool_], others: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return rows if others is None else rows | others


def _by_language(corpus: Corpus, exposure: NDArray[np.int64]) -> dict[str, int]:
    return {code: int(count) for code, count in zip(corpus.languages, exposure, strict=True) if count}
