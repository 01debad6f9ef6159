"""InfoNCE with temperature: the loss of hybrid batch training (arXiv 2408.10536, section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.nn import functional as F

from ..encoder import Precision, embed
from ..errors import InvalidArgument, InvalidShape
from .gathering import gathered, processes

Denominator = Literal["in-batch", "own"]
"""Which passages a query's positive is told from."""


def infonce(
    queries: torch.Tensor,
    passages: torch.Tensor,
    *,
    temperature: float,
    negatives: torch.Tensor | None = None,
    denominator: Denominator = "in-batch",
    symmetric: bool = False,
) -> torch.Tensor:
    """Return the InfoNCE loss of one batch, in float32.

    With s(q, p) = cos(q, p) / temperature, row i of ``passages`` as the positive p⁺ᵢ of query qᵢ,
    and the batch's irrelevant passages N = ``negatives``::

        loss = − 1/b · Σᵢ log  exp s(qᵢ, p⁺ᵢ) / Σ_{p ∈ Dᵢ} exp s(qᵢ, p)

        in-batch: Dᵢ = {p⁺₁ … p⁺_b} ∪ N     every passage of the batch
        own:      Dᵢ = {p⁺ᵢ} ∪ N            as printed in arXiv 2408.10536, section 3

    ``symmetric`` averages this with the same loss the other way, in which each positive passage
    picks its query among the batch's queries.

    Every passage of the batch except the own positive counts as wrong. Equal passages, or
    translations of one, in the same batch are therefore false negatives; the sampler's guard keeps
    them apart, and switching it off leaves that to the caller.

    Args:
        queries: float tensor [b, d].
        passages: float tensor [b, d]; row i answers query i.
        temperature: above 0; cosines are divided by it.
        negatives: float tensor [m, d], hard negatives of the batch; none by default.
        denominator: ``"in-batch"`` or ``"own"``.
        symmetric: also classify the queries for each passage, and average.

    Raises:
        InvalidShape: tensors that are not [b, d], [b, d] and [m, d].
        InvalidArgument: a temperature of 0 or less, or ``"own"`` without negatives.
    """
    if queries.ndim != 2 or queries.shape != passages.shape:
        raise InvalidShape(
            f"queries {tuple(queries.shape)} and passages {tuple(passages.shape)} must have one shape [b, d]"
        )
    if negatives is not None and (negatives.ndim != 2 or negatives.shape[1] != queries.shape[1]):
        raise InvalidShape(f"negatives {tuple(negatives.shape)} must have shape [m, {queries.shape[1]}]")
    if not temperature > 0:
        raise InvalidArgument(f"temperature is {temperature}, expected above 0")
    if denominator not in ("in-batch", "own"):
        raise InvalidArgument(f"denominator is {denominator!r}, expected 'in-batch' or 'own'")
    if denominator == "own" and (negatives is None or len(negatives) == 0):
        raise InvalidArgument(
            "denominator 'own' needs hard negatives, and the batch has none; use 'in-batch'"
        )
    with torch.autocast(queries.device.type, enabled=False):
        queries = F.normalize(queries.float(), dim=1)
        passages = F.normalize(passages.float(), dim=1)
        scores = queries @ passages.T / temperature
        gold = torch.arange(len(queries), device=queries.device)
        candidates, target = scores, gold
        if denominator == "own":
            candidates, target = scores.diagonal().unsqueeze(1), torch.zeros_like(gold)
        if negatives is not None:
            wrong = queries @ F.normalize(negatives.float(), dim=1).T / temperature
            candidates = torch.cat([candidates, wrong], dim=1)
        loss = F.cross_entropy(candidates, target)
        if symmetric:
            loss = (loss + F.cross_entropy(scores.T, gold)) / 2
    return loss


class InfoNCELoss(nn.Module):
    """:func:`infonce` as a loss of sentence-transformers' trainer.

    Requirements:
        Columns query, passage and, for ``denominator="own"``, one or more of hard negatives; rows
        in which no two passages answer the same query (``HybridBatchSampler`` sees to it).

    Relations:
        With the defaults it is sentence-transformers' ``MultipleNegativesRankingLoss`` with scale
        1 / temperature.

    Example:
        >>> loss = InfoNCELoss(model, temperature=0.03)  # doctest: +SKIP
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        temperature: float = 0.03,
        denominator: Denominator = "in-batch",
        symmetric: bool = False,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature
        self.denominator: Denominator = denominator
        self.symmetric = symmetric
        self.precision: Precision = precision

    def forward(
        self, sentence_features: Iterable[dict[str, Any]], labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of tokenised columns: queries, passages and, if present, hard negatives.

        Where several processes train together, each gives its slice of the global batch, and the
        loss is that of the whole.
        """
        queries, passages, *rest = (
            embed(self.model, features, self.precision) for features in sentence_features
        )
        negatives = torch.cat(rest) if rest else queries.new_empty((0, queries.shape[1]))
        if processes() > 1:
            queries, passages, negatives = gathered(queries), gathered(passages), gathered(negatives)
        return infonce(
            queries,
            passages,
            temperature=self.temperature,
            negatives=negatives if len(negatives) else None,
            denominator=self.denominator,
            symmetric=self.symmetric,
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return {
            "temperature": self.temperature,
            "denominator": self.denominator,
            "symmetric": self.symmetric,
        }
