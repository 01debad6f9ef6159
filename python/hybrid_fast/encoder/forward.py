"""The forward pass: the transformer at the asked precision, pooling and scaling in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, cast

import torch
from sentence_transformers import SentenceTransformer
from torch.nn.parallel import DistributedDataParallel

Precision = Literal["float32", "bfloat16"]
"""float32, or autocast to bfloat16 inside the transformer."""


def embed(
    model: SentenceTransformer | DistributedDataParallel,
    features: dict[str, Any],
    precision: Precision = "float32",
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
    if isinstance(model, DistributedDataParallel):
        with low_precision(model.module):
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


@contextmanager
def low_precision(model: SentenceTransformer) -> Iterator[None]:
    """Run a model's transformer, and nothing behind it, under bfloat16 autocast, however it is called.

    Data-parallel training needs one call of the whole model, which cannot be taken apart.
    """
    device = model.device.type
    transformer = model[0]
    with ExitStack() as casting:

        def enter(*_: Any) -> None:
            casting.enter_context(torch.autocast(device, torch.bfloat16))

        def leave(_module: Any, _arguments: Any, features: dict[str, Any]) -> dict[str, Any]:
            casting.close()
            return features | {"token_embeddings": features["token_embeddings"].float()}

        hooks = (transformer.register_forward_pre_hook(enter), transformer.register_forward_hook(leave))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
