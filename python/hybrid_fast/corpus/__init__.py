"""Corpora: readers of public data sets and of our own layouts, all returning one :class:`Corpus`."""

from .corpus import Cells, Corpus, Qrels, Rows
from .describe import Description, describe
from .languages import language_name, normalise_language, script
from .load import load_corpus, load_source, load_sources
from .mixing import mix
from .overlap import overlap
from .selection import fingerprint, keep_articles, keep_languages, sample_groups, without_languages
from .table import write_table

__all__ = [
    "Cells",
    "Corpus",
    "Description",
    "Qrels",
    "Rows",
    "describe",
    "fingerprint",
    "keep_articles",
    "keep_languages",
    "language_name",
    "load_corpus",
    "load_source",
    "load_sources",
    "mix",
    "normalise_language",
    "overlap",
    "sample_groups",
    "script",
    "without_languages",
    "write_table",
]
