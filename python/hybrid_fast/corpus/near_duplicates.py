"""Passages that say almost the same: exact Jaccard similarity of character 5-grams, without all pairs.

Two sets with a Jaccard similarity of at least t share one of the rarest ⌊(1 − t)·n⌋ + 1 grams of each
(prefix filtering: Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant 2007), so only texts that meet
in such a gram are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .joining import normalise_text

GRAM = 5
"""Characters in a gram; a shorter text is one gram."""


class NearDuplicate(NamedTuple):
    """Two texts, by position, and the Jaccard similarity of their grams."""

    first: int
    second: int
    similarity: float


def near_duplicates(texts: Sequence[str], *, threshold: float = 0.8) -> list[NearDuplicate]:
    """Return all pairs of texts that are near-duplicates of each other but not equal.

    Args:
        texts: compared after :func:`~hybrid_fast.corpus.joining.normalise_text`; of texts that are then
            equal only the first takes part.
        threshold: smallest Jaccard similarity, above 0 and at most 1.

    Returns:
        Pairs (first < second), in increasing order.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}, expected above 0 and at most 1")
    first_of: dict[str, int] = {}
    for number, text in enumerate(texts):
        first_of.setdefault(normalise_text(text), number)
    normal = [text for text in first_of if text]
    if len(normal) < 2:
        return []
    hashed = [_grams(text) for text in normal]
    sets = [frozenset(grams.tolist()) for grams in hashed]
    pairs = []
    for one, other in _candidates(hashed, threshold):
        common = len(sets[one] & sets[other])
        if common < threshold * (len(sets[one]) + len(sets[other]) - common) - 1e-9:
            continue
        similarity = jaccard(normal[one], normal[other])
        if similarity >= threshold:
            low, high = sorted((first_of[normal[one]], first_of[normal[other]]))
            pairs.append(NearDuplicate(low, high, similarity))
    return sorted(pairs)


def jaccard(one: str, other: str) -> float:
    """Return the share of common ones among the distinct character 5-grams of two texts."""
    first, second = (
        {text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))} for text in (one, other)
    )
    return len(first & second) / len(first | second)


def _grams(text: str) -> NDArray[np.uint64]:
    """Return the distinct grams of a text, each hashed to 64 bits."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    width = min(GRAM, len(codes))
    hashes = np.zeros(len(codes) - width + 1, np.uint64)
    for place in range(width):  # a polynomial modulo 2**64; candidates are compared as texts afterwards
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(hashes)] + np.uint64(1)
    return np.unique(hashes)


def _candidates(grams: list[NDArray[np.uint64]], threshold: float) -> list[tuple[int, int]]:
    _, numbers, counts = np.unique(np.concatenate(grams), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    numbers = rank[numbers]
    keys, owners = [], []
    start = 0
    sizes = np.array([len(item) for item in grams])
    for owner, size in enumerate(sizes.tolist()):
        own = np.sort(numbers[start : start + size])
        start += size
        # 1e-9 keeps a product such as 0.8 * 10 from being rounded up past its integer.
        prefix = own[: size - int(np.ceil(threshold * size - 1e-9)) + 1]
        keys.append(prefix)
        owners.append(np.full(len(prefix), owner))
    key, owner_of = np.concatenate(keys), np.concatenate(owners)
    order = np.argsort(key, kind="stable")
    key, owner_of = key[order], owner_of[order]
    found: list[NDArray[np.int64]] = []
    at, distance = np.arange(len(key)), 0
    while len(at):  # all pairs of owners that meet in a gram, by their distance in its list of owners
        distance += 1
        at = at[at + distance < len(key)]
        at = at[key[at] == key[at + distance]]
        low, high = owner_of[at], owner_of[at + distance]
        close = np.minimum(sizes[low], sizes[high]) >= threshold * np.maximum(sizes[low], sizes[high]) - 1e-9
        found.append(np.unique(low[close] * len(sizes) + high[close]))
    pairs = np.unique(np.concatenate(found))
    return list(zip((pairs // len(sizes)).tolist(), (pairs % len(sizes)).tolist(), strict=True))
