"""Corpora: readers of public data sets and of our own layouts, all returning one :class:`Corpus`."""

from .corpus import Cells, Corpus, Qrels, Rows
from .describe import Description, describe
from .hard_negatives import HardNegatives
from .identities import Identities, corpus_identities, identities, row_identities
from .languages import language_name, normalise_language, script
from .load import load_corpus, load_source, load_sources, training_corpus
from .mixing import mix
from .negative_files import read_negatives, write_negatives
from .overlap import overlap
from .reading import DamagedText
from .selection import fingerprint, keep_articles, keep_languages, sample_groups, without_languages
from .table import write_table

__all__ = [
    "Cells",
    "Corpus",
    "DamagedText",
    "Description",
    "HardNegatives",
    "Identities",
    "Qrels",
    "Rows",
    "corpus_identities",
    "describe",
    "fingerprint",
    "identities",
    "keep_articles",
    "keep_languages",
    "language_name",
    "load_corpus",
    "load_source",
    "load_sources",
    "mix",
    "normalise_language",
    "overlap",
    "read_negatives",
    "row_identities",
    "sample_groups",
    "script",
    "training_corpus",
    "without_languages",
    "write_negatives",
    "write_table",
]
