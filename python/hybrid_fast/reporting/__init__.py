"""The report of a sweep: one HTML page, figures and tables, made from the files of the sweep folder."""

from ..extras import needed

with needed("the report", "report"):
    from .headline import Headline, headline
    from .writing import report

__all__ = ["Headline", "headline", "report"]
