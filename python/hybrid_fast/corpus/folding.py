"""Texts with everything set aside that seldom changes what they say."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

from .joining import normalise_text

_ASCII = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in "$+<=>^`|~"}
"""ASCII characters that part words; symbols stay, since C and C++ differ."""


def folded(text: str) -> str:
    """Return a text for comparison, without regard to form, case, blanks and punctuation.

    In this order: Unicode NFKC; invisible characters (category Cf, such as soft hyphens and joiners)
    removed; case folded; NFKC again, for folding may undo it; runs of punctuation, blanks and control
    characters (categories P, Z, Cc) made one space, none at the ends. Letters, marks (vowel signs are
    such in many scripts), digits and symbols stay. A text of punctuation only keeps it.
    """
    if text.isascii():
        words = " ".join(text.casefold().translate(_ASCII).split())
    else:
        invisible, between = _patterns()
        words = unicodedata.normalize("NFKC", text)
        words = unicodedata.normalize("NFKC", invisible.sub("", words).casefold())
        words = between.sub(" ", words).strip(" ")
    return words or normalise_text(text)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what matches an invisible character, and a run of characters that part words."""
    invisible, between = [], []
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category == "Cf":
            invisible.append(code)
        elif category[0] in "PZ" or category == "Cc":
            between.append(code)
    return re.compile(f"[{_ranges(invisible)}]"), re.compile(f"[{_ranges(between)}]+")


def _ranges(codes: list[int]) -> str:
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)
