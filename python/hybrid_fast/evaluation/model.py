"""Evaluating a model: encode, search once, measure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..arrays import count_of, thread_count
from ..config import DEFAULT_MEASURES, EncoderConfig, Setting
from ..corpus import Corpus
from ..errors import CorpusError, InvalidArgument
from ..progress import Progress
from ..quoting import quoted
from .embeddings import Golds, check_names, evaluate_embeddings, tabulate
from .encoding import (
    Counted,
    Encoder,
    Encoding,
    Precision,
    description_of,
    encode,
    evaluating,
    open_model,
    pick,
)
from .evaluation import SETTINGS, Evaluation
from .streaming import search_chunks

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def evaluate(
    model: SentenceTransformer | EncoderConfig | Encoder | str | Path,
    corpus: Corpus,
    *,
    settings: Sequence[Setting] = SETTINGS,
    measures: Sequence[str] = DEFAULT_MEASURES,
    batch_size: int = 64,
    max_query_length: int | None = None,
    max_passage_length: int | None = None,
    precision: Precision = "float32",
    threads: int | None = None,
    top_k: int = 100,
    chunk_size: int = 200_000,
    name: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model exactly in the monolingual, cross-lingual and multilingual settings.

    Texts are encoded once and searched once, whatever the number of settings and languages.

    Args:
        model: a SentenceTransformer (texts are encoded as its ``encode_query`` and ``encode_document``
            do), a folder or hub name (the model as it was saved), an EncoderConfig (likewise, but for
            what it sets), or any object with ``encode_query`` and ``encode_document`` (lists of texts to
            an array [texts, d]; its own lengths and precision apply).
        corpus: the evaluation set.
        settings: which pools to rank against.
        measures: names as in ir_measures; rank distance is added in the multilingual setting.
        batch_size: texts encoded at a time.
        max_query_length: tokens; default: the model's, or those of an EncoderConfig.
        max_passage_length: tokens; default: likewise.
        precision: bfloat16 runs the model under autocast; scores are float32 either way.
        threads: CPU threads of encoding and search; default: all.
        top_k: length of the lists kept for the run file and the language bias.
        chunk_size: a corpus with more passages is encoded and searched this many at a time; the
            result is the same.
        name: what the tables call the evaluation; default: the corpus's name.
        progress: called with (texts encoded, texts in all).

    Returns:
        The measures; see :class:`Evaluation`.

    Raises:
        CorpusError: no queries, no passages or no golds.
        ModelError: the model cannot be loaded.
        InvalidArgument: an unknown setting or measure, none at all, or a number out of range.
        TypeError: a number that is not whole.
        InvalidShape: the encoder returned another number of rows than it was given texts.
        NotANumber: a score is NaN (query and passage named).
    """
    check_names(settings, measures)
    check_numbers(
        batch_size=batch_size,
        max_query_length=max_query_length,
        max_passage_length=max_passage_length,
        top_k=top_k,
        chunk_size=chunk_size,
        threads=threads,
    )
    if precision not in get_args(Precision):
        raise InvalidArgument(
            f"precision is {quoted(precision)}, expected one of {', '.join(get_args(Precision))}"
        )
    golds = _checked_golds(corpus)
    if isinstance(model, EncoderConfig):
        max_query_length = max_query_length or model.max_query_length
        max_passage_length = max_passage_length or model.max_passage_length
    encoder = open_model(model)
    encoding = Encoding(
        batch_size=batch_size,
        max_query_length=max_query_length,
        max_passage_length=max_passage_length,
        precision=precision,
    )
    description = description_of(encoder, encoding)
    counted = Counted(progress, len(corpus.queries) + len(corpus.passages))
    with evaluating(encoder, threads):
        queries = encode(encoder, corpus.queries.texts, "query", encoding, counted)
        if len(corpus.passages) <= chunk_size:
            passages = encode(encoder, corpus.passages.texts, "passage", encoding, counted)
            found = evaluate_embeddings(
                queries,
                passages,
                corpus,
                settings=settings,
                measures=measures,
                top_k=top_k,
                name=name,
                threads=threads,
            )
            return dataclasses.replace(found, encoder=description)

        def of_rows(rows: NDArray[np.int64]) -> Any:
            return encode(encoder, pick(corpus.passages.texts, rows), "passage", encoding, counted)

        searched = search_chunks(
            queries,
            of_rows,
            golds.indptr,
            golds.passages,
            np.asarray(corpus.passages.languages),
            chunk_size=chunk_size,
            top_k=top_k,
            threads=threads,
        )
    found = tabulate(searched, golds, corpus, settings=settings, measures=measures, name=name)
    return dataclasses.replace(found, encoder=description)


def check_numbers(*, threads: int | None = None, **numbers: int | None) -> None:
    """Refuse counts below 1, before any work; those of a model's own choice may be None.

    Raises:
        InvalidArgument: a number out of range.
        TypeError: one that is not whole.
    """
    thread_count(threads)
    for name, value in numbers.items():
        if value is not None or name not in ("max_query_length", "max_passage_length"):
            count_of(value, name, 1)


def _checked_golds(corpus: Corpus) -> Golds:
    for rows, side in ((corpus.queries, "queries"), (corpus.passages, "passages")):
        if len(rows) == 0:
            raise CorpusError(f"{corpus.name} has no {side}, so there is nothing to evaluate")
    golds = Golds.of(corpus)
    if len(golds.passages) == 0:
        raise CorpusError(
            f"{corpus.name} has no relevant passage for any query, so there is nothing to evaluate"
        )
    return golds
