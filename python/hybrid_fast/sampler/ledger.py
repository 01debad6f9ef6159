"""The exposure ledger: what a run has seen of each language, language pair and side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        strata: int64 [query language, passage language], rows seen of each language pair.
        pairs: int64 [query language, passage language], different question-passage pairs among them.
        available: int64 [query language, passage language], pairs of the index.
        query_groups: int64 [language], different groups seen with the query in it.
        passage_groups: int64 [language], different groups seen with the passage in it.
        all_query_groups: int64 [language], groups of the index with a query in it.
        all_passage_groups: int64 [language], groups of the index with a passage in it.
    """

    languages: tuple[str, ...]
    batches: int
    rows: int
    strata: NDArray[np.int64]
    pairs: NDArray[np.int64]
    available: NDArray[np.int64]
    query_groups: NDArray[np.int64]
    passage_groups: NDArray[np.int64]
    all_query_groups: NDArray[np.int64]
    all_passage_groups: NDArray[np.int64]

    @property
    def query_rows(self) -> NDArray[np.int64]:
        """Rows seen with the query in each language."""
        rows: NDArray[np.int64] = self.strata.sum(axis=1)
        return rows

    @property
    def passage_rows(self) -> NDArray[np.int64]:
        """Rows seen with the passage in each language."""
        rows: NDArray[np.int64] = self.strata.sum(axis=0)
        return rows

    @property
    def monolingual_rows(self) -> NDArray[np.int64]:
        """Rows seen with query and passage in each language."""
        return self.strata.diagonal().copy()

    @property
    def passes(self) -> NDArray[np.float64]:
        """Rows seen of each language pair for each of its pairs: 2.0 is two epochs of it; 0 without pairs."""
        return np.divide(
            self.strata, self.available, out=np.zeros(self.strata.shape), where=self.available > 0
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return every count as plain dicts and numbers, ready for JSON, without pairs that do not exist."""
        names, passes = self.languages, self.passes
        alone = int(self.strata.trace())
        return {
            "batches": self.batches,
            "rows": {"monolingual": alone, "cross-lingual": self.rows - alone},
            "languages": {
                name: {
                    "query_rows": int(self.query_rows[n]),
                    "passage_rows": int(self.passage_rows[n]),
                    "monolingual_rows": int(self.strata[n, n]),
                    "query_groups": int(self.query_groups[n]),
                    "passage_groups": int(self.passage_groups[n]),
                    "all_query_groups": int(self.all_query_groups[n]),
                    "all_passage_groups": int(self.all_passage_groups[n]),
                }
                for n, name in enumerate(names)
            },
            "strata": {
                f"{names[query]}→{names[passage]}": {
                    "rows": int(self.strata[query, passage]),
                    "pairs": int(self.pairs[query, passage]),
                    "available": int(self.available[query, passage]),
                    "passes": round(float(passes[query, passage]), 6),
                }
                for query, passage in np.argwhere(self.available > 0).tolist()
            },
        }

    def __str__(self) -> str:
        """Return the counts of each language as a plain text table."""
        width = max(8, *(len(name) for name in self.languages))
        heads = ("query rows", "passage rows", "monolingual", "query groups", "passage groups", "passes")
        lines = [f"{'language':<{width}}" + "".join(f"  {head:>14}" for head in heads)]
        passes = self.passes
        for n, name in enumerate(self.languages):
            counts = (
                self.query_rows[n],
                self.passage_rows[n],
                self.strata[n, n],
                self.query_groups[n],
                self.passage_groups[n],
            )
            own = f"{passes[n, n]:.2f}" if self.available[n, n] else "-"
            lines.append(
                f"{name:<{width}}" + "".join(f"  {int(count):>14,}" for count in counts) + f"  {own:>14}"
            )
        return "\n".join(lines)
