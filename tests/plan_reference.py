"""The promises of a plan, checked naively from the raw columns; knows nothing of how plans are made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class Table:
    """Cells as plain lists, and every pair that may be drawn."""

    languages: int
    group: list[int]
    language: list[int]
    query: list[int]
    passage: list[int]
    query_identity: list[int] | None = None
    passage_identity: list[int] | None = None
    pairs: dict[tuple[int, int], set[tuple[int, int, int]]] = field(init=False)

    def __post_init__(self):
        cells = {cell: number for number, cell in enumerate(zip(self.group, self.language, strict=True))}
        self.pairs = {(a, b): set() for a in range(self.languages) for b in range(self.languages)}
        for (g, a), asked in cells.items():
            for b in range(self.languages):
                answered = cells.get((g, b))
                if answered is not None and self.query[asked] >= 0 and self.passage[answered] >= 0:
                    self.pairs[a, b].add((g, self.query[asked], self.passage[answered]))
        self.identity_of_query = dict(zip(self.query, self.query_identity or self.query, strict=True))
        self.identity_of_passage = dict(zip(self.passage, self.passage_identity or self.passage, strict=True))

    def drawable_queries(self, language):
        """Queries of a language whose group has a passage in any language."""
        return len({q for b in range(self.languages) for _, q, _ in self.pairs[language, b]})

    def epoch_length(self, size):
        return sum(self.drawable_queries(language) // size for language in range(self.languages))


def rows_of(batch):
    """The rows of one batch as (query language, passage language, group, query, passage)."""
    columns = (batch.query_language, batch.passage_language, batch.group, batch.query, batch.passage)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def check_rows_are_pairs(table, batches):
    """Every row is a pair of the index, in the languages that it names."""
    for batch in batches:
        for a, b, g, q, p in rows_of(batch):
            assert (g, q, p) in table.pairs[a, b]


def check_kinds(batches):
    """A monolingual batch holds one language, a cross-lingual one no row of equal languages."""
    for batch in batches:
        strata = {(a, b) for a, b, *_ in rows_of(batch)}
        if batch.is_mono:
            assert len(strata) == 1
            assert all(a == b for a, b in strata)
        else:
            assert all(a != b for a, b in strata)


def check_row_kinds(batches):
    """Where rows are drawn by kind, each row is of the kind it names."""
    for batch in batches:
        for mono, (a, b, *_) in zip(batch.is_mono.tolist(), rows_of(batch), strict=True):
            assert mono == (a == b)


def check_ratio(kinds, ratio):
    """After every prefix of n the monolingual count is within one half of ratio · n, exactly."""
    count = 0
    for n, mono in enumerate(kinds, 1):
        count += mono
        assert abs(count - Fraction(ratio) * n) <= Fraction(1, 2)


def check_shares(turns, shares):
    """After every prefix, each item's count is within 1 of its share."""
    counts = Counter()
    total = sum(Fraction(share) for share in shares.values())
    for n, turn in enumerate(turns, 1):
        counts[turn] += 1
        for item, share in shares.items():
            assert abs(counts[item] - Fraction(share) / total * n) <= 1 + Fraction(1, 10**9)
    assert set(counts) <= set(shares)


def check_guard(table, batches, guard):
    """No guarded identity comes twice in a batch."""
    for batch in batches:
        rows = rows_of(batch)
        found = {
            "group": [g for _, _, g, _, _ in rows],
            "query": [table.identity_of_query[q] for _, _, _, q, _ in rows],
            "passage": [table.identity_of_passage[p] for _, _, _, _, p in rows],
        }
        for name in guard:
            assert len(set(found[name])) == len(rows), name


def check_passes(table, batches, size, *, homogeneous):
    """No pair comes twice within a pass, where no identity is too frequent to be placed.

    A homogeneous pass is ⌊rows / size⌋ batches of a stratum, a mixed one as many rows as it has.
    """
    drawn = {}
    for batch in batches:
        for row in rows_of(batch):
            drawn.setdefault(row[:2], []).append(row[2:])
    for stratum, rows in drawn.items():
        length = len(table.pairs[stratum])
        if homogeneous:
            length = length // size * size
        for start in range(0, len(rows), length):
            part = rows[start : start + length]
            assert len(set(part)) == len(part), stratum
