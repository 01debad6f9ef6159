"""Identities: which groups must not meet in a batch because they share a passage or a question."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


def normalise_text(text: str) -> str:
    """Return a text for comparison: compatibility characters and case folded, runs of blanks one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def text_numbers(texts: Iterable[str]) -> Int64s:
    """Return a number for each text, equal for texts that are equal after :func:`normalise_text`."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(normalise_text(text), len(numbers)) for text in texts), np.int64)


def joined_groups(groups: Int64s, keys: Int64s, count: int, links: Iterable[tuple[int, int]] = ()) -> Int64s:
    """Join groups that share a key, and theirs in turn (connected components).

    Args:
        groups: int64[n], a group of each occurrence, from 0 to ``count`` - 1.
        keys: int64[n], what occurs: rows or numbers of texts.
        count: number of groups.
        links: further pairs of groups to join.

    Returns:
        int64[count]: the smallest group of each group's component.
    """
    parent = list(range(count))

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    order = np.lexsort((groups, keys))
    same_key = keys[order[1:]] == keys[order[:-1]]
    edges = np.stack([groups[order[:-1]][same_key], groups[order[1:]][same_key]], axis=1)
    edges = np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0)
    for first, second in (*edges.tolist(), *links):
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return np.fromiter((root(group) for group in range(count)), np.int64, count)


def identities(
    group: Int64s,
    row: Int64s,
    texts: Sequence[str] | Mapping[int, str],
    count: int,
    links: Iterable[tuple[int, int]] = (),
) -> Int64s:
    """Return one identity a cell: equal for cells of groups joined by a text they share in any language.

    Args:
        group: int64[cells], the group of each cell.
        row: int64[cells], the row of the cell's text, or -1 where it has none.
        texts: the text of each row that a cell names.
        count: number of groups.
        links: further pairs of groups to join.

    Returns:
        int64[cells].
    """
    present = row >= 0
    rows = row[present]
    used, place = np.unique(rows, return_inverse=True)
    keys = text_numbers(texts[int(item)] for item in used)
    return joined_groups(group[present], keys[place], count, links)[group]
