"""A corpus as a Hugging Face data set of pairs, whose texts are put together when they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from ..corpus import Corpus
from ..errors import NotSupported
from ..pairs import PairIndex


def pair_ids(corpus: Corpus) -> NDArray[np.int64]:
    """Return the id of every pair of a corpus's index, increasing."""
    cells = corpus.cells
    answered = np.zeros((len(corpus.group_ids), len(corpus.languages)), dtype=np.bool_)
    with_passage = cells.passage >= 0
    answered[cells.group[with_passage], cells.language[with_passage]] = True
    exists = answered[cells.group] & (cells.query >= 0)[:, None]
    return np.flatnonzero(exists)


def pair_dataset(corpus: Corpus, index: PairIndex) -> Dataset:
    """Return the pairs of a corpus with the columns query and positive, for sentence-transformers' trainer.

    Only the pair ids are stored (8 bytes a pair). Give the trainer the index as well:
    ``batch_sampler=batch_sampler_for(index, mono_ratio=0.5)``.

    Args:
        corpus: where the texts come from.
        index: ``PairIndex.from_corpus(corpus)``.
    """
    stored = Dataset.from_dict({"pair": pair_ids(corpus)})
    stored.set_transform(_Texts(corpus, index))
    return stored


class _Texts:
    """Pair ids → texts, as a data set's transform."""

    def __init__(self, corpus: Corpus, index: PairIndex) -> None:
        self.corpus = corpus
        self.index = index

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[str]]:
        pairs = self.index.pairs(np.asarray(batch["pair"], dtype=np.int64))
        return {
            "query": [self.corpus.queries.texts[row] for row in pairs.query.tolist()],
            "positive": [self.corpus.passages.texts[row] for row in pairs.passage.tolist()],
        }

    def __deepcopy__(self, memo: dict[int, Any]) -> _Texts:
        return self  # a data set in another format is a deep copy

    def __reduce__(self) -> tuple[Any, ...]:
        # The data set names itself by a hash of this: the fingerprint stands for texts and index.
        return _left_behind, (self.index.fingerprint,)


def _left_behind(fingerprint: str) -> Any:
    raise NotSupported(
        f"the data set of corpus {fingerprint} cannot be sent to another process; "
        "load its batches in this one, or in workers that are forked"
    )
