"""Language tiers: which query languages are reported together, fixed before any result."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import Tier
from ..corpus import normalise_language
from ..errors import ConfigError

TRAINED, UNSEEN = "trained", "unseen"


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
