"""What an encoder does with texts, in plain values: printed, and saved beside every result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from .roles import Role, length_of, prompt_of, stages


def describe(
    model: SentenceTransformer, *, max_query_length: int | None = None, max_passage_length: int | None = None
) -> dict[str, Any]:
    """Return how a model turns texts into embeddings.

    Args:
        model: any sentence-transformers model.
        max_query_length: a length asked for in the model's place.
        max_passage_length: likewise.

    Returns:
        ``query`` and ``passage``, each a table of ``prompt``, ``prompt_pooled``, ``max_length`` (tokens;
        None: all), ``pooling`` (None: the model has none), ``normalized`` and ``modules``; ``dimension``,
        ``truncate_dim``, ``similarity`` (what search scores by) and ``model_similarity`` (the model's own).
    """
    asked: dict[Role, int | None] = {"query": max_query_length, "passage": max_passage_length}
    return {
        **{role: _of_role(model, role, length) for role, length in asked.items()},
        "dimension": model.get_embedding_dimension(),
        "truncate_dim": model.truncate_dim,
        "similarity": "inner product",
        "model_similarity": model.similarity_fn_name,
    }


def _of_role(model: SentenceTransformer, role: Role, asked: int | None) -> dict[str, Any]:
    modules = list(stages(model, role))
    pooling: Any = next((module for module in modules if isinstance(module, Pooling)), None)
    mode = None if pooling is None else pooling.pooling_mode
    return {
        "prompt": prompt_of(model, role),
        "prompt_pooled": pooling is None or bool(pooling.include_prompt),
        "max_length": length_of(model, role, asked),
        "pooling": mode if mode is None or isinstance(mode, str) else list(mode),
        "normalized": isinstance(modules[-1], Normalize) and not _shortened(model),
        "modules": [type(module).__name__ for module in modules],
    }


def _shortened(model: SentenceTransformer) -> bool:
    """Tell whether ``truncate_dim`` leaves out a part of each embedding."""
    with model.truncate_embeddings(None):
        whole = model.get_embedding_dimension()
    return model.truncate_dim is not None and (whole is None or model.truncate_dim < whole)


def in_words(description: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a description as lines for a person."""
    lines = []
    for role, name in (("query", "Queries"), ("passage", "Passages")):
        one = description[role]
        prompt = f"prompt {one['prompt']!r}" if one["prompt"] else "no prompt"
        if one["prompt"] and not one["prompt_pooled"]:
            prompt += " (not pooled)"
        length = "whole" if one["max_length"] is None else f"at most {one['max_length']} tokens"
        pooling = (
            one["pooling"] if isinstance(one["pooling"], str) else " + ".join(one["pooling"] or ["none"])
        )
        scale = "scaled to length 1" if one["normalized"] else "not scaled"
        lines.append(f"{name}: {prompt}; {length}; pooling {pooling}; {scale}")
    cut = "" if description["truncate_dim"] is None else " (truncate_dim)"
    lines.append(f"Embeddings of {description['dimension']} numbers{cut}; similarity: inner product")
    if note := _other_similarity(description):
        lines.append(note)
    return tuple(lines)


def _other_similarity(description: Mapping[str, Any]) -> str:
    own = description["model_similarity"]
    scaled = description["query"]["normalized"] and description["passage"]["normalized"]
    if own == "dot" or (scaled and own in ("cosine", "euclidean")):
        return ""
    advice = "; normalize = true makes them cosines" if own == "cosine" else ""
    return f"The model's own similarity is {own}, but scores here are inner products{advice}."
