"""The pure part of evaluation: from embeddings and qrels to measures, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..config import DEFAULT_MEASURES, Setting
from ..corpus import Corpus
from ..errors import InvalidArgument, InvalidShape
from ..fields import joined, nearest
from ..measure_names import measures_of_ranks
from ..measures import measure
from ..progress import Progress
from ..quoting import quoted
from ..ranking import Ranks
from ..searching import search
from .evaluation import ALL_LANGUAGES, RANK_DISTANCE, SETTINGS, Cell, Evaluation
from .spread import rank_distance

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Golds:
    """The relevant passages of each query (grade above 0), in compressed sparse rows."""

    indptr: Ints
    passages: Ints
    grades: Ints

    @classmethod
    def of(cls, corpus: Corpus) -> Golds:
        """Take the relevant entries of a corpus's qrels."""
        relevant = corpus.qrels.grades > 0
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(relevant)])
        return cls(
            indptr=before[corpus.qrels.indptr],
            passages=np.ascontiguousarray(corpus.qrels.passages[relevant]),
            grades=np.ascontiguousarray(corpus.qrels.grades[relevant]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What one search pass gives: top k lists and the rank of each gold in both kinds of pool."""

    ids: Ints
    scores: NDArray[np.float32]
    ranks: Ints
    pool_ranks: Ints


def evaluate_embeddings(
    queries: Any,
    passages: Any,
    corpus: Corpus,
    *,
    settings: Sequence[Setting] = SETTINGS,
    measures: Sequence[str] = DEFAULT_MEASURES,
    top_k: int = 100,
    name: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate embeddings of a corpus's queries and passages in all settings, from one search pass.

    A query counts in a pool only if the pool holds one of its golds; the others are counted in
    :attr:`Evaluation.skipped`. Rank distance is added in the multilingual setting, over queries
    with at least two golds.

    Args:
        queries: float [queries, d], a row for each of ``corpus.queries``.
        passages: float [passages, d], a row for each of ``corpus.passages``.
        corpus: the texts' languages and qrels.
        settings: which pools to rank against.
        measures: names as in ir_measures.
        top_k: length of the lists kept for the run file and the language bias.
        name: what the tables call the evaluation; default: the corpus's name.
        threads: of the search; default: all.
        progress: called between blocks of the search.

    Raises:
        InvalidShape: the number of rows is not that of the corpus.
        NotANumber: a score is NaN (query and passage named).
        InvalidArgument: an unknown setting or measure.
    """
    check_names(settings, measures)
    for given, rows, side in ((queries, corpus.queries, "query"), (passages, corpus.passages, "passage")):
        if len(given) != len(rows):
            raise InvalidShape(
                f"{len(given)} {side} embeddings for the {len(rows)} {side} rows of {corpus.name}"
            )
    golds = Golds.of(corpus)
    found = search_once(
        queries,
        passages,
        golds.indptr,
        golds.passages,
        corpus.passages.languages,
        top_k=top_k,
        threads=threads,
        progress=progress,
    )
    return tabulate(found, golds, corpus, settings=settings, measures=measures, name=name)


def check_names(settings: Sequence[Setting], measures: Sequence[str], place: str = "") -> None:
    """Refuse settings and measures that do not exist, and none at all, before any work is done.

    Args:
        settings: names of settings.
        measures: names of measures.
        place: the way to both in a configuration, for the message.

    Raises:
        InvalidArgument: an unknown name, or an empty list.
    """
    known = get_args(Setting)
    for field, given in (("settings", settings), ("measures", measures)):
        where = joined(place, field)
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise InvalidArgument(f"{where} is {quoted(given)}, expected a list of names")
        if len(list(given)) == 0:
            raise InvalidArgument(f"{where} is empty, expected at least one")
    for position, setting in enumerate(settings):
        if setting not in known:
            where = f"{joined(place, 'settings')}[{position}]"
            close = nearest(setting, known) if isinstance(setting, str) else ""
            raise InvalidArgument(f"{where} is {quoted(setting)}, expected one of {', '.join(known)}{close}")
    try:
        measures_of_ranks(measures, judged=False)
    except (InvalidArgument, TypeError) as error:
        raise InvalidArgument(f"{joined(place, 'measures')}: {error}") from None


def search_once(
    queries: Any,
    passages: Any,
    indptr: Ints,
    golds: Ints,
    languages: NDArray[np.int16],
    *,
    top_k: int,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Found:
    """Run one search and lay the ranks of the golds out as flat arrays, aligned with ``golds``."""
    found = search(
        queries,
        passages,
        max(top_k, 1),
        positives=(indptr, golds),
        pools=languages,
        threads=threads,
        progress=progress,
    )
    assert found.ranks is not None  # there were positives
    assert found.pool_ranks is not None  # and pools
    return Found(
        ids=found.ids,
        scores=found.scores,
        ranks=found.ranks.values.astype(np.int64),
        pool_ranks=found.pool_ranks.values,
    )


def tabulate(
    found: Found,
    golds: Golds,
    corpus: Corpus,
    *,
    settings: Sequence[Setting],
    measures: Sequence[str],
    name: str | None,
) -> Evaluation:
    """Turn the ranks of all golds into measures of every cell."""
    language_of_query = np.asarray(corpus.queries.languages)
    language_of_gold = np.asarray(corpus.passages.languages)[golds.passages]
    pools = np.unique(corpus.passages.languages)
    named = _without_rank_distance(measures)
    cells: list[Cell] = []

    def add(setting: Setting, pool: str, queries: Ints, values: dict[str, NDArray[np.float64]]) -> None:
        """Split the measured queries of one pool into cells by query language."""
        own = language_of_query[queries]
        for language in np.unique(language_of_query):
            code = corpus.languages[language]
            is_own = setting == "monolingual"
            if setting != "multilingual" and is_own != (code == pool):
                continue
            here = own == language
            total = int(np.count_nonzero(language_of_query == language))
            cells.append(
                Cell(
                    setting=setting,
                    query_language=code,
                    passage_language=pool,
                    queries=queries[here],
                    values={item: array[here] for item, array in values.items()},
                    skipped=total - int(here.sum()),
                )
            )

    by_language: list[Setting] = [item for item in ("monolingual", "cross-lingual") if item in settings]
    if by_language:
        for pool in pools:
            queries, values = _measured(
                golds, found.pool_ranks, language_of_gold == pool, named, spread=False
            )
            for setting in by_language:
                add(setting, corpus.languages[pool], queries, values)
    if "multilingual" in settings:
        everywhere = np.ones(len(golds.passages), dtype=bool)
        queries, values = _measured(golds, found.ranks, everywhere, named, spread=True)
        add("multilingual", ALL_LANGUAGES, queries, values)
    return Evaluation(
        name=corpus.name if name is None else name,
        corpus=corpus,
        cells=tuple(sorted(cells, key=_order)),
        ids=found.ids,
        scores=found.scores,
        indptr=golds.indptr,
        golds=golds.passages,
        ranks=found.ranks,
        pool_ranks=found.pool_ranks,
    )


def _without_rank_distance(measures: Sequence[str]) -> list[str]:
    """Return the measures to take from any pool, each once; rank distance is added by itself."""
    named = (item.text for item in measures_of_ranks(measures, judged=False))
    return [item for item in named if item != RANK_DISTANCE]


def _order(cell: Cell) -> tuple[int, str, str]:
    return SETTINGS.index(cell.setting), cell.query_language, cell.passage_language


def _measured(
    golds: Golds, ranks: Ints, chosen: NDArray[np.bool_], measures: list[str], *, spread: bool
) -> tuple[Ints, dict[str, NDArray[np.float64]]]:
    """Measure the queries that have a chosen gold, by their chosen golds only.

    Returns the query rows and measure → value of each.
    """
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(chosen)])
    counts = np.diff(before[golds.indptr])
    queries = np.flatnonzero(counts)
    indptr = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts[queries])])
    values = np.ascontiguousarray(ranks[chosen])
    found: dict[str, NDArray[np.float64]] = {}
    if len(queries):
        result = measure(Ranks(indptr, values), measures, grades=golds.grades[chosen])
        found = {item: np.asarray(result.per_query[item], dtype=np.float64) for item in measures}
        if spread:
            found[RANK_DISTANCE] = rank_distance(indptr, values)
    return queries, found
