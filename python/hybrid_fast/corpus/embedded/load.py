"""Builds the embedded corpus: entities × relations × languages, every cell full."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..corpus import Cells, Corpus, Qrels, Rows
from ..selection import Articles, keep_articles, keep_languages
from .sentences import fill, read_facts, read_frames

LANGUAGES = ("de", "en", "es", "fr", "ha", "id", "it", "sw", "tr", "yo")
"""Languages of the embedded corpus."""

LOW_RESOURCE = ("ha", "sw", "yo")
"""Those of them with little text in public corpora."""


def load_embedded(*, languages: Iterable[str] = (), articles: Articles = "all") -> Corpus:
    """Return the embedded corpus; the same call always gives the same rows.

    A document is one entity (a person, a town, a museum ...). Its questions ask for different facts,
    some of which stand in one passage, so that a passage may answer two questions.

    Args:
        languages: keep only these (any code of a language); empty keeps all ten.
        articles: keep the documents in even or odd position, counted from 0 in the order of the table.

    Raises:
        CorpusError: a language the corpus does not have, or an unknown value of ``articles``.
    """
    corpus = keep_articles(_all_rows(), articles)
    languages = tuple(languages)
    return keep_languages(corpus, languages) if languages else corpus


def _all_rows() -> Corpus:
    facts = read_facts()
    frames = {code: read_frames(code) for code in LANGUAGES}
    documents = [
        (f"{kind}-{number:02d}", kind, entity)
        for kind, entities in facts.entities.items()
        for number, entity in enumerate(entities, start=1)
    ]
    queries, passages = _RowList(), _RowList()
    group_ids: list[str] = []
    cells: list[tuple[int, int, int, int, int]] = []
    identities = 0
    for document, kind, entity in documents:
        identity_of: dict[str, int] = {}
        row_of: dict[tuple[str, int], int] = {}
        for question, answer in facts.answers[kind].items():
            if answer not in identity_of:
                identity_of[answer] = identities
                identities += 1
            for position, code in enumerate(LANGUAGES):
                frame = frames[code]
                if (answer, position) not in row_of:
                    text = fill(frame.passages[kind][answer], entity, frame.words, facts.word_slots)
                    key = f"{document}.{answer}"
                    row_of[answer, position] = passages.add(key, code, position, text, document)
                text = fill(frame.questions[kind][question], entity, frame.words, facts.word_slots)
                query = queries.add(f"{document}.{question}", code, position, text, document)
                cells.append((len(group_ids), position, query, row_of[answer, position], identity_of[answer]))
            group_ids.append(f"{document}.{question}")

    group, language, query_row, passage_row, identity = np.array(cells, dtype=np.int64).T.copy()
    return Corpus(
        name="demo",
        languages=LANGUAGES,
        queries=queries.rows(),
        passages=passages.rows(),
        group_ids=group_ids,
        cells=Cells(
            group=group,
            language=language,
            query=query_row,
            passage=passage_row,
            query_identity=group.copy(),
            passage_identity=identity,
        ),
        qrels=_parallel_golds(query_row, group, passage_row),
    )


class _RowList:
    """Rows while they are collected."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.languages: list[int] = []
        self.documents: list[str] = []

    def add(self, key: str, code: str, position: int, text: str, document: str) -> int:
        self.ids.append(f"{key}.{code}")
        self.texts.append(text)
        self.languages.append(position)
        self.documents.append(document)
        return len(self.ids) - 1

    def rows(self) -> Rows:
        return Rows(
            ids=self.ids,
            texts=self.texts,
            languages=np.array(self.languages, dtype=np.int16),
            documents=self.documents,
        )


def _parallel_golds(query: NDArray[np.int64], group: NDArray[np.int64], passage: NDArray[np.int64]) -> Qrels:
    """Golds of a query: its group's passage in every language."""
    golds: dict[int, list[int]] = {}
    for one_group, one_passage in zip(group.tolist(), passage.tolist(), strict=True):
        golds.setdefault(one_group, []).append(one_passage)
    lists = [sorted(golds[one]) for one in group[np.argsort(query)].tolist()]
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
    flat = np.array([one for each in lists for one in each], dtype=np.int64)
    return Qrels(indptr=indptr, passages=flat, grades=np.ones(len(flat), dtype=np.int64))
