"""How values stand in messages."""

from __future__ import annotations

from typing import Any

import pytest

from hybrid_fast.quoting import LONGEST_MESSAGE, SHOWN, quoted, shortened


class Speechless:
    """A value whose own repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("short", "'short'"),
        (3, "3"),
        (True, "True"),
        ([1], "[1]"),
        ({}, "an empty table"),
        ({"a": 1}, "a table with a"),
        (10**5000, "a number of about 5,000 digits"),
        (Speechless(), "a Speechless"),
    ],
    ids=range(8),
)
def test_a_value_is_quoted(value: object, shown: str) -> None:
    assert quoted(value) == shown


def test_a_long_value_is_quoted_in_part() -> None:
    deep: list[Any] = []
    for _ in range(10**5):
        deep = [deep]
    for value in ("x" * 10**6, list(range(10**5)), deep, {str(n): n for n in range(100)}):
        assert len(quoted(value)) <= 2 * SHOWN
    assert quoted("a" + "x" * 10**6) == f"'a{'x' * (SHOWN - 1)}'… (1,000,001 characters)"


def test_both_ends_of_a_long_message_stay() -> None:
    message = "begin" + "." * 10**4 + "end"
    assert shortened(message).startswith("begin")
    assert shortened(message).endswith("end")
    assert len(shortened(message)) == LONGEST_MESSAGE + 1
    assert shortened("short") == "short"
