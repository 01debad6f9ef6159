"""Several sources in one corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ..errors import CorpusError
from .corpus import Cells, Corpus, Qrels, Rows
from .joining import joined_groups, text_numbers


def mix(corpora: Iterable[Corpus]) -> Corpus:
    """Return one corpus of several sources, rows and groups in the order given.

    Ids get their source's name in front (``squad-sentences:12``; a second source of the same name
    counts as ``name-2``). Groups of different sources that share a passage or a question get one
    identity. Groups stay apart, so a source in one language has no cross-lingual pair and serves
    monolingual batches only.

    Raises:
        CorpusError: no corpora.
    """
    sources = list(corpora)
    if not sources:
        raise CorpusError("there is nothing to mix: no sources are given")
    if len(sources) == 1:
        return sources[0]
    labels = _labels(sources)
    languages = tuple(sorted({code for source in sources for code in source.languages}))
    positions = [
        np.array([languages.index(code) for code in source.languages], np.int64) for source in sources
    ]
    queries = _concatenate([source.queries for source in sources], labels, positions)
    passages = _concatenate([source.passages for source in sources], labels, positions)
    group_start = _starts(len(source.group_ids) for source in sources)
    query_start = _starts(len(source.queries) for source in sources)
    passage_start = _starts(len(source.passages) for source in sources)
    cells = [source.cells for source in sources]
    query = _rows([part.query for part in cells], query_start)
    passage = _rows([part.passage for part in cells], passage_start)
    qrels = [source.qrels for source in sources]
    counts = np.concatenate([np.diff(part.indptr) for part in qrels])
    return Corpus(
        name=" + ".join(labels),
        languages=languages,
        queries=queries,
        passages=passages,
        group_ids=[
            f"{label}:{id}" for label, source in zip(labels, sources, strict=True) for id in source.group_ids
        ],
        cells=Cells(
            group=_rows([part.group for part in cells], group_start),
            language=np.concatenate(
                [position[part.language] for position, part in zip(positions, cells, strict=True)]
            ),
            query=query,
            passage=passage,
            query_identity=_identities([part.query_identity for part in cells], query, queries.texts),
            passage_identity=_identities([part.passage_identity for part in cells], passage, passages.texts),
        ),
        qrels=Qrels(
            indptr=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            passages=_rows([part.passages for part in qrels], passage_start),
            grades=np.concatenate([part.grades for part in qrels]),
        ),
        dropped_judgements=sum(source.dropped_judgements for source in sources),
    )


def _labels(sources: Sequence[Corpus]) -> list[str]:
    labels: list[str] = []
    for source in sources:
        number, label = 1, source.name
        while label in labels:
            number += 1
            label = f"{source.name}-{number}"
        labels.append(label)
    return labels


def _concatenate(
    parts: Sequence[Rows], labels: Sequence[str], positions: Sequence[NDArray[np.int64]]
) -> Rows:
    return Rows(
        ids=[f"{label}:{id}" for label, part in zip(labels, parts, strict=True) for id in part.ids],
        texts=list(chain.from_iterable(part.texts for part in parts)),
        languages=np.concatenate(
            [position[part.languages] for position, part in zip(positions, parts, strict=True)]
        ).astype(np.int16),
        documents=list(chain.from_iterable(part.documents for part in parts)),
    )


def _starts(sizes: Iterable[int]) -> list[int]:
    return [0, *np.cumsum(list(sizes)).tolist()][:-1]


def _rows(parts: Sequence[NDArray[np.int64]], starts: Sequence[int]) -> NDArray[np.int64]:
    shifted = [np.where(part >= 0, part + start, -1) for part, start in zip(parts, starts, strict=True)]
    return np.concatenate(shifted)


def _identities(
    parts: Sequence[NDArray[np.int64]], row: NDArray[np.int64], texts: Sequence[str]
) -> NDArray[np.int64]:
    """Number each source's identities apart, then join those that share a text across sources."""
    numbered, count = [], 0
    for part in parts:
        values, place = np.unique(part, return_inverse=True)
        numbered.append(place + count)
        count += len(values)
    identity = np.concatenate(numbered)
    present = row >= 0
    used, place = np.unique(row[present], return_inverse=True)
    keys = text_numbers(texts[int(item)] for item in used)
    return joined_groups(identity[present], keys[place], count)[identity]
