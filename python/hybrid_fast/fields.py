"""Fields of a configuration: values held to types and limits; each refusal is one sentence with its place.

A place is the way to a field, as in ``train.sampler.batch_size`` or ``evaluations[0].measures``. The same
checks hold for a dataclass made in Python, for a mapping or file, and for options of the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from .errors import ConfigError
from .quoting import SHOWN, quoted

T = TypeVar("T")

Limit = Callable[[Any, str], None]
"""Raises a :class:`FieldError` for a value (of the right type) at a place; says nothing of a good one."""

MOST = 2**31 - 1
"""Largest count of anything: what libraries below take."""
MOST_THREADS = 2**16
"""Most threads of one call: beyond any machine, and below what fails without a word."""


class FieldError(ConfigError):
    """A field that is unknown, missing, or holds what it cannot hold.

    Attributes:
        place: the way to the field.
        problem: the rest of the sentence.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place} {problem}")
        self.place = place
        self.problem = problem

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, str]]:
        return type(self), (self.place, self.problem)

    def below(self, outer: str) -> FieldError:
        """Return the same error, seen from further outside."""
        return FieldError(joined(outer, self.place), self.problem)


class UnknownFieldError(FieldError):
    """A key that no field has."""

    def below(self, outer: str) -> FieldError:
        """Return the same error, seen from further outside."""
        return UnknownFieldError(joined(outer, self.place), self.problem)


def joined(outer: str, inner: str) -> str:
    """Return the place of ``inner`` as seen from further outside."""
    return f"{outer}.{inner}" if outer and inner else outer or inner


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for a name that is close to a known one, else nothing."""
    folded = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name[:200].lower(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[found[0]]}?" if found else ""


def at_least(least: int, most: int = MOST) -> Limit:
    """Limit a count."""

    def check(value: Any, place: str) -> None:
        if value < least:
            raise FieldError(place, f"is {quoted(value)}, expected {least} or more")
        if value > most:
            raise FieldError(place, f"is {quoted(value)}, expected {most:,} or less")

    return check


def above(least: float) -> Limit:
    """Limit a number from below, the limit itself excluded."""

    def check(value: Any, place: str) -> None:
        if not value > least:
            raise FieldError(place, f"is {quoted(value)}, expected above {least:g}")

    return check


def not_negative(value: Any, place: str) -> None:
    """Limit a number to 0 or more."""
    if value < 0:
        raise FieldError(place, f"is {quoted(value)}, expected 0 or more")


def between(least: float, most: float, words: str = "") -> Limit:
    """Limit a number; ``words`` stand for the limits, for instance where one is excluded."""

    def check(value: Any, place: str) -> None:
        if not least <= value <= most:
            raise FieldError(
                place, f"is {quoted(value)}, expected {words or f'between {least:g} and {most:g}'}"
            )

    return check


def seed_range(value: Any, place: str) -> None:
    """Limit a seed."""
    if not 0 <= value < 2**64:
        raise FieldError(place, f"is {quoted(value)}, expected from 0 to 2**64 - 1")


def filled(value: Any, place: str) -> None:
    """Refuse a text without a character, and a list without an item."""
    if isinstance(value, str):
        if not value.strip():
            raise FieldError(place, f"is {quoted(value)}, expected a text")
    elif len(value) == 0:
        raise FieldError(place, "is empty, expected at least one")


def each(*limits: Limit) -> Limit:
    """Limit every item of a list."""

    def check(value: Any, place: str) -> None:
        for position, item in enumerate(value):
            for limit in limits:
                limit(item, f"{place}[{position}]")

    return check


def check_fields(config: Any, **limits: Limit | tuple[Limit, ...]) -> None:
    """Hold the fields of a dataclass to their annotations and limits; ``__post_init__`` calls this.

    Lists become tuples, texts become paths and NumPy's numbers Python's where the annotation says so.
    Limits are not asked about ``None``.

    Raises:
        FieldError: the first field that is wrong.
    """
    hints = field_hints(type(config))
    for item in dataclasses.fields(config):
        given = getattr(config, item.name)
        value = conform(hints[item.name], given, item.name, exact=True)
        if value is not given:
            object.__setattr__(config, item.name, value)
        for limit in _as_tuple(limits.get(item.name, ())):
            if value is not None:
                limit(value, item.name)


_HINTS: dict[type, dict[str, Any]] = {}


def field_hints(kind: type) -> dict[str, Any]:
    """Return the resolved annotation of each field of a dataclass, which takes time once."""
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def build(kind: type[T], mapping: Mapping[str, Any], place: str = "") -> T:
    """Make a dataclass from plain values; keys may have dashes for underscores.

    Raises:
        FieldError: a key that is unknown or missing, or a value that does not fit, with its place.
    """
    hints = field_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]  # a dataclass
    values: dict[str, Any] = {}
    for key, given in mapping.items():
        name = key.replace("-", "_") if isinstance(key, str) else ""
        if name not in fields:
            shown = key if isinstance(key, str) and len(key) <= SHOWN else quoted(key)
            close = nearest(str(shown), fields)
            raise UnknownFieldError(
                joined(place, shown), f"is not a field of {place or kind.__name__}{close}"
            )
        if name in values:
            raise FieldError(joined(place, name), "is given twice, with a dash and with an underscore")
        values[name] = conform(hints[name], given, joined(place, name))
    for name, item in fields.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise FieldError(joined(place, name), "is missing")
    try:
        return kind(**values)
    except FieldError as error:
        raise error.below(place) from None


def conform(hint: Any, value: Any, place: str, *, exact: bool = False) -> Any:
    """Return ``value`` as its annotation wants it.

    Args:
        hint: bool, int, float, str, Path, a Literal, a dataclass, ``tuple[X, ...]``, ``dict[str, X]`` or a
            union of these.
        value: plain, or of the type already.
        place: the way to it, for messages.
        exact: leave whole numbers as they are where a float is expected, as digests of configurations
            made in Python hold them.

    Raises:
        FieldError: the value does not fit.
    """
    if hint is Any:
        return value
    origin = get_origin(hint)
    if origin is typing.Annotated:
        return conform(get_args(hint)[0], value, place, exact=exact)
    if origin in (Union, types.UnionType):
        return _of_union(get_args(hint), value, place, exact)
    if origin is Literal:
        return _of_literal(get_args(hint), value, place)
    if origin is tuple:
        return _of_list(get_args(hint)[0], value, place, exact)
    if origin is dict:
        return _of_table(get_args(hint)[1], value, place)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if isinstance(value, Mapping):
            return build(hint, value, place)
        raise FieldError(place, f"is {quoted(value)}, expected a table (of the fields of {hint.__name__})")
    if hint is float:
        return _number(value, place, exact)
    return {bool: _bool, int: _whole, str: _text, Path: _path}[hint](value, place)


def words_of(hint: Any) -> str:
    """Return what a value of an annotation is, in words."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(words_of(one) for one in get_args(hint) if one is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(str(one) for one in get_args(hint))
    if origin is tuple:
        return "a list"
    if origin is dict or dataclasses.is_dataclass(hint):
        return "a table"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
    return words.get(hint, "a value")


def _of_union(hints: Sequence[Any], value: Any, place: str, exact: bool) -> Any:
    if value is None and type(None) in hints:
        return None
    members = [hint for hint in hints if hint is not type(None)]
    if len(members) == 1:
        return conform(members[0], value, place, exact=exact)
    for hint in members:
        if _is_alike(hint, value):
            return conform(hint, value, place, exact=exact)
    expected = " or ".join(words_of(hint) for hint in members)
    raise FieldError(place, f"is {quoted(value)}, expected {expected}")


def _is_alike(hint: Any, value: Any) -> bool:
    """Say whether a value is of the sort of a member of a union, whatever else is wrong with it."""
    origin = get_origin(hint) or hint
    if origin is tuple:
        return isinstance(value, list | tuple)
    if origin is dict or dataclasses.is_dataclass(origin):
        return isinstance(value, Mapping)
    if origin in (int, float):
        return hasattr(value, "__float__") and not _is_bool(value)
    return isinstance(value, origin)


def _of_literal(known: Sequence[Any], value: Any, place: str) -> Any:
    if isinstance(value, str) and value in known:
        return value
    close = nearest(value, known) if isinstance(value, str) else ""
    raise FieldError(place, f"is {quoted(value)}, expected one of {', '.join(known)}{close}")


def _of_list(hint: Any, value: Any, place: str, exact: bool) -> tuple[Any, ...]:
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise FieldError(place, f"is {quoted(value)}, expected a list")
    items = tuple(conform(hint, item, f"{place}[{at}]", exact=exact) for at, item in enumerate(value))
    if isinstance(value, tuple) and all(a is b for a, b in zip(items, value, strict=True)):
        return value
    return items


def _of_table(hint: Any, value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise FieldError(place, f"is {quoted(value)}, expected a table")
    return {
        _text(key, f"a key of {place}"): conform(hint, item, joined(place, str(key)), exact=True)
        for key, item in value.items()
    }


def _bool(value: Any, place: str) -> bool:
    if _is_bool(value):
        return bool(value)
    raise FieldError(place, f"is {quoted(value)}, expected true or false")


def _whole(value: Any, place: str) -> int:
    if not _is_bool(value):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise FieldError(place, f"is {quoted(value)}, expected a whole number")


def _number(value: Any, place: str, exact: bool) -> float:
    if _is_bool(value) or not hasattr(value, "__float__"):
        raise FieldError(place, f"is {quoted(value)}, expected a number")
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.inf
    if not math.isfinite(number):
        raise FieldError(place, f"is {quoted(value)}, expected a finite number")
    return value if exact and isinstance(value, int | float) else number


def _is_bool(value: Any) -> bool:
    """Say whether a value is a truth value, NumPy's too, without loading NumPy."""
    return type(value).__name__ in ("bool", "bool_")


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise FieldError(place, f"is {quoted(value)}, expected a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FieldError(place, f"is {quoted(value)}, which is not Unicode (a lone surrogate)") from None
    return value


def _path(value: Any, place: str) -> Path:
    if not isinstance(value, str | os.PathLike) or isinstance(value, bytes):
        raise FieldError(place, f"is {quoted(value)}, expected a path")
    text = os.fspath(value)
    if not isinstance(text, str) or not text or "\0" in text:
        raise FieldError(place, f"is {quoted(text)}, expected a path")
    _text(text, place)
    return value if isinstance(value, Path) else Path(text)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
