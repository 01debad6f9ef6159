"""How much of the batches each language gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import InvalidArgument, NotSupported
from ..pairs import PairIndex


def language_weights(
    index: PairIndex, given: str | float | Mapping[str, float] | Sequence[float]
) -> tuple[float | None, list[float] | None]:
    """Return the exponent of the sizes, or one weight a language, or neither for uniform weights."""
    if isinstance(given, str):
        if given == "uniform":
            return None, None
        if given == "exposure-matched":
            raise NotSupported('language_weights="exposure-matched" is not built yet; give weights')
        raise InvalidArgument(
            f'language_weights is {given!r}, expected "uniform", an exponent or a weight for each language'
        )
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in index.languages]
        missing = [name for name in index.languages if name not in given]
        if unknown:
            raise InvalidArgument(
                f"language_weights names {unknown[0]!r}, expected languages of the index: "
                f"{', '.join(index.languages)}"
            )
        if missing:
            raise InvalidArgument(
                f"language_weights has no weight for {', '.join(missing)}; give 0 to leave a language out"
            )
        weights = [float(given[name]) for name in index.languages]
    elif isinstance(given, Sequence | np.ndarray):
        weights = [float(weight) for weight in given]
        if len(weights) != len(index.languages):
            raise InvalidArgument(
                f"language_weights has {len(weights)} weights, expected one for each of "
                f"{len(index.languages)} languages"
            )
    else:
        return float(given), None
    for name, weight in zip(index.languages, weights, strict=True):
        if not (np.isfinite(weight) and weight >= 0):
            raise InvalidArgument(f"the weight of {name} is {weight}, expected 0 or more")
    return None, weights
