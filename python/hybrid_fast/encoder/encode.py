"""Texts become embeddings, in batches of similar length."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device, truncate_embeddings

from ..errors import InvalidArgument, ModelError
from ..progress import Progress
from .forward import Precision, embed, low_precision
from .roles import TASK, Role
from .tokens import features, is_plain, pad, tokenize

BLOCK = 16_384
"""Texts tokenised and sorted by length together: bounds the memory, whatever the corpus."""

_OWN: dict[Role, str] = {"query": "encode_query", "passage": "encode_document"}

Floats = NDArray[np.float32]


def encode_queries(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    batch_size: int = 64,
    max_length: int | None = None,
    precision: Precision = "float32",
    progress: Progress | None = None,
) -> Floats:
    """Embed queries as the model's own ``encode_query`` does, to rounding.

    That is: with the model's query prompt (pooled or not, as the model says), route, length, modules and
    ``truncate_dim``. The result depends on nothing random. The last bits may differ with
    ``batch_size``, since padding changes the order of sums in the libraries below.

    Args:
        model: an encoder.
        texts: the queries, without prompt.
        batch_size: texts in one forward pass.
        max_length: longest query in tokens; default: the model's query length. Never more than the
            model has positions.
        precision: ``"bfloat16"`` runs transformers under autocast.
        progress: called with (texts done, texts in all) after each batch.

    Returns:
        float32 array [texts, dimension], in the order of ``texts``.

    Raises:
        TypeError: a text that is not a string, named by its position.
        InvalidArgument: a batch size below 1, or a text with half a character (a lone surrogate).
        ModelError: a length for a model that does not cut texts.
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
) -> Floats:
    """Embed passages as the model's own ``encode_document`` does, to rounding.

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
) -> Floats:
    if batch_size < 1:
        raise InvalidArgument(f"batch_size is {batch_size}, expected 1 or more")
    if isinstance(texts, str):
        raise TypeError("texts is one string; give a list of strings")
    own = _has_its_own(model, role)
    if own and max_length is not None:
        raise ModelError(
            f"{type(model).__name__} encodes by a method of its own, which takes no length; leave it out"
        )
    total = len(texts)
    result: Floats | None = None
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, total, BLOCK):
                block = _strings(texts, start, min(start + BLOCK, total))
                done = start
                if own:
                    batches = _by_its_own(model, block, role, batch_size, precision)
                elif is_plain(model):
                    batches = _plainly(model, block, role, batch_size, max_length, precision)
                else:
                    batches = _prepared(model, block, role, batch_size, max_length, precision)
                for rows, vectors in batches:
                    if result is None:
                        result = np.zeros((total, vectors.shape[1]), dtype=np.float32)
                    result[start + rows] = vectors
                    done += len(rows)
                    if progress is not None:
                        progress(done, total)
    finally:
        model.train(training)
    if result is None:
        return np.zeros((0, model.get_embedding_dimension() or 0), dtype=np.float32)
    return result


Batches = Iterator[tuple[NDArray[np.int64], NDArray[Any]]]
"""Rows of a block and their embeddings, a batch at a time."""


def _plainly(
    model: SentenceTransformer,
    block: list[str],
    role: Role,
    batch_size: int,
    max_length: int | None,
    precision: Precision,
) -> Batches:
    """Tokenise the block at once, and sort it by tokens: the least padding."""
    tokens = tokenize(model, block, role, max_length=max_length)
    lengths = np.fromiter(map(len, tokens["input_ids"]), dtype=np.int64, count=len(block))
    for rows in _sorted(lengths, batch_size):
        yield rows, _vectors(model, pad(model, tokens, rows.tolist()), role, precision)


def _prepared(
    model: SentenceTransformer,
    block: list[str],
    role: Role,
    batch_size: int,
    max_length: int | None,
    precision: Precision,
) -> Batches:
    """Let the model prepare each batch, sorted by characters as sentence-transformers sorts."""
    lengths = np.fromiter(map(len, block), dtype=np.int64, count=len(block))
    for rows in _sorted(lengths, batch_size):
        batch = features(model, [block[row] for row in rows], role, max_length=max_length)
        yield rows, _vectors(model, batch_to_device(batch, model.device), role, precision)


def _vectors(model: SentenceTransformer, batch: dict[str, Any], role: Role, precision: Precision) -> Any:
    vectors = embed(model, batch, precision, task=TASK[role])
    if model.truncate_dim is not None:
        vectors = truncate_embeddings(vectors, model.truncate_dim)
    return vectors.float().cpu().numpy()


def _sorted(lengths: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    order = np.argsort(-lengths, kind="stable")
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size]


def _has_its_own(model: SentenceTransformer, role: Role) -> bool:
    """Tell whether a subclass or an object changes how texts are encoded."""
    return any(
        getattr(getattr(model, name, None), "__func__", None) is not getattr(SentenceTransformer, name, None)
        for name in (_OWN[role], "encode", "_inference")
    )


def _by_its_own(
    model: SentenceTransformer, block: list[str], role: Role, batch_size: int, precision: Precision
) -> Batches:
    call: Any = getattr(model, _OWN[role])
    parameters = inspect.signature(call).parameters
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    options = {"batch_size": batch_size, "show_progress_bar": False}
    options = {name: value for name, value in options.items() if takes_all or name in parameters}
    if precision == "float32":
        found = call(block, **options)
    else:
        with low_precision(model):
            found = call(block, **options)
    if isinstance(found, torch.Tensor):
        found = found.float().cpu().numpy()
    yield np.arange(len(block)), np.asarray(found, dtype=np.float32)


def _strings(texts: Sequence[Any], start: int, stop: int) -> list[str]:
    block = [texts[row] for row in range(start, stop)]
    for row, text in enumerate(block, start):
        if not isinstance(text, str):
            kind = type(text).__name__.removesuffix("Type")
            raise TypeError(f"text {row} is {kind}, expected a string")
    try:
        "".join(block).encode()
    except UnicodeEncodeError:
        for row, text in enumerate(block, start):
            if half := next((letter for letter in text if "\ud800" <= letter <= "\udfff"), None):
                raise InvalidArgument(
                    f"text {row} holds half a character (the lone surrogate U+{ord(half):04X}), which no "
                    "tokenizer takes; replace it, for instance by "
                    'text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")'
                ) from None
    return block
