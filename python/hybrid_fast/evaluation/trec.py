"""Runs and qrels of a corpus in the TREC text format, for trec_eval and ir_measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..corpus import Corpus
from ..measures.trec_writing import word, write_ranked


def check_ids(corpus: Corpus) -> None:
    """Refuse ids that the TREC format cannot express, before any work.

    Raises:
        InvalidArgument: an id that is empty or holds a space.
    """
    for name in (*corpus.queries.ids, *corpus.passages.ids):
        word(name)


def write_run(path: Path, corpus: Corpus, ids: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
    """Write the best passages of each query as a run; see :func:`write_ranked`."""
    write_ranked(path, corpus.queries.ids, corpus.passages.ids, ids, scores)


def write_qrels(path: Path, corpus: Corpus) -> None:
    """Write ``query 0 passage grade`` lines."""
    queries = [word(name) for name in corpus.queries.ids]
    passages, qrels = corpus.passages.ids, corpus.qrels
    with path.open("w", encoding="utf-8") as file:
        for query, name in enumerate(queries):
            for entry in range(qrels.indptr[query], qrels.indptr[query + 1]):
                passage = word(passages[qrels.passages[entry]])
                file.write(f"{name} 0 {passage} {qrels.grades[entry]}\n")
