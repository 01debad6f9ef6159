"""What the two roles of a text mean to a model: its prompt, its route and its length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from ..errors import ModelError

Role = Literal["query", "passage"]
"""Which prompt, route and length a text gets."""

TASK: dict[Role, str] = {"query": "query", "passage": "document"}
"""What sentence-transformers calls a role."""

PROMPTS: dict[Role, tuple[str, ...]] = {"query": ("query",), "passage": ("document", "passage", "corpus")}
"""Names under which a role's prompt is looked up: those of ``encode_query`` and ``encode_document``."""

LENGTH: dict[Role, str] = {"query": "query_length", "passage": "document_length"}

_ENDLESS = 2**31
"""A tokenizer without a limit says 10**30 tokens."""


def prompt_of(model: SentenceTransformer, role: Role) -> str:
    """Return what a model puts before each text of a role; ``""`` for nothing."""
    prompts = getattr(model, "prompts", None) or {}
    for name in PROMPTS[role]:
        if name in prompts:
            return prompts[name] or ""
    return prompts.get(getattr(model, "default_prompt_name", None) or "") or ""


def input_module(model: SentenceTransformer, role: Role) -> Any:
    """Return the module that takes a role's texts: the first one, or the first one of its route."""
    first: Any = model[0]
    return _route(first, role)[0] if isinstance(first, Router) else first


def length_of(model: SentenceTransformer, role: Role, asked: int | None = None) -> int | None:
    """Return how many tokens of a text are read, prompt and special tokens included; None: all.

    Args:
        model: its own length holds unless one is asked for.
        role: query or passage.
        asked: another length; cut to the positions that the model has.

    Raises:
        ModelError: a length is asked for, but the model does not cut texts.
    """
    module = input_module(model, role)
    if asked is not None and not isinstance(module, Transformer):
        raise ModelError(
            f"a length of {asked} tokens was asked for, but {type(module).__name__} does not cut texts; "
            "leave the length out"
        )
    limit = asked or getattr(module, LENGTH[role], None) or getattr(module, "max_seq_length", None)
    longest = position_limit(module.auto_model) if isinstance(module, Transformer) else None
    known = [value for value in (limit, longest) if isinstance(value, int | float) and 0 < value < _ENDLESS]
    return math.floor(min(known)) if known else None


def position_limit(backbone: Any) -> int | None:
    """Return how many tokens a backbone has positions for, or None where it does not say."""
    table = getattr(getattr(backbone, "embeddings", None), "position_embeddings", None)
    if isinstance(table, torch.nn.Embedding):
        # RoBERTa-like models number positions from one past the padding position.
        first = 0 if table.padding_idx is None else table.padding_idx + 1
        return table.num_embeddings - first
    limit = getattr(backbone.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


def stages(model: SentenceTransformer, role: Role) -> Iterator[Any]:
    """Yield the modules that a role's texts pass through, those of its route in the router's place."""
    for module in model:
        if isinstance(module, Router):
            yield from _route(module, role)
        else:
            yield module


def _route(router: Router, role: Role) -> Any:
    modules: Any = router.sub_modules
    return modules[router._resolve_route(task=TASK[role], modality="text")]


def poolings(model: SentenceTransformer) -> list[Pooling]:
    """Return the modules that make one vector of token states, of all routes."""
    return [module for module in model.modules() if isinstance(module, Pooling)]
