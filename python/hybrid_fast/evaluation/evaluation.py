"""The result of an evaluation: values of every query in every pool, and the tables made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import replacing, write_text
from ..config import Setting
from ..corpus import Corpus
from ..extras import needed, require
from . import trec

if TYPE_CHECKING:
    import pandas as pd

ALL_LANGUAGES = "*"
"""Stands for the passage language where the pool holds the passages of all languages."""

RANK_DISTANCE = "rank_distance"
"""Worst rank − best rank over a query's golds in the multilingual pool (arXiv 2408.10536, section 4)."""

SETTINGS: tuple[Setting, ...] = ("monolingual", "cross-lingual", "multilingual")

COLUMNS = (
    "evaluation", "setting", "query_language", "passage_language", "measure", "value", "queries",
)  # fmt: skip
"""Of the long table of means."""

FILES = (
    "table.csv", "macro.csv", "skipped.csv", "bias.csv", "table.parquet", "per_query.parquet",
    "encoder.json", "run.trec", "qrels.trec",
)  # fmt: skip
"""What an evaluation writes into its folder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """The queries of one language against one pool.

    Attributes:
        setting: which kind of pool it is.
        query_language: language of the queries.
        passage_language: language of the pool, or "*" for all.
        queries: int64 rows of the queries that have a gold in the pool.
        values: measure → float64 value of each of them; NaN where a measure does not apply
            (rank distance of a query with one gold).
        skipped: queries of the language left out because the pool holds none of their golds.
    """

    setting: Setting
    query_language: str
    passage_language: str
    queries: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    skipped: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Measures of every query in every pool it was ranked against.

    Attributes:
        name: what the tables call the evaluation set.
        corpus: what was evaluated.
        cells: one entry a (setting, query language, pool).
        ids: int64 [queries, k] best passage rows of each query in the multilingual pool, best first.
        scores: float32 [queries, k] their scores.
        indptr: int64 [queries + 1], golds (grade above 0) of each query.
        golds: int64 passage rows of the golds.
        ranks: int64 rank of each gold among all passages.
        pool_ranks: int64 rank of each gold among the passages of its own language.
        encoder: prompts, lengths, pooling, normalisation and similarity that were used, in plain values
            (:func:`hybrid_fast.encoder.describe`); None for embeddings and encoders of other kinds.
    """

    name: str
    corpus: Corpus
    cells: tuple[Cell, ...]
    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    indptr: NDArray[np.int64]
    golds: NDArray[np.int64]
    ranks: NDArray[np.int64]
    pool_ranks: NDArray[np.int64]
    encoder: Mapping[str, Any] | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return the table as plain dicts: the rows of ``metrics.jsonl`` without step and scope."""
        found: list[dict[str, Any]] = []
        for cell in self.cells:
            for measure, values in cell.values.items():
                counted = values[~np.isnan(values)]
                if len(counted):
                    found.append(
                        {
                            "evaluation": self.name,
                            "setting": cell.setting,
                            "query_language": cell.query_language,
                            "passage_language": cell.passage_language,
                            "measure": measure,
                            "value": float(counted.mean()),
                            "queries": len(counted),
                        }
                    )
        return found

    @property
    def table(self) -> pd.DataFrame:
        """Long table of means, a row a cell and measure: the columns of :meth:`rows`."""
        with needed("a table"):
            import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

    @property
    def per_query(self) -> pd.DataFrame:
        """One row a (query, pool, measure); labels are categories, value is float32."""
        with needed("a table"):
            import pandas as pd

        names = [(cell, measure) for cell in self.cells for measure in cell.values]
        kept = [~np.isnan(cell.values[measure]) for cell, measure in names]
        lengths = [int(keep.sum()) for keep in kept]

        def labels(values: Sequence[str]) -> Any:
            categories = list(dict.fromkeys(values))
            codes = np.array([categories.index(value) for value in values], dtype=np.int32)
            return pd.Categorical.from_codes(np.repeat(codes, lengths), categories=categories)

        queries = [cell.queries[keep] for (cell, _), keep in zip(names, kept, strict=True)]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *queries])
        present, codes = np.unique(rows, return_inverse=True)
        values = [cell.values[measure][keep] for (cell, measure), keep in zip(names, kept, strict=True)]
        return pd.DataFrame(
            {
                "evaluation": labels([self.name] * len(names)),
                "setting": labels([cell.setting for cell, _ in names]),
                "query_language": labels([cell.query_language for cell, _ in names]),
                "passage_language": labels([cell.passage_language for cell, _ in names]),
                "query_id": pd.Categorical.from_codes(
                    codes.astype(np.int32), categories=[self.corpus.queries.ids[row] for row in present]
                ),
                "measure": labels([measure for _, measure in names]),
                "value": np.concatenate([np.zeros(0), *values]).astype(np.float32),
            }
        )

    def macro(self) -> pd.DataFrame:
        """Return macro means: evaluation, setting, measure, value, cells.

        Every cell weighs the same: languages in the monolingual and multilingual settings, ordered
        pairs in the cross-lingual one. ``cells`` says over how many the mean goes.
        """
        grouped = self.table.groupby(["evaluation", "setting", "measure"], sort=False, observed=True)["value"]
        return grouped.agg(value="mean", cells="size").reset_index()

    @property
    def skipped(self) -> pd.DataFrame:
        """Queries left out of a pool that holds none of their golds: setting, languages, queries."""
        with needed("a table"):
            import pandas as pd

        found = [
            (cell.setting, cell.query_language, cell.passage_language, cell.skipped)
            for cell in self.cells
            if cell.skipped
        ]
        return pd.DataFrame(found, columns=["setting", "query_language", "passage_language", "queries"])

    def write(self, folder: Path | str, *, run: bool = False) -> Path:
        """Write table, macro means, left-out queries (CSV) and per-query values (Parquet) into ``folder``.

        With :attr:`encoder` known, ``encoder.json`` says how texts were encoded.

        Args:
            folder: made if missing; the files of an earlier evaluation in it are replaced.
            run: also write ``run.trec`` and ``qrels.trec`` of the multilingual pool.

        Raises:
            FileExistsError: it would replace a file that no evaluation wrote.
            OSError: the folder cannot be written.
            ImportError: pandas or pyarrow is not installed.
        """
        require("writing an evaluation", "pandas", "pyarrow")
        folder = Path(folder)
        check_place(folder)
        for name, table in (("table", self.table), ("macro", self.macro()), ("skipped", self.skipped)):
            with replacing(folder / f"{name}.csv") as path:
                table.to_csv(path, index=False)
        with replacing(folder / "table.parquet") as path:
            self.table.to_parquet(path, index=False)
        with replacing(folder / "per_query.parquet") as path:
            self.per_query.to_parquet(path, index=False)
        if self.encoder is not None:
            write_text(folder / "encoder.json", json.dumps(self.encoder, indent=2, ensure_ascii=False) + "\n")
        if run:
            with replacing(folder / "run.trec") as path:
                trec.write_run(path, self.corpus, self.ids, self.scores)
            with replacing(folder / "qrels.trec") as path:
                trec.write_qrels(path, self.corpus)
        return folder


def check_place(folder: Path) -> None:
    """Refuse a folder in which :meth:`Evaluation.write` would replace what is not its own; changes nothing.

    Raises:
        FileExistsError: a file of one of its names is there, but no table.csv of an evaluation.
        NotADirectoryError: there is a file in place of the folder.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a folder for the tables")
    taken = [name for name in FILES if (folder / name).exists()]
    if taken and not _is_ours(folder / "table.csv"):
        raise FileExistsError(
            f"{folder / taken[0]} is there and was not written by an evaluation; give another folder"
        )


def _is_ours(table: Path) -> bool:
    try:
        with table.open("rb") as file:
            return file.readline(1000).decode("utf-8", "replace").strip() == ",".join(COLUMNS)
    except OSError:
        return False
