"""Embeddings from whatever can encode: a SentenceTransformer, a folder or hub name, or any object."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..config import EncoderConfig
from ..errors import InvalidShape
from ..progress import Progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Precision = Literal["float32", "bfloat16"]


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns texts into an array [texts, d]; queries and passages may be treated apart."""

    def encode_query(self, texts: list[str], /) -> Any:
        """Return one embedding a query."""
        ...

    def encode_document(self, texts: list[str], /) -> Any:
        """Return one embedding a passage."""
        ...


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How texts are encoded; ignored by encoders that are no SentenceTransformer.

    Attributes:
        batch_size: texts at a time.
        max_query_length: tokens of a query; None: the model's own.
        max_passage_length: tokens of a passage; None: the model's own.
        precision: bfloat16 runs the model under autocast; embeddings are float32 either way.
    """

    batch_size: int = 64
    max_query_length: int | None = None
    max_passage_length: int | None = None
    precision: Precision = "float32"


def open_model(model: SentenceTransformer | EncoderConfig | Encoder | str | Path) -> Any:
    """Load a folder, hub name or configuration; return anything else as it is.

    Raises:
        ModelError: the folder or hub name cannot be loaded.
        TypeError: ``model`` cannot encode.
    """
    if isinstance(model, str | Path):
        model = EncoderConfig(model=str(model))
    if isinstance(model, EncoderConfig):
        from ..encoder import load_encoder

        return load_encoder(model)
    if isinstance(model, Encoder):
        return model
    raise TypeError(
        f"model is a {type(model).__name__}; expected a SentenceTransformer, a folder or hub name, "
        "or an object with encode_query and encode_document"
    )


def encode(
    model: Any,
    texts: Sequence[str],
    side: Literal["query", "passage"],
    encoding: Encoding,
    progress: Progress | None = None,
) -> Any:
    """Return the embeddings [texts, d] of queries or passages.

    Raises:
        InvalidShape: the encoder returned another number of rows, or no matrix.
    """
    texts = list(texts)
    if _is_sentence_transformer(model):
        from ..encoder import encode_passages, encode_queries

        call, length = (
            (encode_queries, encoding.max_query_length)
            if side == "query"
            else (encode_passages, encoding.max_passage_length)
        )
        found: Any = call(
            model,
            texts,
            batch_size=encoding.batch_size,
            max_length=length,
            precision=encoding.precision,
            progress=progress,
        )
    else:
        found = model.encode_query(texts) if side == "query" else model.encode_document(texts)
        if hasattr(found, "detach"):
            if str(found.layout) != "torch.strided":
                raise InvalidShape(
                    f"{type(model).__name__} returned a sparse tensor; search takes one dense vector a text"
                )
            found = found.detach().cpu()
            found = found.float().numpy() if str(found.dtype) == "torch.bfloat16" else found.numpy()
        found = _as_array(found, type(model).__name__)
        if progress is not None:
            progress(len(texts), len(texts))
    if found.ndim != 2 or len(found) != len(texts):
        raise InvalidShape(
            f"the encoder returned an array of shape {found.shape} for {len(texts)} "
            f"{'queries' if side == 'query' else 'passages'}, expected ({len(texts)}, dimensions)"
        )
    return found


def description_of(model: Any, encoding: Encoding) -> dict[str, Any] | None:
    """Return how a SentenceTransformer treats texts; None for an encoder that cannot be looked into."""
    if not _is_sentence_transformer(model):
        return None
    from ..encoder import describe

    return describe(
        model,
        max_query_length=encoding.max_query_length,
        max_passage_length=encoding.max_passage_length,
    )


@contextmanager
def evaluating(model: Any, threads: int | None) -> Iterator[None]:
    """Hold a model in evaluation mode, on ``threads`` torch threads, and put both back afterwards."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    training = bool(getattr(model, "training", False))
    try:
        if torch is not None and threads is not None:
            torch.set_num_threads(threads)
        if training:
            model.eval()
        yield
    finally:
        if torch is not None and threads is not None:
            torch.set_num_threads(before)
        if training:
            model.train()


def _as_array(found: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(found)
    except ValueError:  # rows of several lengths
        raise InvalidShape(
            f"{name} returned several vectors for some texts; search takes one vector a text"
        ) from None


def _is_sentence_transformer(model: Any) -> bool:
    """Say whether ``model`` is one, without importing sentence-transformers (and torch) to ask."""
    module = sys.modules.get("sentence_transformers")
    return module is not None and isinstance(model, module.SentenceTransformer)


class Counted:
    """Joins the progress of several encodings into one count of texts."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = progress
        self.total = total
        self.before = 0

    def __call__(self, done: int, total: int, /) -> None:
        """Report ``done`` of the ``total`` texts of this part."""
        if self.progress is not None:
            self.progress(self.before + done, self.total)
        if done == total:
            self.before += total


def pick(texts: Sequence[str], rows: NDArray[np.int64]) -> list[str]:
    """Return some texts; a run of rows is read as one slice, which lazily read corpora do fastest."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return list(texts[int(rows[0]) : int(rows[-1]) + 1])
    return [texts[int(row)] for row in rows]
