"""Texts become tokens: the role's prefix in front, cut at the role's length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from sentence_transformers import SentenceTransformer

Role = Literal["query", "passage"]
"""Which prefix and which length a text gets."""

_PROMPT: dict[Role, str] = {"query": "query", "passage": "document"}
_LENGTH: dict[Role, str] = {"query": "query_length", "passage": "document_length"}


def tokenize(
    model: SentenceTransformer, texts: Sequence[str], role: Role, *, max_length: int | None = None
) -> dict[str, list[list[int]]]:
    """Cut texts into token ids, not yet padded.

    Args:
        model: an encoder from :func:`hybrid_fast.encoder.load_encoder` or any sentence-transformers
            model (one without the prompts gets no prefix).
        texts: without prefix.
        role: query or passage.
        max_length: longest text in tokens, prefix and special tokens included; default: the role's
            length kept in the model, else the model's own.

    Returns:
        ``input_ids``, ``attention_mask`` and what else the model takes, one list a text.
    """
    prefix = (getattr(model, "prompts", None) or {}).get(_PROMPT[role]) or ""
    limit = max_length or getattr(model[0], _LENGTH[role], None) or model.max_seq_length
    tokenizer: Any = model.tokenizer
    encoding = tokenizer(
        [prefix + text for text in texts], truncation=limit is not None, max_length=limit, padding=False
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
