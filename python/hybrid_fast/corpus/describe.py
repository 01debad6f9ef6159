"""The numbers of a corpus: what there is to draw, what is shared, what is double."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus
from .joining import normalise_text
from .languages import language_name, script
from .near_duplicates import near_duplicates
from .overlap import overlap
from .selection import fingerprint

MOST_COMPARED = 50_000
"""Most passages among which near-duplicates are looked for unless asked: all their texts are held."""

SIMILARITY = 0.8
"""Jaccard similarity of character 5-grams from which two passages count as near-duplicates."""


@dataclass(frozen=True, kw_only=True)
class LanguageNumbers:
    """What a corpus holds in one language."""

    code: str
    name: str
    script: str
    queries: int
    passages: int
    """Passage rows: the language's pool."""
    monolingual: int
    """Groups with a query and a passage in this language: the size of the monolingual stratum."""
    sharing: int
    """Monolingual pairs whose passage row also answers another query of this language."""
    equal_passages: int
    """Passage rows whose text occurs earlier in the same language."""
    near_duplicates: int | None
    """Pairs of different passages with a similarity of 0.8 or more; None where it was not computed."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """The numbers of a corpus; made by :func:`describe`."""

    name: str
    groups: int
    queries: int
    passages: int
    documents: int
    languages: tuple[LanguageNumbers, ...]
    strata: NDArray[np.int64]
    """int64[languages, languages]: groups with a query in the row's, a passage in the column's language."""
    judgements: int
    dropped_judgements: int
    """Judgements left out because their query or passage is not in the source (``missing="drop"``)."""
    queries_without_gold: int
    passage_identities: int
    """Different passages, translations and joined groups counted once."""
    query_identities: int
    joined_sizes: dict[int, int]
    """How many identities join how many groups (1: a passage of its own)."""
    overlap: dict[str, dict[str, int]]
    """Per evaluation set: documents, queries and passages in common."""
    fingerprint: str

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        codes = [language.code for language in self.languages]
        return {
            "name": self.name,
            "groups": self.groups,
            "queries": self.queries,
            "passages": self.passages,
            "documents": self.documents,
            "languages": {item.code: _without_code(item) for item in self.languages},
            "strata": {
                code: dict(zip(codes, row, strict=True))
                for code, row in zip(codes, self.strata.tolist(), strict=True)
            },
            "judgements": self.judgements,
            "dropped_judgements": self.dropped_judgements,
            "queries_without_gold": self.queries_without_gold,
            "passage_identities": self.passage_identities,
            "query_identities": self.query_identities,
            "joined_sizes": {str(size): count for size, count in self.joined_sizes.items()},
            "overlap": self.overlap,
            "fingerprint": self.fingerprint,
        }


def describe(
    corpus: Corpus, against: Mapping[str, Corpus] | Corpus | None = None, *, similar: bool | None = None
) -> Description:
    """Count what a corpus holds.

    Args:
        corpus: any corpus.
        against: evaluation sets to compare with, by name, or one.
        similar: also look for near-duplicates (character 5-grams, Jaccard similarity of 0.8 or more;
            exact, by prefix filtering), within each language; default: if the corpus has at most 50,000
            passages.
    """
    if isinstance(against, Corpus):
        against = {against.name: against}
    if similar is None:
        similar = len(corpus.passages) <= MOST_COMPARED
    cells, groups, n = corpus.cells, len(corpus.group_ids), len(corpus.languages)
    asks, answers = np.zeros((groups, n), np.int64), np.zeros((groups, n), np.int64)
    asks[cells.group[cells.query >= 0], cells.language[cells.query >= 0]] = 1
    answers[cells.group[cells.passage >= 0], cells.language[cells.passage >= 0]] = 1
    strata = asks.T @ answers
    relevant = np.zeros(len(corpus.queries), bool)
    relevant[
        np.repeat(np.arange(len(corpus.queries)), np.diff(corpus.qrels.indptr))[corpus.qrels.grades > 0]
    ] = True
    held = cells.passage >= 0
    joined = _distinct(cells.passage_identity[held], cells.group[held])
    sizes, how_many = np.unique(joined, return_counts=True)
    return Description(
        name=corpus.name,
        groups=groups,
        queries=len(corpus.queries),
        passages=len(corpus.passages),
        documents=len({*corpus.queries.documents, *corpus.passages.documents} - {""}),
        languages=tuple(
            _language(corpus, number, int(strata[number, number]), similar) for number in range(n)
        ),
        strata=strata,
        judgements=len(corpus.qrels.passages),
        dropped_judgements=corpus.dropped_judgements,
        queries_without_gold=int((~relevant).sum()),
        passage_identities=len(joined),
        query_identities=len(np.unique(cells.query_identity[cells.query >= 0])),
        joined_sizes=dict(zip(sizes.tolist(), how_many.tolist(), strict=True)),
        overlap={name: overlap(corpus, other) for name, other in (against or {}).items()},
        fingerprint=fingerprint(corpus),
    )


def _language(corpus: Corpus, number: int, monolingual: int, similar: bool) -> LanguageNumbers:
    code = corpus.languages[number]
    rows = np.flatnonzero(corpus.passages.languages == number)
    texts = corpus.passages.texts
    distinct = len({_digest(texts[row]) for row in rows.tolist()})
    cells = corpus.cells
    pair = (cells.language == number) & (cells.query >= 0) & (cells.passage >= 0)
    answered = cells.passage[pair]
    times = np.bincount(answered, minlength=1)
    return LanguageNumbers(
        code=code,
        name=language_name(code),
        script=script(code),
        queries=int((corpus.queries.languages == number).sum()),
        passages=len(rows),
        monolingual=monolingual,
        sharing=int((times[answered] > 1).sum()),
        equal_passages=len(rows) - distinct,
        near_duplicates=len(near_duplicates([texts[row] for row in rows.tolist()], threshold=SIMILARITY))
        if similar
        else None,
    )


def _digest(text: str) -> bytes:
    return hashlib.blake2b(normalise_text(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _distinct(identity: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many different groups each identity joins."""
    pairs = np.unique(np.stack([identity, group], axis=1), axis=0)
    return np.unique(pairs[:, 0], return_counts=True)[1]


def _without_code(language: LanguageNumbers) -> dict[str, Any]:
    return {name: value for name, value in vars(language).items() if name != "code"}
