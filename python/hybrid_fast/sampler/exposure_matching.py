"""Weights of monolingual batches that keep each language's rows as they are at another ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidArgument
from .checks import ratio

_NOTHING = 1e-12
"""Shares nearer to 0 than this are rounding."""


@dataclass(frozen=True)
class ExposureMatched:
    """The rows seen per language, both sides together, are those of uniform weights at another α.

    Where strata are missing, a language's share of the cross-lingual rows differs from its share of the
    monolingual ones, so its exposure moves with α, and a sweep over α compares exposures too. Here
    cross-lingual batches keep uniform weights and those of monolingual batches are solved for.

    Attributes:
        mono_ratio: the reference α, 0 to 1.
    """

    mono_ratio: float = 0.5

    def __post_init__(self) -> None:
        ratio("the reference mono_ratio", self.mono_ratio)


def matched_weights(
    strata: NDArray[np.int64], languages: Sequence[str], mono_ratio: float, reference: float
) -> list[float] | None:
    """Return the weight of each language in monolingual batches; ``None`` if uniform weights do.

    With s = the share of each language in monolingual rows under uniform weights, c = its share of
    the cross-lingual sides (half as query, half as passage) and m = the weights, rows per language
    and side are α·m + (1 − α)·c, and those of the reference α₀·s + (1 − α₀)·c. So α·m is α₀·s + (α − α₀)·c.

    Args:
        strata: pairs [query language, passage language].
        languages: names, for messages.
        mono_ratio: α of the run.
        reference: α₀.

    Raises:
        InvalidArgument: a language would need a negative weight, or has no monolingual pair and would
            need one; named.
    """
    query, passage = np.nonzero(strata > 0)
    return weights_matched_over(query, passage, languages, mono_ratio, reference)


def weights_matched_over(
    query: NDArray[np.int64],
    passage: NDArray[np.int64],
    languages: Sequence[str],
    mono_ratio: float,
    reference: float,
) -> list[float] | None:
    """Return the same from the query and the passage language of each stratum that has pairs."""
    own = query == passage
    alone = np.zeros(len(languages), np.bool_)
    alone[query[own]] = True
    if own.all() or not own.any() or mono_ratio == reference:
        return None
    uniform = alone / alone.sum()
    counts = sum(np.bincount(side[~own], minlength=len(languages)) for side in (query, passage))
    sides = counts / (2 * np.count_nonzero(~own))
    needed = reference * uniform + (mono_ratio - reference) * sides
    lowest = int(needed.argmin())
    if needed[lowest] < -_NOTHING:
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.nanmax(reference * (1 - uniform / sides))
        raise InvalidArgument(
            f"exposure-matched weights need a negative weight for {languages[lowest]}: at mono_ratio "
            f"{mono_ratio:g} its cross-lingual rows alone are more than all its rows at {reference:g}; "
            f"take mono_ratio {_upwards(float(least)):g} or more, or another reference"
        )
    if missing := np.flatnonzero(~alone & (needed > _NOTHING)).tolist():
        raise InvalidArgument(
            f"exposure-matched weights need monolingual rows of {languages[missing[0]]}, which has no "
            f"monolingual pair: at mono_ratio {mono_ratio:g} its cross-lingual rows are fewer than at "
            f"{reference:g}; leave the language out, or take a mono_ratio below the reference"
        )
    weights = np.where(needed > _NOTHING, needed, 0.0)
    return (weights / weights.sum()).tolist() if weights.any() else None


def _upwards(value: float) -> float:
    """Round up to three decimals, so that the number named in a message is enough."""
    return float(np.ceil(value * 1000 - 1e-9) / 1000)
