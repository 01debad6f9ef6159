"""One code for each language, whatever a source calls it: sw = swa = swh, zh = cmn = zho-CN."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ..errors import CorpusError

OTHER_SCRIPTS = frozenset({"Hant", "Mong", "Tfng", "Hani", "Hira", "Kana", "Samr", "Nagm", "Latf", "Aran"})
"""Scripts that are no language's default in the table and still distinguish texts."""

SCRIPT_OF_REGION = {
    ("zh", "TW"): "Hant",
    ("zh", "HK"): "Hant",
    ("zh", "MO"): "Hant",
    ("pa", "PK"): "Arab",
    ("uz", "AF"): "Arab",
    ("az", "IR"): "Arab",
    ("ku", "IQ"): "Arab",
    ("sr", "ME"): "Latn",
    ("mn", "CN"): "Mong",
}
"""Countries that imply another script than the language's usual one (Unicode CLDR, likely subtags)."""


@dataclass(frozen=True)
class Language:
    """One line of the table ``languages.tsv``."""

    code: str
    script: str
    name: str


@cache
def _table() -> tuple[dict[str, Language], frozenset[str]]:
    known: dict[str, Language] = {}
    text = resources.files(__package__).joinpath("languages.tsv").read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        code, alpha3, others, script, name = line.split("\t")
        language = Language(code, script, name)
        for equal in (code, alpha3, *others.split()):
            known[equal] = language
    return known, frozenset(language.script for language in known.values()) | OTHER_SCRIPTS


@cache
def normalise_language(code: str) -> str:
    """Return the one code used here for a language.

    Two letters where ISO 639-1 has them, else the three of ISO 639-3. A macro-language and its
    main member are one (``ar`` = ``arb`` = ``ara``). A country is dropped (``es-LA``, ``pt-BR``)
    unless it implies a script; a script is kept where it is not the language's usual one
    (``zho-TW`` gives ``zh-Hant``, ``srp-Latn`` gives ``sr-Latn``, ``srp-Cyrl`` gives ``sr``).

    Args:
        code: any of a language's codes, parts joined by ``-`` or ``_``, in any case.

    Raises:
        CorpusError: the language, or a part of the code, is unknown.
    """
    known, scripts = _table()
    base, *parts = re.split("[-_]", code.strip())
    base = base.lower()
    if base in ("sh", "hbs"):  # Serbo-Croatian, withdrawn: CLDR reads it as Serbian in Latin script
        base, parts = "sr", parts or ["Latn"]
    language = known.get(base)
    if language is None:
        raise CorpusError(f"unknown language code {code!r}{_hint(code)}; give an ISO 639-1 or 639-3 code")
    script = language.script
    for part in parts:
        if len(part) == 4 and part.title() in scripts:
            script = part.title()
        elif re.fullmatch("[A-Za-z]{2}|[0-9]{3}", part):
            if (language.code, part.upper()) == ("fa", "AF"):
                return "prs"
            script = SCRIPT_OF_REGION.get((language.code, part.upper()), script)
        else:
            raise CorpusError(f"unknown language code {code!r}: {part!r} is neither a script nor a country")
    return language.code if script == language.script else f"{language.code}-{script}"


def normalise_languages(codes: Iterable[str]) -> tuple[str, ...]:
    """Return the normalised codes, each once, in the order given."""
    if isinstance(codes, str):
        raise TypeError(f"languages is the string {codes!r}; give a list of codes, for instance [{codes!r}]")
    return tuple(dict.fromkeys(normalise_language(code) for code in codes))


def language_name(code: str) -> str:
    """Return a language's English name, with the script where the code has one: ``Chinese (Hant)``."""
    normal = normalise_language(code)
    base, _, script = normal.partition("-")
    name = _table()[0][base].name
    return f"{name} ({script})" if script else name


def script(code: str) -> str:
    """Return the ISO 15924 code of the script a language is written in, for instance ``Cyrl``."""
    base, _, own = normalise_language(code).partition("-")
    return own or _table()[0][base].script


def _hint(code: str) -> str:
    named = [item.code for item in _table()[0].values() if item.name.lower() == code.strip().lower()]
    return f" (the code of {code.strip()} is {named[0]!r})" if named else ""
