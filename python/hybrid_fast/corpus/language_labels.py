"""Languages as users label them: codes of one language are one, any other label stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import CorpusError
from .languages import normalise_language

_CODE = re.compile("[A-Za-z]{2,3}([-_].*)?", re.DOTALL)
"""What may be a code; the table is not asked about anything else."""


def language_label(label: str) -> str:
    """Return the one code of a language, or the label without blanks around it where it is no code."""
    bare = label.strip()
    if not _CODE.fullmatch(bare):
        return bare
    try:
        return normalise_language(bare)
    except CorpusError:
        return bare


def one_language_twice(names: Iterable[str]) -> tuple[str, str, str] | None:
    """Return the first two of some names that are codes of one language, and its code."""
    found: dict[str, str] = {}
    for name in names:
        code = language_label(name)
        if code in found:
            return found[code], name, code
        found[code] = name
    return None


def by_language(given: Mapping[str, float], languages: Iterable[str]) -> dict[str, float]:
    """Return what was given by any codes under the names of ``languages``; unknown names stay.

    Raises:
        CorpusError: two codes of one language.
    """
    own = dict.fromkeys(languages)
    names: dict[str, str] = {}
    for name in own:
        names.setdefault(language_label(name), name)
    result: dict[str, float] = {}
    for name, value in given.items():
        # A name of the index is that language, whatever else it might be a code of.
        meant = name if name in own or not isinstance(name, str) else names.get(language_label(name), name)
        if meant in result:
            raise CorpusError(f"{name!r} is another code of {meant!r}; give each language once")
        result[meant] = value
    return result
