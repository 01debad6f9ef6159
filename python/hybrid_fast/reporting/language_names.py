"""English names of languages, as the report writes them."""

from __future__ import annotations

from ..corpus import languages
from ..errors import CorpusError


def language_name(code: str) -> str:
    """Return the English name of a language, or its code where it is none we know."""
    try:
        return languages.language_name(code)
    except CorpusError:
        return code


def language_label(code: str) -> str:
    """Return the name with its code: ``Arabic (ar)``."""
    name = language_name(code)
    return name if name == code else f"{name} ({code})"
