"""How values stand in messages."""

from __future__ import annotations

LONGEST = 60


def quoted(value: object) -> str:
    """Return the ``repr`` of a value, in part where it is long."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number of thousands of digits"
    except Exception:
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 10]}…"
