"""``hybrid-fast measure``: a run file against judgements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ..config import DEFAULT_MEASURES

if TYPE_CHECKING:
    from ..measures import Measures

DELIMITERS = {".csv": ",", ".tsv": "\t"}


def measure(
    run: Path,
    qrels: Path,
    /,
    *,
    measures: tuple[str, ...] = DEFAULT_MEASURES,
    ties: Literal["trec_eval", "id", "worst", "mean"] = "trec_eval",
    queries: Literal["qrels", "run"] = "qrels",
    ignore_identical_ids: bool = False,
    per_query: Path | None = None,
    json: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
) -> None:
    """Measure a run file against judgements, as trec_eval and ir_measures do.

    Reads the TREC formats, MS MARCO's, ranx's JSON and Parquet, plain or compressed (gzip, bzip2, xz).
    A judged query that is missing from the run scores 0.

    For example: hybrid-fast measure run.trec qrels.trec --measures nDCG@10 "P(rel=2)@5" recall_100

    Args:
        run: The run: lines of query, Q0, document, rank, score and tag.
        qrels: The judgements: lines of query, 0, document and grade.
        measures: Names of ir_measures, such as AP(rel=2), or of trec_eval, such as ndcg_cut_10.
        ties: Documents of equal score: trec_eval orders them by id from last to first, id from first to last
            (as search does), worst puts each after all of them, mean at their mean place.
        queries: Average over all judged queries (qrels), or over those that the run has (run).
        ignore_identical_ids: Leave out a document whose id is its query's, as BEIR and mteb do.
        per_query: File for the values of each query (.csv or .tsv).
        json: File for the means, not rounded; - is standard output, and nothing else goes there then.
    """
    from ..atomic import replacing
    from ..errors import InvalidArgument
    from ..measures import measure_run
    from .console import STANDARD_OUTPUT, write_json
    from .means import show_means
    from .targets import check_file

    for option, path in (("--per-query", per_query), ("--json", json)):
        if path is not None:
            check_file(path, option, (run, qrels))
    if per_query is not None and per_query.suffix.lower() not in DELIMITERS:
        raise InvalidArgument(f"--per-query is {per_query}, expected a name that ends in .csv or .tsv")
    found = measure_run(
        run, qrels, measures, ties=ties, queries=queries, ignore_identical_ids=ignore_identical_ids
    )
    if per_query is not None:
        with replacing(per_query) as temporary:
            _write_per_query(temporary, found, DELIMITERS[per_query.suffix.lower()])
    if json is not None:
        options = {"ties": ties, "queries": queries, "ignore_identical_ids": ignore_identical_ids}
        results = {"number_of_queries": len(found.query_ids or ()), "means": dict(found.mean)}
        write_json(json, {"run": str(run), "qrels": str(qrels), **options, **results})
    if json != STANDARD_OUTPUT:
        show_means(found.mean, str(len(found.query_ids or ())))


def _write_per_query(path: Path, found: Measures, delimiter: str) -> None:
    """Write a line a query and a column a measure; numbers in full."""
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        lines.writerow(["query_id", *found.per_query])
        columns = [column.tolist() for column in found.per_query.values()]
        lines.writerows(zip(found.query_ids or (), *columns, strict=True))
