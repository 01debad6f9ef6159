"""Indexes of parallel groups: every group in every language."""

from __future__ import annotations

import numpy as np

import hybrid_fast as hf


def parallel(languages, groups, *, shared=1, **identities):
    """Rows are group × languages + language; ``shared`` groups in a row have one passage."""
    cells = np.arange(groups * languages)
    group = cells // languages
    if shared > 1:
        identities["passage_identity"] = group // shared
    names = [f"l{number}" for number in range(languages)]
    return hf.PairIndex.from_columns(group, cells % languages, cells, cells, languages=names, **identities)
