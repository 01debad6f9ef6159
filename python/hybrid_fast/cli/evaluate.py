"""``hybrid-fast evaluate``: measure an encoder on an evaluation set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..config import DEFAULT_MEASURES, EncoderConfig, Setting, SourceConfig

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ..evaluation import Evaluation

SETTINGS: tuple[Setting, ...] = ("monolingual", "cross-lingual", "multilingual")


def evaluate(
    *,
    source: SourceConfig,
    encoder: Annotated[EncoderConfig, Parameter(name="*")] = EncoderConfig(),  # noqa: B008  frozen
    settings: tuple[Setting, ...] = SETTINGS,
    measures: tuple[str, ...] = DEFAULT_MEASURES,
    precision: Literal["float32", "bfloat16"] = "float32",
    batch_size: int = 64,
    threads: int | None = None,
    top_k: int = 100,
    run: bool = False,
    out: Path | None = None,
) -> None:
    """Measure an encoder exactly in the monolingual, cross-lingual and multilingual settings.

    Prints macro means and tables per language; with --out also writes every value.

    Args:
        source: The evaluation set.
        encoder: The encoder, and how texts enter it.
        settings: Pools to rank against: the query's language, one other language, all languages together.
        measures: Names as in ir_measures; rank distance is added in the multilingual setting.
        precision: bfloat16 is faster where the processor has such instructions.
        batch_size: Texts encoded at a time.
        threads: CPU threads; default: all.
        top_k: Length of the lists kept for the run file and for the language share.
        run: Also write run.trec and qrels.trec of the multilingual pool.
        out: Folder for table.csv, macro.csv, skipped.csv, bias.csv (CSV and Parquet); default: none.
    """
    from ..atomic import replacing
    from ..bias import language_bias
    from ..corpus import load_source
    from ..evaluation import evaluate as measure_model
    from ..evaluation.trec import check_ids
    from ..measure_names import check_measures
    from .console import console, progress_bars

    check_measures(measures, judged=False)
    corpus = load_source(source)
    if run:
        check_ids(corpus)
    with progress_bars() as bars:
        task = bars.add_task(f"Encoding {corpus.name}", total=len(corpus.queries) + len(corpus.passages))
        found = measure_model(
            encoder,
            corpus,
            settings=settings,
            measures=measures,
            batch_size=batch_size,
            precision=precision,
            threads=threads,
            top_k=top_k,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    for title, table in (_macro_table(found), *_language_tables(found)):
        console.print(f"\n{title}", highlight=False)
        console.print(table)
    skipped = found.skipped
    if len(skipped):
        console.print(
            f"{int(skipped.queries.sum())} times a query was left out of a pool that holds none of its golds"
            f" ({len(skipped)} of the pools)."
        )
    if out is not None:
        found.write(out, run=run)
        with replacing(out / "bias.csv") as path:
            language_bias(found, k=min(10, top_k)).to_csv(path, index=False)
        console.print(f"Written to {out}", soft_wrap=True, markup=False)


def _macro_table(found: Evaluation) -> tuple[str, Table]:
    macro = found.macro()
    measures = list(dict.fromkeys(macro["measure"]))
    table = _table("setting", measures)
    for setting, rows in macro.groupby("setting", sort=False):
        values = dict(zip(rows["measure"], rows["value"], strict=True))
        table.add_row(str(setting), *(_number(values.get(name)) for name in measures))
    return f"{found.name}: macro means", table


def _language_tables(found: Evaluation) -> list[tuple[str, Table]]:
    """Return query language × passage language of the first measure, and the multilingual setting."""
    rows = found.table
    tables = []
    first = rows["measure"].iloc[0]
    pairs = rows[(rows["measure"] == first) & (rows["setting"] != "multilingual")]
    if len(pairs):
        title = f"{first}, query language (rows) against passage language (columns)"
        tables.append((title, _crossed(pairs, "passage_language")))
    pooled = rows[rows["setting"] == "multilingual"]
    if len(pooled):
        title = "All languages in one pool, by query language"
        tables.append((title, _crossed(pooled, "measure", keep_order=True)))
    return tables


def _crossed(rows: pd.DataFrame, columns: str, *, keep_order: bool = False) -> Table:
    """Return query languages against the values of another column."""
    names = list(dict.fromkeys(rows[columns]))
    names = names if keep_order else sorted(names)
    table = _table("", names)
    for code, group in rows.groupby("query_language", sort=True):
        values = dict(zip(group[columns], group["value"], strict=True))
        table.add_row(str(code), *(_number(values.get(name)) for name in names))
    return table


def _table(first: str, names: list[str]) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in names:
        table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value <= 1 else f"{value:.1f}"
