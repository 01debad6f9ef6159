"""The embedded corpus: questions and passages in ten languages, written for this project.

Invented names and facts (``facts.toml``) fill the sentence frames of each language
(``languages/*.toml``); adding a language is adding one file. German, English, Spanish, French,
Indonesian, Italian and Turkish stand beside the low-resource languages Hausa, Swahili and Yoruba.
"""

from .load import LANGUAGES, LOW_RESOURCE, load_embedded

__all__ = ["LANGUAGES", "LOW_RESOURCE", "load_embedded"]
