"""Leaves the lower part of an encoder as it is."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from torch import nn

from ..errors import ModelError


def freeze(model: SentenceTransformer, *, words: bool, layers: int) -> None:
    """Switch gradients off for the word embeddings and the lowest transformer layers.

    Args:
        model: its first module is the transformer.
        words: freeze the table of word embeddings.
        layers: freeze this many layers from below, with everything under them (all embeddings).

    Raises:
        ModelError: more layers than the encoder has, or an encoder whose layers cannot be told; no
            transformer at the front.
    """
    if not words and not layers:
        return
    transformer: Any = model[0]
    if not isinstance(transformer, Transformer):
        raise ModelError(
            f"the encoder begins with {type(transformer).__name__}, not with a transformer; leave "
            "freeze_word_embeddings and freeze_layers out"
        )
    backbone: Any = transformer.auto_model
    if words:
        backbone.get_input_embeddings().requires_grad_(False)
    if layers:
        stack = transformer_layers(backbone)
        if layers > len(stack):
            raise ModelError(f"freeze_layers is {layers}, but the encoder has {len(stack)} layers")
        for layer in stack[:layers]:
            layer.requires_grad_(False)
        embeddings = getattr(backbone, "embeddings", None)
        (embeddings if embeddings is not None else backbone.get_input_embeddings()).requires_grad_(False)


def transformer_layers(backbone: Any) -> nn.ModuleList:
    """Return the list of layers: the outermost module list as long as the configured depth."""
    depth = backbone.config.num_hidden_layers
    for module in backbone.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ModelError(f"cannot tell the layers of {type(backbone).__name__}; set freeze_layers to 0")
