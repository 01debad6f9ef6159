"""The forward pass: transformers at the asked precision, pooling and scaling in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from torch.nn.parallel import DistributedDataParallel

Precision = Literal["float32", "bfloat16"]
"""float32, or autocast to bfloat16 inside the transformer."""


def embed(
    model: SentenceTransformer | DistributedDataParallel,
    features: dict[str, Any],
    precision: Precision = "float32",
    **arguments: Any,
) -> torch.Tensor:
    """Return the embeddings of tokenised texts.

    With ``bfloat16`` every transformer of the model runs under autocast and its token states are
    widened before they are pooled: a mean or a length rounded to 8 bits would make ties among close
    passages.

    Args:
        model: any sentence-transformers model, or one wrapped for data-parallel training.
        features: what :func:`hybrid_fast.encoder.pad` or :func:`hybrid_fast.encoder.features` returns,
            on the model's device.
        precision: of the transformers.
        arguments: passed on to the model, for instance ``task``.

    Returns:
        float32 tensor [texts, dimension].
    """
    if precision == "float32":
        return cast(torch.Tensor, model(features, **arguments)["sentence_embedding"])
    inner = model.module if isinstance(model, DistributedDataParallel) else model
    with low_precision(inner):
        return cast(torch.Tensor, model(features, **arguments)["sentence_embedding"])


@contextmanager
def low_precision(model: SentenceTransformer) -> Iterator[None]:
    """Run a model's transformers, and nothing behind them, under bfloat16 autocast, however it is called.

    Data-parallel training needs one call of the whole model, which cannot be taken apart.
    """
    device = model.device.type
    casts: list[Any] = []

    def enter(*_: Any) -> None:
        casts.append(torch.autocast(device, torch.bfloat16))
        casts[-1].__enter__()

    def leave(_module: Any, _arguments: Any, found: dict[str, Any]) -> dict[str, Any]:
        casts.pop().__exit__(None, None, None)
        names = ("token_embeddings", "sentence_embedding")
        return found | {name: found[name].float() for name in names if name in found}

    hooks = []
    for module in model.modules():
        if isinstance(module, Transformer):
            hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        for hook in hooks:
            hook.remove()
        while casts:  # the forward pass was left by an error
            casts.pop().__exit__(None, None, None)
