"""``hybrid-fast search``: the best passages of each query, from files of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..searching import SearchResult
    from .relevance import Relevant

RUNS = (".trec", ".run", ".txt")
"""Endings of a TREC run."""


def search(
    *,
    queries: Path,
    passages: Annotated[tuple[Path, ...], Parameter(negative=())],
    k: int = 100,
    positives: Path | None = None,
    positives_format: Literal["auto", "rows", "qrels"] = "auto",
    query_ids: Path | None = None,
    passage_ids: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    measures: tuple[str, ...] = ("AP", "RR@10", "nDCG@10", "R@100"),
    precision: Literal["auto", "f32"] = "auto",
    device: str = "cpu",
    threads: int | None = None,
    out: Path,
) -> None:
    """Search files of passage embeddings for the best passages of each query, by inner product.

    Embeddings are NumPy files (.npy) of float32 or float16, one row each, and are read memory-mapped, so
    that they may exceed memory. Several files of passages are the shards of one corpus: rows are numbered
    through them in the order given. An interrupted search writes nothing.

    Args:
        queries: Query embeddings (.npy).
        passages: Passage embeddings (.npy), one file or several.
        k: Passages to keep per query.
        positives: Relevant passages: qrels (query, 0, passage, grade), or one line per query with the row
            numbers of its passages, separated by spaces; an empty line where there are none.
        positives_format: What the file of positives is; auto tells from its lines, and refuses where both
            are possible.
        query_ids: Text file with the id of each query row, one a line; default: the numbers of the rows.
        passage_ids: Likewise of the passages, one file or as many as there are files of passages.
        measures: Names as in ir_measures, printed with --positives.
        precision: How scores are computed: auto may filter in low precision first, f32 does not; the answer
            is the same.
        device: cpu, cuda, or one of several as cuda:1; on a GPU scores differ in the last bits.
        threads: CPU threads; default: all.
        out: File to write: NumPy arrays (.npz: ids and scores, with --positives also the positives and
            their ranks), or a TREC run (.trec, .run or .txt).
    """
    from ..atomic import replacing
    from ..measure_names import check_measures
    from ..measures.trec_writing import write_ranked
    from ..searching import search as find
    from .console import progress_bars, say
    from .targets import check_file

    check_measures(measures)
    as_run = _is_run(out, k)
    read = (queries, *passages, *passage_ids, *(one for one in (positives, query_ids) if one is not None))
    check_file(out, "--out", read)
    q, parts = _open(queries), [_open(path) for path in passages]
    total = sum(map(len, parts))
    names = _ids_of_rows(query_ids, passage_ids, len(q), [len(part) for part in parts])
    if as_run:
        _check_words(names)
    golds = None
    if positives is not None:
        from .relevance import read_relevant

        golds = read_relevant(positives, positives_format, len(q), total, *names)
    with progress_bars() as bars:
        task = bars.add_task("Searching", total=None)
        found = find(
            q,
            parts,
            k,
            positives=None if golds is None else golds.rows,
            precision=precision,
            device=device,
            threads=threads,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    with replacing(out) as temporary:
        if as_run:
            write_ranked(temporary, *names, found.ids, found.scores)
        else:
            _write_arrays(temporary, found, golds)
    if golds is not None:
        _show(found, golds, measures)
    shape = f"{found.ids.shape[0]} queries × {found.ids.shape[1]} passages"
    say(f"{shape} written to {out}")


def _is_run(out: Path, k: int) -> bool:
    """Say whether the ending of the file to write is that of a TREC run."""
    from ..errors import InvalidArgument

    ending = out.suffix.lower()
    if ending not in (".npz", *RUNS):
        raise InvalidArgument(
            f"--out is {out}, expected a name that ends in .npz (NumPy arrays), or in .trec, .run or .txt "
            "(a TREC run)"
        )
    if ending in RUNS and k < 1:
        raise InvalidArgument(f"--k is {k}, and a run needs 1 passage or more")
    return ending in RUNS


def _open(path: Path) -> NDArray[Any]:
    """Open a .npy file memory-mapped."""
    from ..errors import CorpusError
    from ..memory_maps import mapped_matrix

    array = mapped_matrix(path)
    if array.ndim != 2:
        dimensions = "1 dimension" if array.ndim == 1 else f"{array.ndim} dimensions"
        raise CorpusError(f"{path} holds an array of {dimensions}, expected a matrix, one embedding a row")
    return array


Names = tuple["list[str] | None", "list[str] | None"]
"""Ids of the query rows and of the passage rows, where files give them."""


def _ids_of_rows(
    query_ids: Path | None, passage_ids: tuple[Path, ...], queries: int, sizes: list[int]
) -> Names:
    """Read the ids of the rows."""
    from ..errors import CorpusError, InvalidArgument
    from .relevance import read_ids

    of_queries = None if query_ids is None else read_ids(query_ids, queries, "queries")
    if not passage_ids:
        return of_queries, None
    if len(passage_ids) == 1:
        return of_queries, read_ids(passage_ids[0], sum(sizes), "passages")
    if len(passage_ids) != len(sizes):
        raise InvalidArgument(
            f"--passage-ids are {len(passage_ids)} files, and there are {len(sizes)} of passages"
        )
    found: list[str] = []
    for path, size in zip(passage_ids, sizes, strict=True):
        found += read_ids(path, size, "passages of this shard")
    if len(set(found)) < len(found):
        raise CorpusError("--passage-ids: an id stands in two of the files")
    return of_queries, found


def _check_words(names: Names) -> None:
    """Refuse ids that a run cannot express, before the search."""
    from ..measures.trec_writing import word

    for ids in names:
        for name in ids or ():
            word(name)


def _write_arrays(path: Path, found: SearchResult, golds: Relevant | None) -> None:
    import numpy as np

    arrays: dict[str, NDArray[Any]] = {"ids": found.ids, "scores": found.scores}
    if found.ranks is not None and golds is not None:
        rows = [passage for row in golds.rows for passage in row]
        arrays |= {"indptr": found.ranks.indptr, "ranks": found.ranks.values}
        arrays["positives"] = np.array(rows, dtype=np.int64)
        if golds.grades is not None:
            arrays["grades"] = np.array(golds.grades, dtype=np.int64)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own options


def _show(found: SearchResult, golds: Relevant, names: tuple[str, ...]) -> None:
    """Print the means of the measures, a line each."""
    import numpy as np

    from ..measures import measure
    from ..ranking import Ranks
    from .means import show_means

    if found.ranks is None:
        return
    ranks, note = found.ranks, ""
    if golds.judged is not None:
        # Queries that were not judged have no positives, so the ranks stay as they are.
        counts = np.diff(ranks.indptr)[golds.judged]
        ranks = Ranks(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), ranks.values)
        note = f", {golds.left_out} more have no row" if golds.left_out else ""
    judged = f"{len(ranks)}{' judged' if golds.judged is not None else ''}{note}"
    show_means(measure(ranks, names, grades=golds.grades).mean, judged)
