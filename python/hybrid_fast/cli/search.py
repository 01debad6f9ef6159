"""``hybrid-fast search``: the best passages of each query, from files of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..searching import SearchResult


def search(
    *,
    queries: Path,
    passages: Annotated[tuple[Path, ...], Parameter(negative=())],
    k: int = 100,
    positives: Path | None = None,
    measures: tuple[str, ...] = ("AP", "RR@10", "nDCG@10", "R@100"),
    precision: Literal["auto", "f32"] = "auto",
    device: str = "cpu",
    threads: int | None = None,
    out: Path,
) -> None:
    """Search files of passage embeddings for the best passages of each query, by inner product.

    Embeddings are NumPy files (.npy) of float32 or float16, one row each, and are read memory-mapped, so
    that they may exceed memory. Several files of passages are the shards of one corpus: rows are numbered
    through them in the order given. The written .npz holds ids and scores, and with --positives also
    ranks and their indptr; an interrupted search writes nothing.

    Args:
        queries: Query embeddings (.npy).
        passages: Passage embeddings (.npy), one file or several.
        k: Passages to keep per query.
        positives: Text file with one line per query: the row numbers of its relevant passages,
            separated by spaces; an empty line where there are none.
        measures: Names as in ir_measures, printed with --positives.
        precision: How scores are computed: auto may filter in low precision first, f32 does not; the answer
            is the same.
        device: cpu, cuda, or one of several as cuda:1; on a GPU scores differ in the last bits.
        threads: CPU threads; default: all.
        out: File to write (.npz).
    """
    import numpy as np

    from ..atomic import replacing
    from ..searching import search as find
    from .console import console, progress_bars

    golds = None if positives is None else _read_positives(positives)
    with progress_bars() as bars:
        task = bars.add_task("Searching", total=None)
        found = find(
            _open(queries),
            [_open(path) for path in passages],
            k,
            positives=golds,
            precision=precision,
            device=device,
            threads=threads,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    arrays: dict[str, NDArray[Any]] = {"ids": found.ids, "scores": found.scores}
    if found.ranks is not None:
        arrays |= {"indptr": found.ranks.indptr, "ranks": found.ranks.values}
    with replacing(out) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own options
    if found.ranks is not None:
        _show(found, measures)
    console.print(f"{found.ids.shape[0]} queries × {found.ids.shape[1]} passages written to {out}")


def _open(path: Path) -> NDArray[Any]:
    """Open a .npy file memory-mapped."""
    from ..memory_maps import mapped_matrix

    return mapped_matrix(path)


def _read_positives(path: Path) -> list[list[int]]:
    """Read one line of passage row numbers per query."""
    from ..errors import CorpusError

    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text: {error}") from None
    for number, line in enumerate(lines, start=1):
        try:
            rows.append([int(field) for field in line.split()])
        except ValueError:
            raise CorpusError(
                f"{path}, line {number}: {line.strip()!r} is not a list of whole numbers"
            ) from None
    return rows


def _show(found: SearchResult, names: tuple[str, ...]) -> None:
    """Print the means of the measures."""
    from rich.table import Table

    from ..measures import measure
    from .console import console

    if found.ranks is None:
        return
    table = Table("measure", "mean")
    for name, mean in measure(found.ranks, names).mean.items():
        table.add_row(name, f"{mean:.4f}")
    console.print(table)
