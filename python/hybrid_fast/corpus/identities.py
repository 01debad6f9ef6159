"""Identities by rule: which passages, and which questions, must not meet in a batch.

A batch in which two queries share a passage holds a false negative: the positive of one counts as wrong
for the other. The sampler's guard keeps equal *identities* apart; a rule says what is equal:

``given``
    What the corpus says: the labels of its file or, where it has none, groups joined by texts that are
    equal after :func:`~hybrid_fast.corpus.joining.normalise_text` (NFKC, case folded, blanks collapsed),
    and groups whose reader knows that they overlap.
``text``
    Texts equal code point by code point, as they stand.
``normalised``
    Texts equal after :func:`~hybrid_fast.corpus.folding.folded`: compatibility forms, case, blanks,
    punctuation and invisible characters set aside.
``near-duplicate``
    Passages whose folded texts have a Jaccard similarity of :data:`SIMILARITY` or more, counted over their
    sets of 5 characters in a row, and those similar to them in turn. Every pair is judged by the exact
    similarity and none is missed. Questions go by ``normalised``: two short questions that differ in one
    name are similar, and ask for different passages.

Several rules join what any of them joins. Under every rule but ``given`` alone the cells of a group, its
translations, are one: groups that share a text in any language are joined, and theirs in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._core import near_duplicate_clusters
from ..errors import InvalidArgument, InvalidShape
from .answers import distinct
from .corpus import Cells, Corpus
from .folding import folded
from .joining import joined_groups, text_numbers
from .near_duplicates import GRAM

Int64s = NDArray[np.int64]
Rule = Literal["given", "text", "normalised", "near-duplicate"]
"""What makes passages, or questions, equal."""

SIMILARITY = 0.8
"""Jaccard similarity from which two passages are near-duplicates."""


_NONE = -2


@dataclass(frozen=True, eq=False)
class Identities:
    """The identities of a corpus's cells.

    Attributes:
        rules: how they were found.
        similarity: from which passages are near-duplicates.
        passage: int64 [cells], equal for cells whose passages must not meet in a batch.
        query: int64 [cells], equal for cells that ask the same question.
        cells: the cells.
    """

    rules: tuple[Rule, ...]
    similarity: float
    passage: Int64s
    query: Int64s
    cells: Cells

    @property
    def passage_sizes(self) -> dict[int, int]:
        """How many passage identities join how many groups (1: a passage of its own)."""
        return joined_sizes(self.cells.group, self.passage, self.cells.passage >= 0)

    @property
    def query_sizes(self) -> dict[int, int]:
        """How many query identities join how many groups."""
        return joined_sizes(self.cells.group, self.query, self.cells.query >= 0)

    def sides(self) -> dict[str, str]:
        """Return for passages and for questions how many groups were joined, in words."""
        said = {}
        for side, sizes in (("passages", self.passage_sizes), ("questions", self.query_sizes)):
            groups = sum(size * count for size, count in sizes.items())
            most = max(sizes, default=0)
            said[side] = f"{sum(sizes.values()):,} identities of {groups:,} groups, at most {most:,} joined"
        return said

    def __str__(self) -> str:
        """Say it in one line."""
        return "; ".join(f"{side}: {text}" for side, text in self.sides().items())


def identities(
    texts: Iterable[str | None],
    rule: str | Sequence[str] = "normalised",
    *,
    groups: ArrayLike | None = None,
    similarity: float = SIMILARITY,
) -> Int64s:
    """Turn texts into identities, for :meth:`hybrid_fast.PairIndex.from_columns`.

    Of questions, give ``normalised``; ``near-duplicate`` is meant for passages, and holds about 10 bytes
    for each of their characters.

    Args:
        texts: one a cell; None where the cell has no such side.
        rule: ``text``, ``normalised``, ``near-duplicate``, or several of them; see
            :mod:`hybrid_fast.corpus.identities`.
        groups: the group of each cell, integers: then the cells of a group have one identity, and so have
            groups that share a text in any language; default: each text for itself.
        similarity: smallest Jaccard similarity of near-duplicates, above 0 and at most 1.

    Returns:
        int64 [texts]: the first position that has this identity.

    Raises:
        InvalidArgument: an unknown rule, ``given``, or a similarity out of range.
        InvalidShape: ``groups`` of another length.
    """
    cells = list(texts)
    rules = rule_names(rule)
    if "given" in rules:
        raise InvalidArgument(
            "texts alone have no labels, so the rule 'given' is of no use here; leave it out"
        )
    own = np.arange(len(cells))
    if groups is not None:
        own = np.unique(np.asarray(groups), return_inverse=True)[1]
        if own.shape != (len(cells),):
            raise InvalidShape(
                f"groups has shape {np.shape(groups)}, expected one for each of {len(cells)} texts"
            )
    held = np.array([text is not None for text in cells], bool)
    present = [text for text in cells if text is not None]
    for one in rules:
        own = _joined(own, held, _numbers(present, one, similarity))
    first = np.unique(own, return_index=True, return_inverse=True)[1:]
    return first[0][first[1]]


def corpus_identities(
    corpus: Corpus, rules: str | Sequence[str] | Identities = "given", *, similarity: float = SIMILARITY
) -> Identities:
    """Return the identities of a corpus's cells under one rule, or joined by several.

    Args:
        corpus: its groups that share a passage in any language are joined, and questions likewise.
        rules: ``given``, ``text``, ``normalised``, ``near-duplicate``; see
            :mod:`hybrid_fast.corpus.identities`. Identities already found are returned as they are.
        similarity: smallest Jaccard similarity of near-duplicates, above 0 and at most 1.

    Raises:
        InvalidArgument: an unknown rule, none, or a similarity out of range.
        InvalidShape: identities found for another corpus.
    """
    if isinstance(rules, Identities):
        if rules.passage.shape != corpus.cells.passage.shape:
            raise InvalidShape(
                f"the identities are of {len(rules.passage)} cells, and the corpus has {len(corpus.cells)}"
            )
        return rules
    names = rule_names(rules)
    cells = corpus.cells
    if names == ("given",):
        passage, query = cells.passage_identity, cells.query_identity
    else:
        passage = query = np.unique(cells.group, return_inverse=True)[1]
        for name in names:
            passage = _by_rule(
                passage, cells.passage, cells.passage_identity, corpus.passages.texts, name, similarity
            )
            of_query: Rule = "normalised" if name == "near-duplicate" else name
            query = _by_rule(
                query, cells.query, cells.query_identity, corpus.queries.texts, of_query, similarity
            )
    return Identities(
        rules=names,
        similarity=similarity,
        passage=passage,
        query=query,
        cells=cells,
    )


def row_identities(corpus: Corpus, rows: Int64s, found: Identities) -> Int64s:
    """Return the identity of passage rows, those in no cell included.

    A row in no cell has the identity of the cells whose passage is equal to it by the same rules
    (``given``: by the text as the readers compare it), else one of its own.

    Args:
        corpus: the corpus.
        rows: int64 [n], passage rows, such as hard negatives.
        found: the identities of its cells.

    Returns:
        int64 [n]; -1 where a passage has several identities, so that no single one can guard it.
    """
    held = corpus.cells.passage >= 0
    inside, at = np.unique(corpus.cells.passage[held], return_inverse=True)
    identity = found.passage[held]
    outside = np.setdiff1d(rows, inside)
    everything = np.concatenate([inside, outside])
    answer = _of_class(at, identity, len(everything))
    if len(outside):
        texts = [corpus.passages.texts[row] for row in everything.tolist()]
        classes = np.arange(len(everything))
        for name in found.rules:
            numbers = text_numbers(texts) if name == "given" else _numbers(texts, name, found.similarity)
            classes = joined_groups(classes, numbers, len(classes))[classes]
        by_class = _of_class(classes[at], identity, len(everything))[classes]
        fresh = int(found.passage.max(initial=-1)) + 1 + classes
        answer[len(inside) :] = np.where(by_class == _NONE, fresh, by_class)[len(inside) :]
    order = np.argsort(everything)
    return answer[order[np.searchsorted(everything, rows, sorter=order)]]


def _of_class(place: Int64s, identity: Int64s, count: int) -> Int64s:
    """Return the one identity of each class, -1 where it has several, :data:`_NONE` where it has none."""
    lowest, highest = np.full(count, np.iinfo(np.int64).max), np.full(count, _NONE)
    np.minimum.at(lowest, place, identity)
    np.maximum.at(highest, place, identity)
    return np.where((lowest == highest) | (highest == _NONE), highest, -1)


def joined_sizes(group: Int64s, identity: Int64s, held: NDArray[np.bool_]) -> dict[int, int]:
    """Return how many identities join how many groups, counted over the cells that are held."""
    _, joined = distinct(group[held], identity[held])
    sizes, counts = np.unique(np.unique(joined, return_counts=True)[1], return_counts=True)
    return dict(zip(sizes.tolist(), counts.tolist(), strict=True))


def rule_names(rules: str | Sequence[str]) -> tuple[Rule, ...]:
    """Return the names of rules, each once and in their written order, or say what is wrong with them."""
    names = (rules,) if isinstance(rules, str) else tuple(rules)
    known: tuple[Rule, ...] = get_args(Rule)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        what = f"identities names {unknown[0]!r}" if unknown else "identities names no rule"
        raise InvalidArgument(f"{what}, expected one or more of {', '.join(known)}")
    return tuple(name for name in known if name in names)


def _by_rule(
    own: Int64s, row: Int64s, given: Int64s, texts: Sequence[str], rule: Rule, similarity: float
) -> Int64s:
    """Join components of cells by one rule; ``row`` is the row of each cell's text, -1 where it has none."""
    held = row >= 0
    if rule == "given":
        return _joined(own, held, given[held])
    used, place = np.unique(row[held], return_inverse=True)
    return _joined(own, held, _numbers([texts[item] for item in used.tolist()], rule, similarity)[place])


def _joined(own: Int64s, held: NDArray[np.bool_], keys: Int64s) -> Int64s:
    return joined_groups(own[held], keys, int(own.max(initial=-1)) + 1)[own]


def _numbers(texts: Sequence[str], rule: Rule, similarity: float) -> Int64s:
    """Return a number for each text, equal for texts that are equal by a rule."""
    if not 0 < similarity <= 1:
        raise InvalidArgument(f"similarity is {similarity}, expected above 0 and at most 1")
    numbers: dict[str, int] = {}
    compared = texts if rule == "text" else map(folded, texts)
    number = np.fromiter((numbers.setdefault(text, len(numbers)) for text in compared), np.int64, len(texts))
    if rule != "near-duplicate":
        return number
    ends = np.cumsum(np.fromiter(map(len, numbers), np.int64, len(numbers)))
    codes = np.frombuffer("".join(numbers).encode("utf-32-le", "surrogatepass"), "<u4")
    indptr = np.concatenate([np.zeros(1, np.int64), ends])
    return near_duplicate_clusters(codes, indptr, GRAM, similarity)[number]
