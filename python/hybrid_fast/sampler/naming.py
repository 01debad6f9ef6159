"""Languages and identities by name in messages."""

from __future__ import annotations

import re
from collections.abc import Sequence


def frequent_text(one: tuple[str, int, tuple[int, int] | None, int, int], names: Sequence[str]) -> str:
    """Say which identity comes too often, and where."""
    kind, identity, stratum, rows, placed = one
    where = "the mixed strata" if stratum is None else f"{names[stratum[0]]}→{names[stratum[1]]}"
    what = f"text {identity}" if kind == "text" else f"{kind} identity {identity}"
    return f"{what} has {rows} rows in {where}, of which a pass can place {placed}; the others are deferred"


def named(message: str, languages: Sequence[str]) -> str:
    """Put names for the language numbers of a message from the core."""
    return re.sub(r"language (\d+)", lambda found: languages[int(found.group(1))], message)
