"""How values and other libraries' messages stand in a message: in part where they are long."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence

SHOWN = 60
"""Characters of a value that a message quotes."""
LONGEST_MESSAGE = 240
"""Characters of another library's message that are repeated."""


def quoted(value: object) -> str:
    """Return a value as a message shows it: in part where it is long, whatever it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= SHOWN else f"{value[:SHOWN]!r}… ({len(value):,} characters)"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return f"a number of about {int((value.bit_length() - 1) * math.log10(2)) + 1:,} digits"
    if isinstance(value, Mapping):
        return f"a table with {listed([str(key)[:SHOWN] for key in value])}" if value else "an empty table"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"a {type(value).__name__}"
    if isinstance(value, list | tuple) and any(isinstance(item, list | tuple | Mapping) for item in value):
        return "a list of lists or tables"
    try:
        text = " ".join((str(value) if isinstance(value, os.PathLike) else repr(value)).split())
    except Exception:  # numbers of thousands of digits, lists thousands deep, a repr of their own that fails
        return f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def shortened(text: str) -> str:
    """Return a message of another library, the middle of a long one left out."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    return f"{text[: LONGEST_MESSAGE * 2 // 3]}…{text[-LONGEST_MESSAGE // 3 :]}"
