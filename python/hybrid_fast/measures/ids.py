"""Ids of queries and documents: text, whatever type they come in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..arrays import is_missing
from ..errors import InvalidArgument
from ..quoting import quoted


def text_id(value: Any, of: str) -> str:
    """Return an id as text: 7, 7.0 (a column that pandas made decimal for its gaps) and "7" are one.

    Args:
        value: text or a whole number.
        of: what messages call it, as "query_id of record 3 of the run".

    Raises:
        InvalidArgument: it is missing, or a number that is not whole.
        TypeError: neither text nor a number.
    """
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        raise InvalidArgument(f"{of} is missing ({value!r})")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise InvalidArgument(f"{of} is {quoted(value)}, which is not UTF-8 text") from None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return whole_text(int(value), of)
    if isinstance(value, float | np.floating):
        if not float(value).is_integer():
            raise InvalidArgument(f"{of} is {float(value)!r}, expected text or a whole number")
        return whole_text(int(value), of)
    raise TypeError(f"{of} is {quoted(value)}, expected text or a whole number")


def whole_text(value: int, of: str) -> str:
    """Return the digits of a whole number."""
    if abs(value) >= 10**40:
        raise InvalidArgument(f"{of} is a number of more than 40 digits; give such ids as text")
    return str(value)


def by_number(name: str) -> tuple[Any, ...]:
    """Return what ids are ordered by under ``ties="id"``: text, with the digits in it read as numbers.

    So "d2" comes before "d10", "2" before "10", and ids of one length in the order of their text.
    """
    parts = re.split(r"([0-9]+)", name)
    # Digits by their number without leading zeros: first the longer, then the text.
    parts[1::2] = [(len(digits), digits) for digits in (part.lstrip("0") for part in parts[1::2])]
    return tuple(parts), name
