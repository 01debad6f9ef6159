"""Parts of a corpus: by language, by article, by a fixed random sample; and its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import CorpusError
from .corpus import Cells, Corpus, Qrels, Rows
from .languages import normalise_languages

Articles = Literal["all", "even", "odd"]
Mask = NDArray[np.bool_]
T = TypeVar("T")


class Picked(Sequence[str]):
    """Some entries of another sequence, looked up when asked for; for texts too many to hold."""

    def __init__(self, source: Sequence[str], rows: NDArray[np.int64]) -> None:
        """Take the entries ``rows`` of ``source``."""
        self._source = source
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._source[row] for row in self._rows[index].tolist()]
        return self._source[int(self._rows[index])]


def in_part(position: int, articles: Articles) -> bool:
    """Return whether the article at a position, counted from 0, belongs to the part asked for."""
    if articles not in ("all", "even", "odd"):
        raise CorpusError(f"articles is {articles!r}, expected all, even or odd")
    return articles == "all" or position % 2 == (articles == "odd")


def chosen_files(files: Mapping[str, T], languages: tuple[str, ...], folder: Path) -> dict[str, T]:
    """Return the entries of the languages asked for (all, where none is), in order of language.

    Raises:
        CorpusError: no entries at all, or a language without one; the message lists those there are.
    """
    if not files:
        raise CorpusError(f"{folder} holds no data file of this kind")
    missing = [language for language in languages if language not in files]
    if missing:
        raise CorpusError(
            f"{folder} has no {', '.join(missing)}; its languages are {', '.join(sorted(files))}"
        )
    return {language: files[language] for language in sorted(languages or files)}


def keep_rows(corpus: Corpus, queries: Mask, passages: Mask, cells: Mask | None = None) -> Corpus:
    """Return the corpus with only some of its rows; identities stay as they are.

    A cell whose query or passage goes loses that side; a cell without either side goes, and so do
    groups without cells, languages without rows and judgements of rows that went.

    Args:
        corpus: what is reduced.
        queries: bool[queries], the query rows to keep.
        passages: bool[passages], the passage rows to keep.
        cells: bool[cells], the cells to keep; default: all.
    """
    old = corpus.cells
    has_query = (old.query >= 0) & queries[old.query]
    has_passage = (old.passage >= 0) & passages[old.passage]
    stay = (has_query | has_passage) if cells is None else (has_query | has_passage) & cells
    new_query, new_passage = _renumber(queries), _renumber(passages)
    group, group_order = _numbered(old.group[stay])
    language_used = np.zeros(len(corpus.languages), bool)
    language_used[corpus.queries.languages[queries]] = True
    language_used[corpus.passages.languages[passages]] = True
    new_language = _renumber(language_used)
    asked = np.repeat(np.arange(len(queries)), np.diff(corpus.qrels.indptr))
    judged = queries[asked] & passages[corpus.qrels.passages]
    indptr = np.zeros(int(queries.sum()) + 1, np.int64)
    np.cumsum(np.bincount(new_query[asked[judged]], minlength=len(indptr) - 1), out=indptr[1:])
    return Corpus(
        name=corpus.name,
        languages=tuple(code for code, used in zip(corpus.languages, language_used, strict=True) if used),
        queries=_rows(corpus.queries, queries, new_language),
        passages=_rows(corpus.passages, passages, new_language),
        group_ids=[corpus.group_ids[number] for number in group_order.tolist()],
        cells=Cells(
            group=group,
            language=new_language[old.language[stay]],
            query=np.where(has_query, new_query[old.query], -1)[stay],
            passage=np.where(has_passage, new_passage[old.passage], -1)[stay],
            query_identity=old.query_identity[stay],
            passage_identity=old.passage_identity[stay],
        ),
        qrels=Qrels(
            indptr=indptr,
            passages=new_passage[corpus.qrels.passages[judged]],
            grades=corpus.qrels.grades[judged],
        ),
        dropped_judgements=corpus.dropped_judgements,
    )


def keep_languages(corpus: Corpus, codes: Iterable[str]) -> Corpus:
    """Return the corpus with the queries and passages of these languages only.

    Raises:
        CorpusError: an unknown code, a language that the corpus does not have, or nothing left.
    """
    kept = normalise_languages(codes)
    missing = [code for code in kept if code not in corpus.languages]
    if missing:
        raise CorpusError(
            f"{corpus.name} has no {', '.join(missing)}; its languages are {', '.join(corpus.languages)}"
        )
    return _of_languages(corpus, kept, f"the languages {', '.join(kept) or '(none)'}")


def without_languages(corpus: Corpus, codes: Iterable[str]) -> Corpus:
    """Return the corpus without any query or passage of these languages; ones it does not have are no error.

    Raises:
        CorpusError: an unknown code, or nothing left.
    """
    dropped = normalise_languages(codes)
    kept = [code for code in corpus.languages if code not in dropped]
    return _of_languages(corpus, kept, f"leaving out {', '.join(dropped)}")


def keep_articles(corpus: Corpus, articles: Articles) -> Corpus:
    """Return the articles (documents) at even or odd positions, in the order of their first passages.

    Raises:
        CorpusError: the rows do not say which document they come from, or nothing is left.
    """
    if articles == "all":
        return corpus
    documents = corpus.passages.documents
    order: dict[str, int] = {}
    for document in documents:
        order.setdefault(document, len(order))
    for document in corpus.queries.documents:
        order.setdefault(document, len(order))
    if "" in order:
        raise CorpusError(
            f"{corpus.name} does not say which article a row comes from; leave articles = 'all'"
        )
    part = {document for document, position in order.items() if in_part(position, articles)}
    reduced = keep_rows(
        corpus,
        np.array([document in part for document in corpus.queries.documents], bool),
        np.array([document in part for document in documents], bool),
    )
    return nonempty(reduced, f"articles = {articles!r}")


def sample_groups(corpus: Corpus, n: int, *, seed: int = 0) -> Corpus:
    """Return a fixed random sample of groups, with their queries and judged passages only.

    A group is in the sample by a hash of (seed, its id) alone: the sample is the same on every machine,
    and a smaller one is part of a larger one. With ``n`` at least the number of groups the corpus
    is returned whole, its other passages included.

    Raises:
        CorpusError: ``n`` is below 1, or the corpus has no groups.
    """
    if n < 1:
        raise CorpusError(f"a sample of {n} groups was asked for, expected 1 or more")
    nonempty(corpus, "sampling")
    if n >= len(corpus.group_ids):
        return corpus
    key = seed.to_bytes(16, "big", signed=True)
    hashes = [hashlib.blake2b(id.encode(), digest_size=16, key=key).digest() for id in corpus.group_ids]
    drawn = sorted(range(len(hashes)), key=lambda group: hashes[group])[:n]
    chosen = np.zeros(len(hashes), bool)
    chosen[drawn] = True
    cells = chosen[corpus.cells.group]
    queries = _marked(len(corpus.queries), corpus.cells.query[cells])
    passages = _marked(len(corpus.passages), corpus.cells.passage[cells])
    asked = np.repeat(np.arange(len(queries)), np.diff(corpus.qrels.indptr))
    passages[corpus.qrels.passages[queries[asked]]] = True
    return keep_rows(corpus, queries, passages, cells)


def nonempty(corpus: Corpus, filter: str) -> Corpus:
    """Return the corpus, or raise a CorpusError that says which filter left nothing."""
    if len(corpus.queries) == 0 or len(corpus.passages) == 0:
        side = "queries" if len(corpus.queries) == 0 else "passages"
        raise CorpusError(f"{corpus.name} is empty: no {side} left after {filter}")
    return corpus


def fingerprint(corpus: Corpus) -> str:
    """Return 64 hexadecimal digits of all rows, cells and judgements in their order, whatever the name."""
    digest = hashlib.sha256(b"hybrid_fast corpus 1")

    def add(values: Iterable[str]) -> None:
        count = 0
        for value in values:
            data = value.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
            count += 1
        digest.update(count.to_bytes(8, "big"))

    add(corpus.languages)
    for rows in (corpus.queries, corpus.passages):
        for column in (rows.ids, rows.texts, rows.documents):
            add(column)
        digest.update(rows.languages.astype("<i2").tobytes())
    cells, qrels = corpus.cells, corpus.qrels
    group, order = _numbered(cells.group)
    add(corpus.group_ids[number] for number in order.tolist())
    for values in (
        *(group, cells.language, cells.query, cells.passage),
        *(_numbered(cells.query_identity)[0], _numbered(cells.passage_identity)[0]),
        *(qrels.indptr, qrels.passages, qrels.grades),
    ):
        digest.update(len(values).to_bytes(8, "big") + values.astype("<i8").tobytes())
    return digest.hexdigest()


def _numbered(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number values by first occurrence (what an identity is called does not matter); and in that order."""
    distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[inverse], distinct[order]


def _of_languages(corpus: Corpus, kept: Sequence[str], filter: str) -> Corpus:
    stays = np.array([code in kept for code in corpus.languages], bool)
    queries, passages = stays[corpus.queries.languages], stays[corpus.passages.languages]
    return nonempty(keep_rows(corpus, queries, passages), filter)


def _marked(count: int, rows: NDArray[np.int64]) -> Mask:
    mask = np.zeros(count, bool)
    mask[rows[rows >= 0]] = True
    return mask


def _renumber(keep: Mask) -> NDArray[np.int64]:
    return np.cumsum(keep, dtype=np.int64) - 1


def _rows(rows: Rows, keep: Mask, new_language: NDArray[np.int64]) -> Rows:
    numbers = np.flatnonzero(keep)
    return Rows(
        ids=_pick(rows.ids, numbers),
        texts=_pick(rows.texts, numbers),
        languages=new_language[rows.languages[keep]].astype(np.int16),
        documents=_pick(rows.documents, numbers),
    )


def _pick(values: Sequence[str], rows: NDArray[np.int64]) -> Sequence[str]:
    if isinstance(values, list | tuple):
        return [values[row] for row in rows.tolist()]
    return Picked(values, rows)
