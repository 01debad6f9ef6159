"""Corpora: readers of public data sets and of our own layouts, all returning one :class:`Corpus`."""

from .corpus import Cells, Corpus, Qrels, Rows
from .languages import language_name, normalise_language, script
from .load import load_corpus, load_source
from .mixing import mix
from .selection import fingerprint, keep_articles, keep_languages, sample_groups, without_languages

__all__ = [
    "Cells",
    "Corpus",
    "Qrels",
    "Rows",
    "fingerprint",
    "keep_articles",
    "keep_languages",
    "language_name",
    "load_corpus",
    "load_source",
    "mix",
    "normalise_language",
    "sample_groups",
    "script",
    "without_languages",
]
