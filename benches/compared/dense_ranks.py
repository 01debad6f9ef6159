"""Ranks, average precision and reciprocal rank of all positives, from a matrix of scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hybrid_fast as hf
from compared.reading import readers
from compared.rows import over_rows
from compared.work import Aim, Contestant, Setting, Work

NAMES = ["AP", "RR"]
BLOCK = 16
"""Rows that NumPy and torch compare at a time: their truth values stay in the cache."""


class Input:
    """Scores, and positives of every query."""

    def __init__(self, setting: Setting, least: int, most: int, raised: float) -> None:
        self.threads = setting.threads
        queries, passages = (200, 1000) if setting.quick else (10_000, 13_000)
        rng = np.random.default_rng(13)
        self.scores = rng.standard_normal((queries, passages), dtype=np.float32)
        counts = rng.integers(least, most + 1, queries)
        self.indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.repeat(np.arange(queries), counts)
        golds = [rng.choice(passages, count, replace=False) for count in counts]
        self.ids = np.concatenate(golds).astype(np.int64)
        self.scores[rows, self.ids] += np.float32(raised)
        self.query_of = rows

    def golds(self, query: int) -> NDArray[np.int64]:
        """Return the positives of a query."""
        return self.ids[self.indptr[query] : self.indptr[query + 1]]

    def share(self, rows: int) -> tuple[int, float]:
        """Return how many rows a slow rival does, and which part of the work that is."""
        rows = min(rows, len(self.scores))
        return rows, rows / len(self.scores)


def few(setting: Setting) -> Work:
    """1 to 3 positives that rank high, as those of a good retriever do."""
    aims = (Aim(4.5, ("NumPy count,",)), Aim(read=(0.85, 0.55, 0.85)))
    return ranked(Input(setting, 1, 3, 2.5), setting, "1–3 positives", aims, slow=True)


def eleven(setting: Setting) -> Work:
    """11 positives that rank high."""
    aims = (Aim(10, ("NumPy count,",)), Aim(read=(0.6, 0.45, 0.6)))
    return ranked(Input(setting, 11, 11, 2.5), setting, "11 positives", aims, slow=True)


def eleven_anywhere(setting: Setting) -> Work:
    """11 positives at random places: nothing can be left out by a threshold."""
    return ranked(Input(setting, 11, 11, 0.0), setting, "11 positives anywhere", (), slow=False)


def ranked(data: Input, setting: Setting, positives: str, aims: tuple[Aim, ...], slow: bool) -> Work:
    """Gather the contestants."""
    scores, csr = data.scores, (data.indptr, data.ids)

    def ours() -> NDArray[Any]:
        found = hf.ranks(scores, csr, threads=setting.threads)
        hf.measure(found, NAMES)
        return found.values

    expected = ours()
    places = precision_and_reciprocal(data, expected)

    def same(values: NDArray[np.int64]) -> bool:
        # Those who count only greater scores stand one off at a tie.
        return len(values) > 0 and bool((values == expected[: len(values)]).mean() > 0.999)

    contestants = [Contestant("hybrid_fast", ours, role="ours")]
    for who, of_rows in (
        ("NumPy count, row by row", count_rows),
        ("NumPy counting in place, row by row", count_in_place),
        ("NumPy count, blocks of rows", count_blocks),
        ("NumPy filter by lowest positive, then count", filter_rows),
        ("NumPy sort, then searchsorted", sort_rows),
    ):
        contestants.append(Contestant(who, partial(with_numpy, data, of_rows), check=same))
    contestants += torch_contestants(data, setting, same)
    if slow:
        contestants += libraries(data, setting, places)
    contestants += readers(scores, setting)
    spread = np.percentile(expected, [50, 90]).astype(int)
    return Work(
        f"ranks + AP + RR, {len(scores):,} × {scores.shape[1]:,} f32, {positives}",
        scores.nbytes,
        "GB/s",
        contestants,
        aims,
        f"normal scores; the positives rank at {spread[0]:,} in the median, {spread[1]:,} at 90 %",
    )


def precision_and_reciprocal(
    data: Input, ranks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AP and RR of each query as one writes them in NumPy."""
    start = data.indptr[:-1]
    queries = data.query_of[: len(ranks)]
    order = np.lexsort((ranks, queries))
    ordered = ranks[order]
    within = np.arange(len(ranks)) - start[queries] + 1
    start = start[: queries[-1] + 1] if len(queries) else start[:0]
    average = np.add.reduceat(within / ordered, start) / np.diff(np.append(start, len(ranks)))
    return average, 1 / ordered[start]


def with_numpy(
    data: Input, of_rows: Callable[[Input, NDArray[np.int64], int, int], None]
) -> NDArray[np.int64]:
    """Rank by one of the ways below, rows shared among threads, and measure."""
    ranks = np.empty(len(data.ids), dtype=np.int64)
    over_rows(len(data.scores), data.threads, partial(of_rows, data, ranks))
    precision_and_reciprocal(data, ranks)
    return ranks


def count_rows(data: Input, ranks: NDArray[np.int64], start: int, stop: int) -> None:
    """Count the greater scores of each row for each positive, as one writes it."""
    for query in range(start, stop):
        row = data.scores[query]
        for place in range(data.indptr[query], data.indptr[query + 1]):
            ranks[place] = np.count_nonzero(row > row[data.ids[place]]) + 1


def count_in_place(data: Input, ranks: NDArray[np.int64], start: int, stop: int) -> None:
    """Count into memory that is there, exact for ties: equal scores count before the positive only."""
    scores, count = data.scores, np.count_nonzero
    above = np.empty(scores.shape[1], dtype=np.bool_)
    bounds, ids = data.indptr.tolist(), data.ids.tolist()
    for query in range(start, stop):
        row = scores[query]
        for place in range(bounds[query], bounds[query + 1]):
            gold = ids[place]
            own = row[gold]
            np.greater_equal(row[:gold], own, out=above[:gold])
            np.greater(row[gold:], own, out=above[gold:])
            ranks[place] = count(above) + 1


def count_blocks(data: Input, ranks: NDArray[np.int64], start: int, stop: int) -> None:
    """Count the greater scores of a block of rows, the first positives of all, then the second ones."""
    scores, starts, sizes = data.scores, data.indptr[:-1], np.diff(data.indptr)
    above = np.empty((BLOCK, scores.shape[1]), dtype=np.bool_)
    for first in range(start, stop, BLOCK):
        rows = np.arange(first, min(first + BLOCK, stop))
        block = scores[rows[0] : rows[-1] + 1]
        for turn in range(int(sizes[rows].max())):
            has = sizes[rows] > turn
            places = starts[rows[has]] + turn
            own = np.full(len(rows), np.inf, dtype=np.float32)
            own[has] = scores[rows[has], data.ids[places]]
            np.greater(block, own[:, None], out=above[: len(rows)])
            ranks[places] = np.count_nonzero(above[: len(rows)], axis=1)[has] + 1


def filter_rows(data: Input, ranks: NDArray[np.int64], start: int, stop: int) -> None:
    """Keep what reaches the lowest positive, and count among those."""
    for query in range(start, stop):
        row = data.scores[query]
        place = data.indptr[query]
        own = row[data.golds(query)]
        kept = row[row >= own.min()]
        for gold, score in enumerate(own):
            ranks[place + gold] = np.count_nonzero(kept > score) + 1


def sort_rows(data: Input, ranks: NDArray[np.int64], start: int, stop: int) -> None:
    """Sort the row and look the positives up."""
    columns = data.scores.shape[1]
    for query in range(start, stop):
        row = data.scores[query]
        ascending = np.sort(row)
        own = row[data.golds(query)]
        upto = slice(data.indptr[query], data.indptr[query + 1])
        ranks[upto] = columns - np.searchsorted(ascending, own, side="right") + 1


def torch_contestants(
    data: Input, setting: Setting, same: Callable[[NDArray[np.int64]], bool]
) -> list[Contestant]:
    """Return counting and sorting with torch."""
    torch = setting.library("torch")
    if torch is None:
        return []
    scores = torch.from_numpy(data.scores)
    starts, sizes = torch.from_numpy(data.indptr[:-1]), torch.from_numpy(np.diff(data.indptr))
    ids, query_of = torch.from_numpy(data.ids), torch.from_numpy(data.query_of)
    block = 64 * setting.threads

    def measured(rows: int, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        found = ranks[: data.indptr[rows]]
        precision_and_reciprocal(data, found)
        return found

    def count(rows: int) -> NDArray[np.int64]:
        ranks = torch.empty(len(data.ids), dtype=torch.int64)
        for first in range(0, rows, block):
            of = torch.arange(first, min(first + block, rows))
            some = scores[first : first + block][: len(of)]
            for turn in range(int(sizes[of].max())):
                has = sizes[of] > turn
                places = starts[of[has]] + turn
                own = torch.full((len(of), 1), float("inf"))
                own[has, 0] = scores[of[has], ids[places]]
                ranks[places] = (some > own).sum(1)[has] + 1
        return measured(rows, ranks.numpy())

    def argsort(rows: int) -> NDArray[np.int64]:
        ranks = torch.empty(len(data.ids), dtype=torch.int64)
        for first in range(0, rows, block):
            last = min(first + block, rows)
            order = scores[first:last].argsort(dim=1, descending=True)
            places = torch.empty_like(order)
            places.scatter_(1, order, torch.arange(1, order.shape[1] + 1).expand_as(order))
            upto = slice(int(data.indptr[first]), int(data.indptr[last]))
            ranks[upto] = places[query_of[upto] - first, ids[upto]]
        return measured(rows, ranks.numpy())

    some, share = data.share(2000)
    fewer, part = data.share(500)
    return [
        Contestant("torch count", lambda: count(some), share, check=same),
        Contestant("torch argsort", lambda: argsort(fewer), part, check=same),
    ]


def libraries(
    data: Input, setting: Setting, places: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> list[Contestant]:
    """Return the evaluation libraries, each with the input it wants already made."""
    return [
        *torchmetrics_contestant(data, setting, places),
        *ranx_contestant(data, setting, places),
        *trec_contestants(data, setting, places),
    ]


def close(values: Any, expected: NDArray[np.float64]) -> bool:
    """Tell whether averages agree, but for ties and float32."""
    return bool(abs(np.mean(values) - expected[: np.size(values)].mean()) < 1e-3)


def torchmetrics_contestant(
    data: Input, setting: Setting, places: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> list[Contestant]:
    """Return the functional form, which spares the grouping by query."""
    torch = setting.library("torch")
    if torch is None or setting.library("torchmetrics") is None:
        return []
    from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_reciprocal_rank

    rows, share = data.share(200)
    # It takes positives with a score of 0 or less for irrelevant; exp keeps the order.
    scores = torch.from_numpy(np.exp(data.scores[:rows]))
    targets = torch.zeros((rows, data.scores.shape[1]), dtype=torch.bool)
    upto = int(data.indptr[rows])
    targets[torch.from_numpy(data.query_of[:upto]), torch.from_numpy(data.ids[:upto])] = True

    def evaluate() -> list[float]:
        values = []
        for preds, target in zip(scores, targets, strict=True):
            values.append(float(retrieval_average_precision(preds, target)))
            retrieval_reciprocal_rank(preds, target)
        return values

    return [
        Contestant("torchmetrics", evaluate, share, check=lambda values: close(values, places[0])),
    ]


def ranx_contestant(
    data: Input, setting: Setting, places: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> list[Contestant]:
    """Return ranx on arrays, which it takes sorted: the sort belongs to the work."""
    ranx, numba = setting.library("ranx"), setting.library("numba")
    if ranx is None or numba is None:
        return []
    rows, share = data.share(500)
    columns = data.scores.shape[1]
    qrels = numba.typed.List(
        np.column_stack([np.sort(data.golds(query)), np.ones(len(data.golds(query)))])
        for query in range(rows)
    )

    def evaluate() -> Any:
        run = np.empty((rows, columns, 2))
        order = np.argsort(-data.scores[:rows], axis=1)
        run[:, :, 0] = order
        run[:, :, 1] = np.take_along_axis(data.scores[:rows], order, axis=1)
        return ranx.evaluate(qrels, run, ["map", "mrr"], return_mean=False, threads=setting.threads)["map"]

    return [
        Contestant("ranx, arrays", evaluate, share, check=lambda values: close(values, places[0])),
    ]


def trec_contestants(
    data: Input, setting: Setting, places: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> list[Contestant]:
    """Return trec_eval through Python; the making of its dictionaries is not timed."""
    rows, share = data.share(50)
    names = [f"d{passage}" for passage in range(data.scores.shape[1])]
    run = {f"q{query}": dict(zip(names, data.scores[query].tolist(), strict=True)) for query in range(rows)}
    qrels = {f"q{query}": {names[gold]: 1 for gold in data.golds(query)} for query in range(rows)}
    note = "making its dictionaries not timed"
    found = []
    pytrec_eval = setting.library("pytrec_eval")
    if pytrec_eval is not None:
        evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recip_rank"})
        found.append(
            Contestant(
                "pytrec_eval",
                lambda: [row["map"] for row in evaluator.evaluate(run).values()],
                share,
                note=note,
                check=lambda values: close(values, places[0]),
            )
        )
    ir_measures = setting.library("ir_measures")
    if ir_measures is not None:
        wanted = [ir_measures.AP, ir_measures.RR]
        found.append(
            Contestant(
                "ir_measures",
                lambda: [
                    row.value for row in ir_measures.iter_calc(wanted, qrels, run) if row.measure == wanted[0]
                ],
                share,
                note=note,
                check=lambda values: close(values, places[0]),
            )
        )
    return found
