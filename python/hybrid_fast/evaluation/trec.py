"""Runs and qrels in the TREC text format, for trec_eval and ir_measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..corpus import Corpus
from ..errors import InvalidArgument

TAG = "hybrid_fast"


def write_run(path: Path, corpus: Corpus, ids: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
    """Write ``query Q0 passage rank score tag`` lines; ranks count from 1.

    Scores are written in full (nine digits), so that a reader sorts as we did, ties apart: trec_eval
    orders equal scores by descending passage id, this package by ascending row.
    """
    queries, passages = _plain(corpus.queries.ids), corpus.passages.ids
    with path.open("w", encoding="utf-8") as file:
        for query, (row, values) in enumerate(zip(ids, scores, strict=True)):
            for rank, (passage, score) in enumerate(zip(row, values, strict=True), start=1):
                name = _word(passages[passage])
                file.write(f"{queries[query]} Q0 {name} {rank} {score:.9g} {TAG}\n")


def write_qrels(path: Path, corpus: Corpus) -> None:
    """Write ``query 0 passage grade`` lines."""
    queries, passages, qrels = _plain(corpus.queries.ids), corpus.passages.ids, corpus.qrels
    with path.open("w", encoding="utf-8") as file:
        for query, name in enumerate(queries):
            for entry in range(qrels.indptr[query], qrels.indptr[query + 1]):
                passage = _word(passages[qrels.passages[entry]])
                file.write(f"{name} 0 {passage} {qrels.grades[entry]}\n")


def _plain(ids: Sequence[str]) -> list[str]:
    return [_word(name) for name in ids]


def _word(name: str) -> str:
    if not name or any(character.isspace() for character in name):
        raise InvalidArgument(
            f"the id {name!r} is empty or holds a space, which the TREC format cannot express"
        )
    return name
