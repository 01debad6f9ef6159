"""Values that a user gives, checked."""

from __future__ import annotations

import operator
from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from ..errors import InvalidArgument

GUARDS = ("group", "query", "passage")
"""Identities that must not come twice in a batch."""


def whole(name: str, value: Any, least: int, most: int) -> int:
    """Return a whole number within ``least`` and ``most``, or say what is wrong with it."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} is {value}, expected a whole number")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, expected a whole number") from None
    if not least <= number <= most:
        raise InvalidArgument(f"{name} is {number}, expected {least} to {most}")
    return number


def choice(name: str, value: Any, known: Sequence[str]) -> str:
    """Return one of some names, or say which there are."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, expected one of {', '.join(known)}")
    if value not in known:
        raise InvalidArgument(f"{name} is {value!r}, expected one of {', '.join(known)}")
    return value


def ratio(name: str, value: Any) -> float:
    """Return a number from 0 to 1, or say what is wrong with it."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} is {value!r}, expected a number from 0 to 1") from None
    if not 0.0 <= number <= 1.0:
        raise InvalidArgument(f"{name} is {number}, expected a number from 0 to 1")
    return number


def guard_names(guard: Sequence[str]) -> tuple[str, ...]:
    """Return the names of guards, each once and in the order of :data:`GUARDS`."""
    if not isinstance(guard, Sequence | Set) or isinstance(guard, str):
        raise TypeError(f"guard is {guard!r}, expected a list of names from {', '.join(GUARDS)}")
    names = tuple(guard)
    for name in names:
        if not isinstance(name, str) or name not in GUARDS:
            raise InvalidArgument(f"guard names {name!r}, expected names from {', '.join(GUARDS)}")
    return tuple(name for name in GUARDS if name in names)
