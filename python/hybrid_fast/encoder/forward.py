"""The forward pass: the transformer at the asked precision, pooling and scaling in float32."""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from sentence_transformers import SentenceTransformer

Precision = Literal["float32", "bfloat16"]
"""float32, or autocast to bfloat16 inside the transformer."""


def embed(
    model: SentenceTransformer, features: dict[str, Any], precision: Precision = "float32"
) -> torch.Tensor:
    """Return the embeddings of tokenised texts.

    With ``bfloat16`` the transformer runs under autocast and the token states are widened before
    they are pooled: a mean or a length rounded to 8 bits would make ties among close passages.

    Args:
        model: transformer first, then pooling and whatever follows.
        features: what :func:`hybrid_fast.encoder.tokenize` returns, on the model's device.
        precision: of the transformer.

    Returns:
        float32 tensor [texts, dimension].
    """
    if precision == "float32":
        return cast(torch.Tensor, model(features)["sentence_embedding"])
    device = model.device.type
    transformer, *rest = model.children()
    with torch.autocast(device, torch.bfloat16):
        features = transformer(features)
    with torch.autocast(device, enabled=False):
        features["token_embeddings"] = features["token_embeddings"].float()
        for module in rest:
            features = module(features)
    return cast(torch.Tensor, features["sentence_embedding"])
