"""Language bias: how far a retriever prefers passages of some languages over others of the same meaning.

Three views of the multilingual pool, where a question has one gold in each language:

- *rank distance* (arXiv 2408.10536, section 4): worst rank − best rank over a query's golds, mean
  over a language's queries, then over languages. Lower is better; with n golds the floor is n − 1.
  It is also low when all golds rank equally badly, so show it beside the average precision.
- *Max@R* (arXiv 2604.05684): the worst rank, i.e. how deep a list must be to hold all golds. The
  floor is n.
- *language share*: of the best k passages, the part in each language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidArgument
from .evaluation import Evaluation
from .evaluation.spread import max_at_r, rank_distance
from .extras import needed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["language_bias", "language_share", "max_at_r", "rank_distance"]


def language_share(
    ids: NDArray[np.int64], passage_languages: NDArray[np.int16], languages: int, *, k: int = 10
) -> NDArray[np.float64]:
    """Return [queries, languages]: the part of each query's best k passages in each language.

    Args:
        ids: int64 [queries, depth] passage rows, best first; depth at least k, or the whole pool.
        passage_languages: int16 language of each passage.
        languages: how many there are.
        k: how far to look; where the pool is smaller, the whole of it.

    Raises:
        InvalidArgument: k is below 1, or beyond the lists although the pool is larger.
    """
    if k < 1:
        raise InvalidArgument(f"k is {k}, expected 1 or more")
    if k > ids.shape[1] < len(passage_languages):
        raise InvalidArgument(
            f"k is {k} and the lists hold {ids.shape[1]} passages: evaluate with a larger top_k"
        )
    top = passage_languages[ids[:, :k]].astype(np.int64)
    rows = np.arange(len(top))[:, None] * languages
    counts = np.bincount((rows + top).ravel(), minlength=len(top) * languages)
    share: NDArray[np.float64] = counts.reshape(len(top), languages) / max(top.shape[1], 1)
    return share


def language_bias(evaluation: Evaluation, *, k: int = 10) -> pd.DataFrame:
    """Tabulate the bias of an evaluation in its multilingual pool.

    Args:
        evaluation: any evaluation; its settings do not matter.
        k: depth of the language share.

    Returns:
        Long table: evaluation, query_language ("*" for the macro mean over query languages),
        passage_language ("*" where a measure has none), measure ("rank_distance", "Max@R",
        "share@k"), value, queries. Queries without golds are left out everywhere, queries with one
        gold out of the rank distance.
    """
    with needed("a table"):
        import pandas as pd

    corpus = evaluation.corpus
    with_golds = np.diff(evaluation.indptr) > 0
    measured: list[tuple[str, str, NDArray[np.float64]]] = [
        ("*", "rank_distance", rank_distance(evaluation.indptr, evaluation.ranks)),
        ("*", "Max@R", max_at_r(evaluation.indptr, evaluation.ranks)),
    ]
    shares = language_share(evaluation.ids, np.asarray(corpus.passages.languages), len(corpus.languages), k=k)
    measured += [
        (corpus.languages[code], f"share@{k}", shares[:, code])
        for code in np.unique(corpus.passages.languages)
    ]
    rows = []
    for passage_language, name, values in measured:
        means = []
        counts = 0
        for code in np.unique(corpus.queries.languages):
            own = values[with_golds & (corpus.queries.languages == code) & ~np.isnan(values)]
            if len(own):
                means.append(float(own.mean()))
                counts += len(own)
                rows.append((corpus.languages[code], passage_language, name, means[-1], len(own)))
        if means:
            rows.append(("*", passage_language, name, float(np.mean(means)), counts))
    columns = ["query_language", "passage_language", "measure", "value", "queries"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "evaluation", evaluation.name)
    return table
