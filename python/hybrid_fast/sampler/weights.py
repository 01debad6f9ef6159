"""How much of the batches each language gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from .._core import language_sizes
from ..corpus.language_labels import by_language
from ..errors import CorpusError, InvalidArgument
from ..pairs import PairIndex
from .capped_epochs import CappedEpochs, capped_rows
from .exposure_matching import ExposureMatched, weights_matched_over

LanguageWeights: TypeAlias = (
    str | float | Mapping[str, float] | Sequence[float] | CappedEpochs | ExposureMatched
)
"""What a sampler takes as ``language_weights``."""

FORMS = (
    '"uniform", the exponent of size^t, a weight for each language, "capped:EPOCHS", '
    '"capped:EPOCHS:ROWS", "exposure-matched" or "exposure-matched:RATIO"'
)
"""The forms of language weights, as messages name them."""


class Weights(NamedTuple):
    """Weights as the core takes them; uniform where all are ``None``.

    Attributes:
        exponent: of the sizes.
        each: one weight a language.
        mono: one weight a language for monolingual batches, where those differ.
    """

    exponent: float | None = None
    each: list[float] | None = None
    mono: list[float] | None = None


def resolve_weights(
    index: PairIndex,
    given: LanguageWeights,
    *,
    batch_size: int,
    batches_per_epoch: int | None,
    mono_ratio: float,
) -> Weights:
    """Return the weights that ``given`` means for an index.

    Args:
        index: what is drawn from.
        given: language weights as a user writes them.
        batch_size: rows of a global batch.
        batches_per_epoch: as given to the sampler.
        mono_ratio: α; under a schedule its mean.

    Raises:
        InvalidArgument: a form, name or value that is none.
    """
    meant = parse_weights(given) if isinstance(given, str) else given
    if meant is None:
        return Weights()
    if isinstance(meant, CappedEpochs):
        return Weights(each=_capped(index, meant, batch_size, batches_per_epoch))
    if isinstance(meant, ExposureMatched):
        mono = weights_matched_over(*index.stratum_sizes[:2], index.languages, mono_ratio, meant.mono_ratio)
        return Weights(mono=mono)
    if isinstance(meant, Mapping | Sequence | np.ndarray):
        return Weights(each=_explicit(index, meant))
    try:
        return Weights(exponent=float(meant))
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"language_weights is {given!r}, expected {FORMS}") from None


def parse_weights(text: str) -> float | CappedEpochs | ExposureMatched | None:
    """Return what a text form of language weights means; ``None`` is uniform.

    Raises:
        InvalidArgument: a text that is no such form.
    """
    name, *parts = text.split(":")
    wrong = InvalidArgument(f"language_weights is {text!r}, expected {FORMS}")
    try:
        if name == "uniform" and not parts:
            return None
        if name == "capped" and len(parts) in (1, 2):
            return CappedEpochs(float(parts[0]), *(int(rows) for rows in parts[1:]))
        if name == "exposure-matched" and len(parts) <= 1:
            return ExposureMatched(*(float(reference) for reference in parts))
        if not parts:
            return float(name)
    except InvalidArgument:
        raise
    except ValueError:
        raise wrong from None
    raise wrong


def _capped(
    index: PairIndex, given: CappedEpochs, batch_size: int, batches_per_epoch: int | None
) -> list[float] | None:
    sizes, queries = language_sizes(index._core)
    batches = batches_per_epoch or sum(rows // batch_size for rows in queries)
    rows = capped_rows(sizes, given.rows or batches * batch_size, given.epochs)
    # Without a row to draw, the core says what is missing.
    return rows.tolist() if rows.any() else None


def _explicit(index: PairIndex, given: Mapping[str, float] | Sequence[float]) -> list[float]:
    if isinstance(given, Mapping):
        try:
            given = by_language(given, index.languages)
        except CorpusError as error:
            raise InvalidArgument(f"language_weights: {error}") from None
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
        weights = [_weight(given[name]) for name in index.languages]
    else:
        weights = [_weight(weight) for weight in np.ravel(given).tolist()]
        if len(weights) != len(index.languages):
            raise InvalidArgument(
                f"language_weights has {len(weights)} weights, expected one for each of "
                f"{len(index.languages)} languages"
            )
    for name, weight in zip(index.languages, weights, strict=True):
        if not (np.isfinite(weight) and weight >= 0):
            raise InvalidArgument(f"the weight of {name} is {weight}, expected 0 or more")
    return weights


def _weight(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number is told
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"language_weights holds {value!r}, expected numbers of 0 or more") from None
