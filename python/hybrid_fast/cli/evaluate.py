"""``hybrid-fast evaluate``: measure an encoder on an evaluation set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..config import DEFAULT_MEASURES, EncoderConfig, Setting, SourceConfig
from .tables import ValueTable

if TYPE_CHECKING:
    import pandas as pd

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
    json: Path | None = None,
) -> None:
    """Measure an encoder exactly in the monolingual, cross-lingual and multilingual settings.

    Prints how texts were encoded, macro means and tables per language; with --out also writes every value.

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
        json: Write the values to this file, too; without a file, or "-", to standard output, and nothing
            else goes there then.
        out: Folder for table.csv, macro.csv, skipped.csv, bias.csv (CSV and Parquet) and encoder.json;
            default: none.
    """
    from ..atomic import replacing
    from ..bias import language_bias
    from ..corpus import load_source
    from ..evaluation import evaluate as measure_model
    from ..evaluation.embeddings import check_names
    from ..evaluation.evaluation import check_place
    from ..evaluation.model import check_numbers
    from ..evaluation.trec import check_ids
    from ..extras import require
    from .console import STANDARD_OUTPUT, be_quiet, console, progress_bars, say, write_json
    from .options import UsageError
    from .targets import check_file, check_folder

    require("hybrid-fast evaluate", "torch", "sentence_transformers", "pandas", "pyarrow")
    check_names(settings, measures)
    check_numbers(batch_size=batch_size, top_k=top_k, threads=threads)
    if run and out is None:
        raise UsageError("--run needs --out, the folder that run.trec is written into")
    if out is not None:
        check_folder(out)
        check_place(out)
    if json is not None:
        check_file(json, "--json")
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
    if json is not None:
        write_json(json, _plain(found))
    be_quiet(console.quiet or json == STANDARD_OUTPUT)
    if found.encoder is not None:
        from ..encoder import in_words

        for line in in_words(found.encoder):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for table in (_macro_table(found), *_language_tables(found)):
        console.print(table)
    skipped = found.skipped
    if len(skipped):
        console.print(
            f"\n{int(skipped.queries.sum())} times a query was left out of a pool that holds none of its "
            f"golds ({len(skipped)} of the pools)."
        )
    if out is not None:
        found.write(out, run=run)
        with replacing(out / "bias.csv") as path:
            language_bias(found, k=min(10, top_k)).to_csv(path, index=False)
        say(f"\nWritten to {out}")


def _plain(found: Evaluation) -> dict[str, Any]:
    """Return the means as plain values; what does not apply is null."""
    tables = {"macro": found.macro(), "table": found.table, "skipped": found.skipped}
    return {
        "evaluation": found.name,
        **{name: [_without_nan(row) for row in table.to_dict("records")] for name, table in tables.items()},
    }


def _without_nan(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): None if value != value else value for key, value in row.items()}


def _macro_table(found: Evaluation) -> ValueTable:
    macro = found.macro()
    measures = list(dict.fromkeys(macro["measure"]))
    table = ValueTable(f"{found.name}: macro means", ["setting"], _headers(measures))
    for setting, rows in macro.groupby("setting", sort=False):
        values = dict(zip(rows["measure"], rows["value"], strict=True))
        table.add([str(setting)], [_number(values.get(name)) for name in measures])
    return table


def _language_tables(found: Evaluation) -> list[ValueTable]:
    """Return query language × passage language of the first measure, and the multilingual setting."""
    rows = found.table
    tables = []
    first = rows["measure"].iloc[0]
    pairs = rows[(rows["measure"] == first) & (rows["setting"] != "multilingual")]
    if len(pairs):
        title = f"{first}, query language (rows) against passage language (columns)"
        tables.append(_crossed(title, pairs, "passage_language"))
    pooled = rows[rows["setting"] == "multilingual"]
    if len(pooled):
        title = "All languages in one pool, by query language"
        tables.append(_crossed(title, pooled, "measure", keep_order=True))
    return tables


def _crossed(title: str, rows: pd.DataFrame, columns: str, *, keep_order: bool = False) -> ValueTable:
    """Return query languages against the values of another column."""
    names = list(dict.fromkeys(rows[columns]))
    names = names if keep_order else sorted(names)
    table = ValueTable(title, [""], _headers(names))
    for code, group in rows.groupby("query_language", sort=True):
        values = dict(zip(group[columns], group["value"], strict=True))
        table.add([str(code)], [_number(values.get(name)) for name in names])
    return table


def _headers(names: list[str]) -> list[str]:
    return [name.replace("_", " ") for name in names]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value <= 1 else f"{value:.1f}"
