"""Fills the sentence frames of one language with the facts of one entity."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ...errors import CorpusError

_SLOT = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\[([^|\[\]]*)\|([^|\[\]]*)\]")


@dataclass(frozen=True)
class Facts:
    """What the corpus is about, the same in every language.

    Attributes:
        entities: the entities of each kind (person, city, ...), in order; an entity is a mapping of slots.
        answers: for each kind, question name → name of the passage that answers it.
        word_slots: slot → table of words, for slots that hold a word to translate.
    """

    entities: dict[str, list[dict[str, Any]]]
    answers: dict[str, dict[str, str]]
    word_slots: dict[str, str]


@dataclass(frozen=True)
class Frames:
    """The sentences of one language.

    Attributes:
        passages: kind → name → sentence frame.
        questions: kind → name → sentence frame.
        words: table → key → translated word.
    """

    passages: dict[str, dict[str, str]]
    questions: dict[str, dict[str, str]]
    words: dict[str, dict[str, str]]


def read_facts() -> Facts:
    """Read ``facts.toml`` of the package."""
    data = _read("facts.toml")
    return Facts(answers=data.pop("answers"), word_slots=data.pop("word_slots"), entities=data)


def read_frames(language: str) -> Frames:
    """Read the sentence frames of one language of the package."""
    data = _read(f"languages/{language}.toml")
    return Frames(passages=data["passages"], questions=data["questions"], words=data["words"])


def fill(
    frame: str, entity: dict[str, Any], words: dict[str, dict[str, str]], word_slots: dict[str, str]
) -> str:
    """Return a sentence frame with its slots filled.

    Args:
        frame: text with slots ``{name}`` and choices ``[masculine|feminine]``.
        entity: slot → value; ``gender`` ("m" or "f") decides the choices, also inside words.
        words: the translated words of the language, by table and key.
        word_slots: slot → table, for slots that hold a key of ``words``.

    Raises:
        CorpusError: the frame names a slot or word that does not exist, or needs a missing gender.
    """

    def value(match: re.Match[str]) -> str:
        slot = match.group(1)
        if slot not in entity:
            raise CorpusError(f"the sentence {frame!r} has a slot {slot!r} that its entity lacks")
        filler = str(entity[slot])
        if slot not in word_slots:
            return filler
        try:
            return words[word_slots[slot]][filler]
        except KeyError:
            raise CorpusError(f"the word {filler!r} of {frame!r} has no translation") from None

    def form(match: re.Match[str]) -> str:
        if entity.get("gender") not in ("m", "f"):
            raise CorpusError(f"the sentence {frame!r} has two forms, but its entity has no gender")
        return match.group(1 if entity["gender"] == "m" else 2)

    return _CHOICE.sub(form, _SLOT.sub(value, frame))


def _read(name: str) -> dict[str, Any]:
    path = resources.files(__package__).joinpath(name)
    return tomllib.loads(path.read_text(encoding="utf-8"))
