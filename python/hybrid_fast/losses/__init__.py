"""Training losses."""

from ..extras import needed

with needed("a loss"):
    from .infonce import Denominator, InfoNCELoss, infonce

__all__ = ["Denominator", "InfoNCELoss", "infonce"]
