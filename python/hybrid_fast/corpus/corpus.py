"""A corpus: groups × languages, as rows of queries and passages and the cells that join them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Queries or passages, one entry a row.

    Attributes:
        ids: external ids, unique within the corpus's queries (or passages).
        texts: the texts, without prefixes.
        languages: int16, position in ``Corpus.languages``.
        documents: the article or document each row comes from ("" where the source has none).
    """

    ids: Sequence[str]
    texts: Sequence[str]
    languages: NDArray[np.int16]
    documents: Sequence[str]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def __repr__(self) -> str:
        """Say how many there are; texts would fill the screen."""
        return f"Rows({len(self)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """The (group, language) cells, one entry a cell; all columns int64 of equal length.

    Attributes:
        group: position in ``Corpus.group_ids``.
        language: position in ``Corpus.languages``.
        query: row of ``Corpus.queries``, or -1 where the cell has no query.
        passage: row of ``Corpus.passages``, or -1 where the cell has no passage.
        query_identity: equal for cells that ask the same question (several golds of one question).
        passage_identity: equal for cells whose passages must not meet in a batch (translations of
            one passage, and passages joined because groups share a text in any language).
    """

    group: NDArray[np.int64]
    language: NDArray[np.int64]
    query: NDArray[np.int64]
    passage: NDArray[np.int64]
    query_identity: NDArray[np.int64]
    passage_identity: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.group)

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"Cells({len(self)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Qrels:
    """Golds of each query over all passages, in compressed sparse rows.

    Attributes:
        indptr: int64, one entry more than there are queries.
        passages: int64 passage rows, increasing within a query.
        grades: int64 relevance of each entry (1 where the source has no grades; 0 is judged irrelevant).
    """

    indptr: NDArray[np.int64]
    passages: NDArray[np.int64]
    grades: NDArray[np.int64]

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"Qrels({len(self.passages)})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Question-passage groups in one or more languages, for training and evaluation.

    Passages in no cell only widen the pool; queries in no cell are only evaluated.

    Attributes:
        name: what the tables call it.
        languages: normalised language codes, sorted.
        queries: the query rows.
        passages: the passage rows: the candidates of all pools.
        group_ids: external id of each group.
        cells: what can be drawn as training pairs.
        qrels: what evaluation counts as relevant.
        dropped_judgements: how many judgements were left out because their query or passage is not in the
            source (``missing="drop"``).
    """

    name: str
    languages: tuple[str, ...]
    queries: Rows
    passages: Rows
    group_ids: Sequence[str]
    cells: Cells
    qrels: Qrels
    dropped_judgements: int = 0

    def __repr__(self) -> str:
        """Say what is in it, in one line."""
        return (
            f"Corpus({self.name!r}, {len(self.languages)} languages, {len(self.group_ids)} groups, "
            f"{len(self.queries)} queries, {len(self.passages)} passages, {len(self.cells)} cells)"
        )
