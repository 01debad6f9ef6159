"""Texts become embeddings, in batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from ..errors import InvalidArgument
from ..progress import Progress
from .forward import Precision, embed
from .tokens import Role, pad, tokenize

BLOCK = 16_384
"""Texts tokenised and sorted by length together: bounds the memory, whatever the corpus."""


def encode_queries(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    batch_size: int = 64,
    max_length: int | None = None,
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Embed queries, with the model's query prefix and query length.

    The result depends on nothing random. The last bits may differ with ``batch_size``, since
    padding changes the order of sums in the libraries below.

    Args:
        model: an encoder.
        texts: the queries, without prefix.
        batch_size: texts in one forward pass.
        max_length: longest query in tokens; default: the model's query length.
        precision: ``"bfloat16"`` runs the transformer under autocast.
        progress: called with (texts done, texts in all) after each batch.

    Returns:
        float32 array [texts, dimension], in the order of ``texts``.

    Raises:
        TypeError: a text that is not a string, named by its position.
        InvalidArgument: a batch size below 1.
    """
    return _encode(model, texts, "query", batch_size, max_length, precision, progress)


def encode_passages(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    batch_size: int = 64,
    max_length: int | None = None,
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Embed passages, with the model's passage prefix and passage length.

    Arguments, result and errors are those of :func:`encode_queries`.
    """
    return _encode(model, texts, "passage", batch_size, max_length, precision, progress)


def _encode(
    model: SentenceTransformer,
    texts: Sequence[str],
    role: Role,
    batch_size: int,
    max_length: int | None,
    precision: Precision,
    progress: Progress | None,
) -> NDArray[np.float32]:
    if batch_size < 1:
        raise InvalidArgument(f"batch_size is {batch_size}, expected 1 or more")
    if isinstance(texts, str):
        raise TypeError("texts is one string; give a list of strings")
    total = len(texts)
    result = np.zeros((total, model.get_embedding_dimension() or 0), dtype=np.float32)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, total, BLOCK):
                block = _strings(texts, start, min(start + BLOCK, total))
                tokens = tokenize(model, block, role, max_length=max_length)
                lengths = np.fromiter(map(len, tokens["input_ids"]), dtype=np.int64, count=len(block))
                order = np.argsort(-lengths, kind="stable")
                for first in range(0, len(block), batch_size):
                    rows = order[first : first + batch_size]
                    features = pad(model, tokens, rows.tolist())
                    vectors = embed(model, features, precision)
                    result[start + rows] = vectors.float().cpu().numpy()
                    if progress is not None:
                        progress(start + first + len(rows), total)
    finally:
        model.train(training)
    return result


def _strings(texts: Sequence[str], start: int, stop: int) -> list[str]:
    block = [texts[row] for row in range(start, stop)]
    for row, text in enumerate(block, start):
        if not isinstance(text, str):
            raise TypeError(f"text {row} is {type(text).__name__}, expected a string")
    return block
