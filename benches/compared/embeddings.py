"""Synthetic embeddings that are shaped like those of a multilingual retriever."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARES = {"common": 0.70, "language": 0.03, "topic": 0.12, "own": 0.15}
"""Parts of a vector's squared length: unrelated texts have a mean cosine of .7, like E5's."""

DESCRIPTION = (
    "unit vectors of √.70 · a common direction + √.03 · its language + √.12 · its topic + √.15 · its own, "
    "each drawn with a spectrum of (i + 1)^−.3, turned by a random rotation; fixed seeds"
)


@dataclass(frozen=True)
class Parallel:
    """Texts of several languages on common topics."""

    queries: NDArray[np.float32]
    passages: NDArray[np.float32]
    positives: NDArray[np.int64]
    pools: NDArray[np.int64]


class Space:
    """Draws unit vectors of common, language, topic and own parts."""

    def __init__(self, dimension: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.spectrum = (np.arange(dimension) + 1.0) ** -0.3
        self.rotation = np.linalg.qr(self.rng.standard_normal((dimension, dimension)))[0].astype(np.float32)
        self.common = self.units(1)

    def units(self, rows: int) -> NDArray[np.float32]:
        """Return random directions."""
        drawn = self.rng.standard_normal((rows, len(self.spectrum)), dtype=np.float32)
        drawn *= self.spectrum.astype(np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return drawn

    def texts(self, languages: NDArray[np.float32], topics: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one vector per row of ``topics``, in the language of the same row."""
        parts = {
            "common": self.common, "language": languages, "topic": topics, "own": self.units(len(topics)),
        }  # fmt: skip
        rows = sum(np.float32(SHARES[name] ** 0.5) * part for name, part in parts.items())
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        turned: NDArray[np.float32] = np.ascontiguousarray(rows @ self.rotation, dtype=np.float32)
        return turned


def parallel(queries: int, passages: int, dimension: int, pools: int, seed: int = 13) -> Parallel:
    """Return passages of ``pools`` languages pool after pool, and queries with one positive a pool."""
    space = Space(dimension, seed)
    rng = np.random.default_rng([seed, 1])
    each = np.diff(passages * np.arange(pools + 1) // pools)
    labels = np.repeat(np.arange(pools), each)
    starts = np.concatenate([[0], np.cumsum(each)[:-1]])
    topic_of = np.arange(passages) - starts[labels]
    topics, languages = space.units(int(each.max())), space.units(pools)
    rows = space.texts(languages[labels], topics[topic_of])
    about = rng.integers(0, each.min(), queries)
    asked = space.texts(languages[np.arange(queries) % pools], topics[about])
    return Parallel(asked, rows, starts[None, :] + about[:, None], labels)
