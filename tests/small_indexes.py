"""Pair indexes written out by rule, for tests."""

import numpy as np

import hybrid_fast as hf


def parallel_index(groups: int = 60, languages: tuple[str, ...] = ("de", "en", "sw")) -> hf.PairIndex:
    """Every group in every language; every third passage is also that of the next group."""
    count = len(languages)
    cells = np.arange(groups * count)
    group = cells // count
    return hf.PairIndex.from_columns(
        group=group,
        language=cells % count,
        query=cells,
        passage=cells,
        languages=languages,
        query_identity=group,
        passage_identity=group - (group % 3 == 1),
    )
