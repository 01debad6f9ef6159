"""α over time: a number, a schedule, or a function of the batch.

Time is the number of batches drawn so far over all epochs, ``epoch · len + n``. Whatever is given becomes
pieces on which α is constant or goes evenly from one value to another; the core follows their integral.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from ..errors import InvalidArgument
from .checks import ratio, whole

Piece: TypeAlias = tuple[int, float, float]
"""First batch, α there, and α at the end of the piece; the last piece goes on for ever."""

COSINE_PIECES = 64
"""Even slopes that stand for a cosine; it is nowhere more than .0003 of the range away."""

FORMS = (
    'a number from 0 to 1, "linear:FROM..TO", "cosine:FROM..TO" (both with ":BATCHES" after them or over one '
    'epoch), "piecewise:BATCH=RATIO,BATCH=RATIO" or a function of the batch number'
)


@dataclass(frozen=True)
class Linear:
    """α goes evenly from ``start`` to ``stop`` over ``batches`` (default: one epoch), then stays."""

    start: float
    stop: float
    batches: int | None = None

    def pieces(self, epoch: int) -> list[Piece]:
        """Return the pieces for epochs of ``epoch`` batches."""
        return [(0, self.start, self.stop), (self.batches or epoch, self.stop, self.stop)]


@dataclass(frozen=True)
class Cosine:
    """α goes from ``start`` to ``stop`` along half a cosine over ``batches`` (default: one epoch)."""

    start: float
    stop: float
    batches: int | None = None

    def pieces(self, epoch: int) -> list[Piece]:
        """Return the pieces for epochs of ``epoch`` batches."""
        batches = self.batches or epoch
        count = min(COSINE_PIECES, batches)
        starts = [batches * number // count for number in range(count + 1)]
        # Rounded so that a library's last digit does not change the plan.
        values = [
            round(self.start + (self.stop - self.start) * (1 - math.cos(math.pi * start / batches)) / 2, 9)
            for start in starts
        ]
        slopes = zip(starts, values, values[1:], strict=False)
        return [*slopes, (batches, self.stop, self.stop)]


@dataclass(frozen=True)
class Piecewise:
    """α is constant from each (batch, α) of ``changes`` on; the first batch is 0."""

    changes: tuple[tuple[int, float], ...]

    def pieces(self, epoch: int) -> list[Piece]:
        """Return the pieces; the length of an epoch plays no part."""
        return [(batch, value, value) for batch, value in self.changes]


Schedule: TypeAlias = Linear | Cosine | Piecewise
MonoRatio: TypeAlias = float | str | Schedule | Callable[[int], float]
"""What a sampler takes as ``mono_ratio``."""


def parse_mono_ratio(given: MonoRatio) -> float | Schedule | Callable[[int], float]:
    """Return the number, schedule or function that ``given`` means, checked.

    Raises:
        InvalidArgument: a text that is no schedule, or a value outside its range.
    """
    meant = _of_text(given) if isinstance(given, str) else given
    if isinstance(meant, Piecewise):
        return _piecewise(meant.changes)
    if isinstance(meant, Linear | Cosine):
        batches = meant.batches
        return type(meant)(
            ratio("mono_ratio", meant.start),
            ratio("mono_ratio", meant.stop),
            None if batches is None else whole("the batches of a schedule", batches, 1, 2**40),
        )
    if callable(meant):
        return meant
    return ratio("mono_ratio", meant)


def pieces_of(meant: float | Schedule | Callable[[int], float], epoch: int, epochs: int) -> list[Piece]:
    """Return the pieces of a checked α for epochs of ``epoch`` batches.

    A function is asked for every batch of the first ``epochs`` epochs.

    Raises:
        InvalidArgument: the function returned no number from 0 to 1.
    """
    if isinstance(meant, Linear | Cosine | Piecewise):
        return meant.pieces(epoch)
    if not callable(meant):
        return [(0, meant, meant)]
    pieces: list[Piece] = []
    for batch in range(epoch * epochs):
        try:
            told = meant(batch)
        except Exception as error:
            raise InvalidArgument(f"mono_ratio({batch}) raised {type(error).__name__}: {error}") from error
        value = ratio(f"mono_ratio({batch})", told)
        if not pieces or pieces[-1][1] != value:
            pieces.append((batch, value, value))
    return pieces


def mean_ratio(meant: Schedule | Callable[[int], float], epoch: int) -> float:
    """Return the mean of α over the first epoch, of ``epoch`` batches."""
    pieces = pieces_of(meant, epoch, 1)
    ends = [*(piece[0] for piece in pieces[1:]), max(epoch, pieces[-1][0])]
    areas = [
        (min(end, epoch) - start) * (first + last) / 2
        for (start, first, last), end in zip(pieces, ends, strict=True)
        if start < epoch
    ]
    return sum(areas) / epoch


def identity(meant: float | Schedule | Callable[[int], float], epoch: int) -> float | str | list[float]:
    """Return what tells one α over time from another; of a function, what it says here and there."""
    if callable(meant):
        return [float(meant(epoch * part // 16)) for part in range(16)]
    return meant if isinstance(meant, float) else label(meant)


def label(meant: float | Schedule | Callable[[int], float]) -> str:
    """Return α in a few characters."""
    if isinstance(meant, Linear | Cosine):
        name = "linear" if isinstance(meant, Linear) else "cosine"
        over = "" if meant.batches is None else f":{meant.batches}"
        return f"{name}:{meant.start:g}..{meant.stop:g}{over}"
    if isinstance(meant, Piecewise):
        return "piecewise:" + ",".join(f"{batch}={value:g}" for batch, value in meant.changes)
    return getattr(meant, "__name__", "a function") if callable(meant) else f"{meant:g}"


def _of_text(text: str) -> float | Schedule:
    name, _, rest = text.partition(":")
    try:
        if name in ("linear", "cosine"):
            values, _, batches = rest.partition(":")
            start, stop = (float(value) for value in values.split(".."))
            kind = Linear if name == "linear" else Cosine
            return kind(start, stop, int(batches) if batches else None)
        if name == "piecewise":
            changes = [item.split("=") for item in rest.split(",")]
            return Piecewise(tuple((int(batch), float(value)) for batch, value in changes))
        return float(text)
    except ValueError:
        raise InvalidArgument(f"mono_ratio is {text!r}, expected {FORMS}") from None


def _piecewise(changes: Sequence[tuple[int, float]]) -> Piecewise:
    checked = tuple(
        (whole("the batch of a change", batch, 0, 2**62), ratio("mono_ratio", value))
        for batch, value in changes
    )
    batches = [batch for batch, _ in checked]
    if not batches or batches[0] != 0 or any(a >= b for a, b in pairwise(batches)):
        raise InvalidArgument(
            f"the changes of mono_ratio are at batches {batches}, expected 0 first and ascending"
        )
    return Piecewise(checked)
