"""Texts become what the model's first module takes: the role's prompt in front, cut at the role's length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from transformers import PreTrainedTokenizerBase

from .roles import TASK, Role, input_module, length_of, poolings, prompt_of


def is_plain(model: SentenceTransformer) -> bool:
    """Tell whether prompt, tokenizer and cut are all there is, so that :func:`tokenize` says everything.

    Not so where the prompt's tokens are left out of the pooling, and with routes, chat templates, static
    embeddings or a ``preprocess`` of the model's own: there the model prepares its texts itself.
    """
    first: Any = model[0]
    return (
        type(first) is Transformer
        and getattr(model.preprocess, "__func__", None) is SentenceTransformer.preprocess
        and list(first.modality_config) == ["text"]
        and isinstance(first.processor, PreTrainedTokenizerBase)
        and first.processor.pad_token_id is not None
        and not first.processing_kwargs
        and first.query_expansion is None
        and all(pooling.include_prompt for pooling in poolings(model))
    )


def tokenize(
    model: SentenceTransformer, texts: Sequence[str], role: Role, *, max_length: int | None = None
) -> dict[str, list[list[int]]]:
    """Cut texts into token ids, not yet padded.

    Args:
        model: an encoder for which :func:`is_plain` holds.
        texts: without prompt.
        role: query or passage.
        max_length: longest text in tokens, prompt and special tokens included; default: the role's
            length kept in the model, else the model's own.

    Returns:
        ``input_ids``, ``attention_mask`` and what else the model takes, one list a text.
    """
    prompt = prompt_of(model, role)
    limit = length_of(model, role, max_length)
    tokenizer: Any = model.tokenizer
    encoding = tokenizer(
        [prompt + text for text in texts], truncation=limit is not None, max_length=limit, padding=False
    )
    return dict(encoding)


def pad(
    model: SentenceTransformer,
    tokens: dict[str, list[list[int]]],
    rows: Sequence[int],
    *,
    device: torch.device | str | None = None,
) -> dict[str, torch.Tensor]:
    """Return some rows' tokens as int64 tensors [rows, longest row], padded, on the model's device."""
    tokenizer: Any = model.tokenizer
    padded: dict[str, torch.Tensor] = {}
    fill = {"input_ids": tokenizer.pad_token_id, "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0)}
    for name, column in tokens.items():
        chosen = [column[row] for row in rows]
        width = max(map(len, chosen))
        left = tokenizer.padding_side == "left"
        value = fill.get(name, 0)
        padded[name] = torch.tensor(
            [
                [value] * (width - len(ids)) + ids if left else ids + [value] * (width - len(ids))
                for ids in chosen
            ],
            dtype=torch.int64,
            device=model.device if device is None else device,
        )
    return padded


def features(
    model: SentenceTransformer, texts: Sequence[str], role: Role, *, max_length: int | None = None
) -> dict[str, Any]:
    """Return what the model's own ``preprocess`` makes of a batch of texts, on the CPU.

    Tensors, and beside them what the modules read: ``prompt_length``, ``task``, ``modality``.

    Args:
        model: any sentence-transformers model.
        texts: one batch, without prompt.
        role: query or passage.
        max_length: as in :func:`tokenize`.

    Raises:
        ModelError: a length is asked for, but the model does not cut texts.
    """
    limit = length_of(model, role, max_length)
    # Other modules cut by themselves, or not at all, and may not know the argument.
    cuts = limit is not None and isinstance(input_module(model, role), Transformer)
    cut = {"max_length": limit} if cuts else {}
    return dict(model.preprocess(list(texts), prompt=prompt_of(model, role), task=TASK[role], **cut))
