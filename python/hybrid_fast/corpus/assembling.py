"""Collects rows, cells and golds one by one and puts them together as a :class:`Corpus`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import CorpusError
from ..quoting import quoted
from .corpus import Cells, Corpus, Qrels, Rows
from .joining import identities

Int64s = NDArray[np.int64]


class RowList:
    """Rows of queries or passages being collected; languages are normalised codes."""

    def __init__(self, kind: str) -> None:
        """Start an empty list of ``kind`` (query or passage, for messages)."""
        self.kind = kind
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.languages: list[str] = []
        self.documents: list[str] = []

    def add(self, id: str, text: str, language: str, document: str = "") -> int:
        """Add a row and return its number."""
        self.ids.append(id)
        self.texts.append(text)
        self.languages.append(language)
        self.documents.append(document)
        return len(self.ids) - 1

    def rows(self, languages: Sequence[str]) -> Rows:
        """Return the rows, their languages as positions in ``languages``."""
        id, count = next(iter(Counter(self.ids).most_common(1)), ("", 0))
        if count > 1:
            raise CorpusError(f"the {self.kind} id {quoted(id)} occurs twice")
        position = {language: number for number, language in enumerate(languages)}
        numbers = np.fromiter(
            (position[language] for language in self.languages), np.int16, len(self.languages)
        )
        return Rows(ids=self.ids, texts=self.texts, languages=numbers, documents=self.documents)


class Assembly:
    """A corpus being put together by a reader.

    Cells are added by group id; without :meth:`add_gold`, every passage of a group is relevant to
    every query of the group.
    """

    def __init__(self, name: str) -> None:
        """Start an empty corpus called ``name``."""
        self.name = name
        self.queries = RowList("query")
        self.passages = RowList("passage")
        self.groups: dict[str, int] = {}
        self._cells: dict[tuple[int, str], int] = {}
        self._query: list[int] = []
        self._passage: list[int] = []
        self._golds: list[tuple[int, int, int]] = []
        self._links: list[tuple[int, int]] = []

    def add_cell(self, group: str, language: str, *, query: int = -1, passage: int = -1) -> None:
        """Add the cell of a group in a language, by rows; -1 where a side is missing."""
        number = self.groups.setdefault(group, len(self.groups))
        if (number, language) in self._cells:
            raise CorpusError(f"{self.name}: group {quoted(group)} occurs twice in {language}")
        self._cells[number, language] = len(self._query)
        self._query.append(query)
        self._passage.append(passage)

    def add_gold(self, query: int, passage: int, grade: int = 1) -> None:
        """Say that a passage row is judged for a query row; then all golds must be given so."""
        self._golds.append((query, passage, grade))

    def join(self, first: str, second: str) -> None:
        """Give two groups one passage identity, for a reason that their texts do not show."""
        self._links.append((self.groups[first], self.groups[second]))

    def finish(
        self,
        *,
        judged: bool = False,
        query_identity: Int64s | None = None,
        passage_identity: Int64s | None = None,
    ) -> Corpus:
        """Return the corpus.

        Args:
            judged: only what :meth:`add_gold` said is relevant, even if it said nothing.
            query_identity: int64[cells], where the source gives it; default: by equal texts.
            passage_identity: int64[cells], likewise.

        Raises:
            CorpusError: a query or passage id twice.
        """
        languages = tuple(sorted({*self.queries.languages, *self.passages.languages}))
        position = {language: number for number, language in enumerate(languages)}
        n = len(self._cells)
        group = np.fromiter((item for item, _ in self._cells), np.int64, n)
        query = np.array(self._query, np.int64)
        passage = np.array(self._passage, np.int64)
        queries, passages = self.queries.rows(languages), self.passages.rows(languages)
        cells = Cells(
            group=group,
            language=np.fromiter((position[item] for _, item in self._cells), np.int64, n),
            query=query,
            passage=passage,
            query_identity=query_identity
            if query_identity is not None
            else identities(group, query, queries.texts, len(self.groups)),
            passage_identity=passage_identity
            if passage_identity is not None
            else identities(group, passage, passages.texts, len(self.groups), self._links),
        )
        if self._golds or judged:
            golds = np.array(self._golds, np.int64).reshape(-1, 3)
            qrels = compressed(golds[:, 0], golds[:, 1], golds[:, 2], len(queries))
        else:
            qrels = golds_of_groups(cells, len(queries), len(self.groups))
        return Corpus(
            name=self.name,
            languages=languages,
            queries=queries,
            passages=passages,
            group_ids=list(self.groups),
            cells=cells,
            qrels=qrels,
        )


def compressed(query: Int64s, passage: Int64s, grade: Int64s | None, queries: int) -> Qrels:
    """Return judgements in compressed sparse rows, a pair given twice kept once with its highest grade.

    Args:
        query: int64[n], query row of each judgement.
        passage: int64[n], passage row.
        grade: int64[n], or None where all are 1.
        queries: number of query rows.
    """
    grades = np.ones(len(query), np.int64) if grade is None else grade
    after = (query[1:] > query[:-1]) | ((query[1:] == query[:-1]) & (passage[1:] > passage[:-1]))
    if not after.all():
        order = np.lexsort((-grades, passage, query))
        query, passage, grades = query[order], passage[order], grades[order]
    first = np.ones(len(query), bool)
    first[1:] = (query[1:] != query[:-1]) | (passage[1:] != passage[:-1])
    query, passage, grades = query[first], passage[first], grades[first]
    indptr = np.zeros(queries + 1, np.int64)
    np.cumsum(np.bincount(query, minlength=queries), out=indptr[1:])
    return Qrels(indptr=indptr, passages=passage, grades=grades)


def golds_of_groups(cells: Cells, queries: int, groups: int) -> Qrels:
    """Return qrels in which all passages of a group are relevant to all its queries."""
    held = np.flatnonzero(cells.passage >= 0)
    held = held[np.lexsort((cells.passage[held], cells.group[held]))]
    start = np.searchsorted(cells.group[held], np.arange(groups + 1))
    asking = np.flatnonzero(cells.query >= 0)
    asking = asking[np.argsort(cells.query[asking], kind="stable")]
    group = cells.group[asking]
    counts = start[group + 1] - start[group]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    passage = cells.passage[held[np.repeat(start[group], counts) + within]]
    return compressed(np.repeat(cells.query[asking], counts), passage, None, queries)
