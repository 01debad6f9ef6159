"""Corpora: readers of public data sets and of our own layouts, all returning one :class:`Corpus`."""

from .corpus import Cells, Corpus, Qrels, Rows

__all__ = ["Cells", "Corpus", "Qrels", "Rows"]
