"""Encoders: Hugging Face models opened as sentence-transformers models, and texts turned into vectors."""

from ..extras import needed

with needed("an encoder"):
    from .description import describe, in_words
    from .encode import encode_passages, encode_queries
    from .forward import Precision, embed
    from .load import load_encoder
    from .quiet import quiet
    from .roles import TASK, Role
    from .save import save_encoder
    from .tokens import features, is_plain, pad, tokenize

__all__ = [
    "TASK",
    "Precision",
    "Role",
    "describe",
    "embed",
    "encode_passages",
    "encode_queries",
    "features",
    "in_words",
    "is_plain",
    "load_encoder",
    "pad",
    "quiet",
    "save_encoder",
    "tokenize",
]
