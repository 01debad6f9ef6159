"""The exposure ledger: what a run has seen of each language, language pair and side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import language_table


class StratumCounts(NamedTuple):
    """What was seen of each language pair that exists, in the order of :attr:`PairIndex.strata`; int64.

    Attributes:
        query: query language.
        passage: passage language.
        rows: rows seen.
        pairs: different question-passage pairs among them.
        available: pairs of the index.
    """

    query: NDArray[np.int64]
    passage: NDArray[np.int64]
    rows: NDArray[np.int64]
    pairs: NDArray[np.int64]
    available: NDArray[np.int64]

    @property
    def passes(self) -> NDArray[np.float64]:
        """Rows seen for each pair there is."""
        return self.rows / self.available


@dataclass(frozen=True, eq=False)
class Exposure:
    """What some batches show a model: rows, groups and passes by language, language pair and side.

    A row with equal languages is monolingual, any other cross-lingual, so the diagonal of ``strata``
    holds the monolingual rows. A group is counted once for a language and side, however often and in
    whatever company it comes.

    Attributes:
        languages: names of the languages, the order of every array.
        batches: batches seen.
        rows: rows seen, all ranks together.
        by_stratum: the counts of each language pair that exists.
        query_groups: int64 [language], different groups seen with the query in it.
        passage_groups: int64 [language], different groups seen with the passage in it.
        all_query_groups: int64 [language], groups of the index with a query in it.
        all_passage_groups: int64 [language], groups of the index with a passage in it.
    """

    languages: tuple[str, ...]
    batches: int
    rows: int
    by_stratum: StratumCounts
    query_groups: NDArray[np.int64]
    passage_groups: NDArray[np.int64]
    all_query_groups: NDArray[np.int64]
    all_passage_groups: NDArray[np.int64]

    def _table(self, values: NDArray[Any]) -> NDArray[Any]:
        counts = self.by_stratum
        return language_table(len(self.languages), counts.query, counts.passage, values)

    @cached_property
    def strata(self) -> NDArray[np.int64]:
        """Rows seen of each language pair, int64 [query language, passage language]."""
        return self._table(self.by_stratum.rows)

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """Different question-passage pairs among them, int64 [query language, passage language]."""
        return self._table(self.by_stratum.pairs)

    @cached_property
    def available(self) -> NDArray[np.int64]:
        """Pairs of the index, int64 [query language, passage language]."""
        return self._table(self.by_stratum.available)

    def _of_languages(self, languages: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        sums = np.zeros(len(self.languages), np.int64)
        np.add.at(sums, languages, rows)
        return sums

    @property
    def query_rows(self) -> NDArray[np.int64]:
        """Rows seen with the query in each language."""
        return self._of_languages(self.by_stratum.query, self.by_stratum.rows)

    @property
    def passage_rows(self) -> NDArray[np.int64]:
        """Rows seen with the passage in each language."""
        return self._of_languages(self.by_stratum.passage, self.by_stratum.rows)

    @property
    def monolingual_rows(self) -> NDArray[np.int64]:
        """Rows seen with query and passage in each language."""
        counts, own = self.by_stratum, self.by_stratum.query == self.by_stratum.passage
        return self._of_languages(counts.query[own], counts.rows[own])

    @property
    def passes(self) -> NDArray[np.float64]:
        """Rows seen of each language pair for each of its pairs: 2.0 is two epochs of it; 0 without pairs."""
        return self._table(self.by_stratum.passes)

    def to_mapping(self) -> dict[str, Any]:
        """Return every count as plain dicts and numbers, ready for JSON, without pairs that do not exist."""
        names, counts = self.languages, self.by_stratum
        query_rows, passage_rows, alone_rows = self.query_rows, self.passage_rows, self.monolingual_rows
        alone = int(alone_rows.sum())
        return {
            "batches": self.batches,
            "rows": {"monolingual": alone, "cross-lingual": self.rows - alone},
            "languages": {
                name: {
                    "query_rows": int(query_rows[n]),
                    "passage_rows": int(passage_rows[n]),
                    "monolingual_rows": int(alone_rows[n]),
                    "query_groups": int(self.query_groups[n]),
                    "passage_groups": int(self.passage_groups[n]),
                    "all_query_groups": int(self.all_query_groups[n]),
                    "all_passage_groups": int(self.all_passage_groups[n]),
                }
                for n, name in enumerate(names)
            },
            "strata": {
                f"{names[query]}→{names[passage]}": {
                    "rows": rows,
                    "pairs": pairs,
                    "available": available,
                    "passes": round(passes, 6),
                }
                for query, passage, rows, pairs, available, passes in zip(
                    *(column.tolist() for column in (*counts, counts.passes)), strict=True
                )
            },
        }

    def __str__(self) -> str:
        """Return the counts of each language as a plain text table."""
        width = max(8, *(len(name) for name in self.languages))
        heads = ("query rows", "passage rows", "monolingual", "query groups", "passage groups", "passes")
        lines = [f"{'language':<{width}}" + "".join(f"  {head:>14}" for head in heads)]
        query, passage, passes = self.by_stratum.query, self.by_stratum.passage, self.by_stratum.passes
        alone = dict(zip(query[query == passage].tolist(), passes[query == passage].tolist(), strict=True))
        columns = (
            self.query_rows,
            self.passage_rows,
            self.monolingual_rows,
            self.query_groups,
            self.passage_groups,
        )
        for n, name in enumerate(self.languages):
            counts = [column[n] for column in columns]
            own = f"{alone[n]:.2f}" if n in alone else "-"
            lines.append(
                f"{name:<{width}}" + "".join(f"  {int(count):>14,}" for count in counts) + f"  {own:>14}"
            )
        return "\n".join(lines)
