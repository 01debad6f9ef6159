"""Training losses."""

from .infonce import Denominator, InfoNCELoss, infonce

__all__ = ["Denominator", "InfoNCELoss", "infonce"]
