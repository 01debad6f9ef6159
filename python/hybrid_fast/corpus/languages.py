"""One code for each language, whatever a source calls it: sw = swa = swh, zh = cmn = zho-CN."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

from ..errors import CorpusError
from ..quoting import quoted

SAME_SCRIPT = {
    "Hang": "Kore",
    "Jamo": "Kore",
    "Hrkt": "Jpan",
    "Hanb": "Hant",
    "Aran": "Arab",
    "Latf": "Latn",
    "Latg": "Latn",
    "Cyrs": "Cyrl",
    "Geok": "Geor",
    "Syre": "Syrc",
    "Syrj": "Syrc",
    "Syrn": "Syrc",
    "Simpl": "Hans",
    "Trad": "Hant",
    "Rom": "Latn",
    "Roman": "Latn",
}
"""Part or variant of a script (ISO 15924), or its name in FLORES-101 and CC100 → the script."""

HAN = frozenset({"Hans", "Hant", "Jpan", "Kore", "Hani"})
"""Scripts with Han characters; ``Hani`` alone does not say which, so it is the language's usual one."""

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


EXTENDED = {
    "ar": "acm acq aeb afb ajp apc apd arb arq ars ary arz avl ayh ayl ayn ayp pga shu ssh",
    "kok": "gom knn",
    "lv": "ltg lvs",
    "ms": "bjn ind min zlm zsm",
    "sw": "swc swh",
    "uz": "uzn uzs",
    "zh": "cdo cjy cmn cpx czh czo gan hak hsn lzh mnp nan wuu yue",
}
"""Language → what may follow it and is then the language meant (BCP 47): zh-yue is yue."""


@dataclass(frozen=True)
class Language:
    """A language of the tables: those with names, and the others of ISO 639-3 by their usual script."""

    code: str
    script: str
    name: str


@cache
def _table() -> tuple[dict[str, Language], frozenset[str]]:
    known: dict[str, Language] = {}
    scripts: set[str] = set()
    for line in _lines("languages.tsv"):
        code, alpha3, others, script, name = line.split("\t")
        language = Language(code, SAME_SCRIPT.get(script, script), name)
        scripts.add(language.script)
        for equal in (code, alpha3, *others.split()):
            known[equal] = language
    for line in _lines("more_languages.tsv"):
        script, codes = line.split("\t")
        known.update((code, Language(code, script, code)) for code in codes.split())
        scripts.add(script)
    return known, frozenset(scripts)


def _lines(table: str) -> list[str]:
    return resources.files(__package__).joinpath(table).read_text(encoding="utf-8").splitlines()[1:]


def normalise_language(code: str) -> str:
    """Return the one code used here for a language.

    Two letters where ISO 639-1 has them, else the three of ISO 639-3. A macro-language and its
    main member are one (``ar`` = ``arb`` = ``ara``, ``nb`` = ``no`` = ``nor``). A country is dropped
    (``es-LA``, ``pt-BR``) unless it implies a script; a script is kept where it is not the language's
    usual one (``zho-TW`` gives ``zh-Hant``, ``srp-Latn`` gives ``sr-Latn``, ``srp-Cyrl`` gives ``sr``),
    a part or variant of a script being that script (``kor-Hang`` gives ``ko``, ``urd-Aran`` ``ur``).

    Args:
        code: any of a language's codes, parts joined by ``-`` or ``_``, in any case.

    Raises:
        CorpusError: the language, or a part of the code, is unknown; the message names the nearest codes.
    """
    if not isinstance(code, str):
        raise CorpusError(f"a language is {quoted(code)}, expected the text of a code such as 'sw'")
    return _normalised(code)


@cache
def _normalised(code: str) -> str:
    known, scripts = _table()
    base, *parts = re.split("[-_]", code.strip())
    base = base.lower()
    if parts and parts[0].lower() in EXTENDED.get(base, "").split():
        base, *parts = parts[0].lower(), *parts[1:]
    if base in ("sh", "hbs"):  # Serbo-Croatian, withdrawn: CLDR reads it as Serbian in Latin script
        base, parts = "sr", parts or ["Latn"]
    language = known.get(base)
    if language is None:
        raise CorpusError(
            f"unknown language code {quoted(code)}{_hint(code)}; give an ISO 639-1 or 639-3 code"
        )
    script = language.script
    for part in parts:
        named = SAME_SCRIPT.get(part.title(), part.title())
        if named == "Hani":
            script = language.script if language.script in HAN else named
        elif named in scripts:
            script = named
        elif re.fullmatch("[A-Za-z]{2}|[0-9]{3}", part):
            if (language.code, part.upper()) == ("fa", "AF"):
                return "prs"
            script = SCRIPT_OF_REGION.get((language.code, part.upper()), script)
        else:
            raise CorpusError(
                f"unknown language code {quoted(code)}: {quoted(part)} is neither a script nor a country; "
                f"{language.code!r} is {language.name}"
            )
    return language.code if script == language.script else f"{language.code}-{script}"


def normalise_languages(codes: Iterable[str]) -> tuple[str, ...]:
    """Return the normalised codes, each once, in the order given."""
    if isinstance(codes, str):
        raise TypeError(f"languages is the string {codes!r}; give a list of codes, for instance [{codes!r}]")
    return tuple(dict.fromkeys(normalise_language(code) for code in codes))


def language_in_name(code: str, path: Path) -> str:
    """Return the normalised code that a file's name holds.

    Raises:
        CorpusError: no known language; the message names the file.
    """
    try:
        return normalise_language(code)
    except CorpusError as error:
        raise CorpusError(f"{path}: its name is no language: {error}") from None


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
    """Return what may have been meant: the code of a name, or the nearest codes and names."""
    wanted = code.strip().lower()
    named = {item.name.lower(): item for item in _table()[0].values() if item.name != item.code}
    if wanted in named:
        return f" (the code of {code.strip()} is {named[wanted].code!r})"
    if len(wanted) > 40:
        return ""
    near = [f"{named[name].code!r} for {named[name].name}" for name in get_close_matches(wanted, named, 2)]
    base = re.split("[-_]", wanted)[0]
    codes = {item.code for item in named.values()}
    near += [repr(item) for item in get_close_matches(base, sorted(codes), 3) if len(base) < 4]
    return f" (the nearest known: {', '.join(near)})" if near else ""
