"""Encoders: Hugging Face models opened as sentence-transformers models, and texts turned into vectors."""

from .encode import encode_passages, encode_queries
from .forward import Precision, embed
from .load import load_encoder
from .quiet import quiet
from .save import save_encoder
from .tokens import Role, pad, tokenize

__all__ = [
    "Precision",
    "Role",
    "embed",
    "encode_passages",
    "encode_queries",
    "load_encoder",
    "pad",
    "quiet",
    "save_encoder",
    "tokenize",
]
