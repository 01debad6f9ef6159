"""Language tiers: which query languages are reported together, fixed before any result."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..config import Tier
from ..corpus import normalise_language
from ..errors import ConfigError

TRAINED, UNSEEN = "trained", "unseen"

_SAYS_UNSEEN = re.compile(
    r"un-?seen|un-?trained|hold-?out|held[ _-]?out|zero[ _-]?shot|\b(?:not|never|new|novel)\b", re.I
)
_SAYS_TRAINED = re.compile(r"\b(?:trained|training|seen|in[ _-]domain)\b", re.I)
_MOST_CODES = 8


def resolve_tiers(
    declared: Sequence[Tier], trained: Sequence[str], evaluated: Sequence[str]
) -> dict[str, list[str]]:
    """Return tier → its languages, each evaluated language in exactly one tier.

    Declared tiers come first, as declared. Evaluated languages in none of them go to ``trained`` or
    ``unseen``, by whether training draws them.

    Args:
        declared: the tiers of the configuration.
        trained: normalised codes of the languages that training draws.
        evaluated: normalised codes of the query languages of all evaluation sets.

    Raises:
        ConfigError: a language in two tiers, a language that is nowhere in the data, a tier twice.
    """
    tiers: dict[str, list[str]] = {}
    home: dict[str, str] = {}
    known = {*trained, *evaluated}
    for tier in declared:
        if tier.name in tiers:
            raise ConfigError(f"tiers: {tier.name!r} is declared twice")
        tiers[tier.name] = []
        for given in tier.languages:
            code = normalise_language(given)
            if code in home:
                raise ConfigError(
                    f"tiers: {given!r} is in {home[code]!r} and in {tier.name!r}; "
                    "a language is in one tier only"
                )
            if code not in known:
                raise ConfigError(
                    f"tiers: {given!r} in {tier.name!r} is neither trained nor evaluated; "
                    f"the data have {', '.join(sorted(known))}"
                )
            home[code] = tier.name
            tiers[tier.name].append(code)
    for code in evaluated:
        if code not in home:
            tiers.setdefault(TRAINED if code in trained else UNSEEN, []).append(code)
    return {name: sorted(set(codes)) for name, codes in tiers.items() if codes}


def contradictions(tiers: Mapping[str, Collection[str]], trained: Collection[str]) -> dict[str, str]:
    """Return tier → what its name does not say of its languages: ``trained on: de``.

    Only tiers are named whose languages are in part trained on, and those whose name promises what
    does not hold: an unseen one with a language that is trained on, a trained one with another.

    Args:
        tiers: tier → codes of its query languages.
        trained: codes of the languages that training draws.
    """
    found = {}
    for name, codes in tiers.items():
        seen = [code for code in codes if code in trained]
        fresh = [code for code in codes if code not in trained]
        if _SAYS_UNSEEN.search(name):
            fresh = []
        elif _SAYS_TRAINED.search(name):
            seen = []
        elif not fresh or not seen:
            continue
        if seen:
            found[name] = f"trained on: {_listed(seen)}"
        elif fresh:
            found[name] = f"not trained on: {_listed(fresh)}"
    return found


def tier_labels(description: Mapping[str, Any]) -> dict[str, str]:
    """Return tier → how it is shown: its name, with what that name does not say behind it.

    Args:
        description: content of ``sweep.json``.
    """
    tiers = description.get("tiers", {})
    marks = contradictions(tiers, description.get("trained", ()))
    return {name: f"{name} ({marks[name]})" if name in marks else name for name in tiers}


def _listed(codes: Sequence[str]) -> str:
    shown = ", ".join(codes[:_MOST_CODES])
    return shown if len(codes) <= _MOST_CODES else f"{shown} and {len(codes) - _MOST_CODES} more"
