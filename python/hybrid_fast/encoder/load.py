"""Opens an encoder from a folder or the Hugging Face hub as a sentence-transformers model."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from sentence_transformers.util import is_sentence_transformer_model
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from ..config import EncoderConfig
from ..errors import ModelError
from .folder import is_path, is_sentence_transformer, transformer_folder
from .freeze import freeze
from .quiet import quiet


def load_encoder(config: EncoderConfig, *, device: str | None = None) -> SentenceTransformer:
    """Open the encoder that queries and passages share.

    A plain Hugging Face encoder (BERT, XLM-R, LaBSE, E5 …) becomes Transformer + Pooling
    (+ Normalize); its pooler, which no embedding passes through, is left out. A folder or hub name
    that is already a sentence-transformers model keeps its own modules, pooling included, and gets
    a Normalize at the end where ``config.normalize`` asks for one and there is none.

    Weights are float32. The prompts ``query`` and ``document`` are the configured prefixes and the
    two maximal lengths are kept in the model, so that they are saved with it. Frozen parts have
    ``requires_grad`` off.

    Args:
        config: which encoder, and how texts enter it.
        device: ``"cpu"``, ``"cuda"`` …; default: CUDA where there is one.

    Raises:
        ModelError: nothing there, no configuration, weights or tokenizer, weights of another
            model, a length the model cannot hold, or more frozen layers than there are.
    """
    name = config.model
    place = name
    if is_path(name):
        name = str(Path(name).expanduser())
        place = str(transformer_folder(Path(name)))
        modular = is_sentence_transformer(Path(name))
    else:
        modular = is_sentence_transformer_model(name)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        # Weights that a file lacks are drawn at random; a fixed draw keeps repeated runs equal.
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _open(name, place, config, modular=modular, device=device)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # the loaders below raise whatever their file formats raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"cannot open the encoder {name}: {reason[0]}") from error
    _set_inputs(model, config)
    freeze(model, words=config.freeze_word_embeddings, layers=config.freeze_layers)
    return model


def _open(name: str, place: str, config: EncoderConfig, *, modular: bool, device: str) -> SentenceTransformer:
    backbone: dict[str, Any] = {"dtype": torch.float32} | without_pooler(place)
    _check_weights(place, backbone)
    if modular:
        model = SentenceTransformer(name, device=device, model_kwargs=backbone)
        if not isinstance(model[0], Transformer):
            raise ModelError(f"{name} starts with {type(model[0]).__name__}, not with a transformer")
        if config.normalize and not isinstance(model[-1], Normalize):
            model.append(Normalize())
        return model
    transformer = Transformer(place, model_kwargs=backbone)
    modules: list[torch.nn.Module] = [
        transformer,
        Pooling(transformer.get_embedding_dimension(), pooling_mode=config.pooling),
    ]
    if config.normalize:
        modules.append(Normalize())
    return SentenceTransformer(modules=modules, device=device)


def without_pooler(place: str) -> dict[str, Any]:
    """Return the arguments that keep a model class from making a pooler, where it knows one."""
    kind = type(AutoConfig.from_pretrained(place))
    model_class: Any = MODEL_MAPPING.get(kind, None)
    if model_class is None:
        raise ModelError(f"{place} is a {kind.model_type} model, which is not an encoder")
    if "add_pooling_layer" in inspect.signature(model_class).parameters:
        return {"add_pooling_layer": False}
    return {}


def _check_weights(place: str, backbone: dict[str, Any]) -> None:
    """Refuse a file that lacks weights: the library would fill them in at random."""
    _, found = AutoModel.from_pretrained(
        place, output_loading_info=True, ignore_mismatched_sizes=True, **backbone
    )
    missing = sorted(key for key in found["missing_keys"] if "pooler" not in key)
    mismatched = sorted(str(key[0]) for key in found.get("mismatched_keys", ()))
    if missing or mismatched:
        wrong = (missing or mismatched)[0]
        raise ModelError(
            f"the weights in {place} are not those of its config.json: {len(missing)} missing, "
            f"{len(mismatched)} of another shape, for instance {wrong}"
        )


def _set_inputs(model: SentenceTransformer, config: EncoderConfig) -> None:
    transformer: Any = model[0]
    longest = position_limit(transformer.auto_model)
    for field in ("max_query_length", "max_passage_length"):
        length = getattr(config, field)
        if longest is not None and length > longest:
            raise ModelError(f"{field} is {length}, but {config.model} holds at most {longest} tokens")
    if transformer.tokenizer is None or transformer.tokenizer.pad_token_id is None:
        raise ModelError(f"the tokenizer of {config.model} has no padding token")
    transformer.query_length = config.max_query_length
    transformer.document_length = config.max_passage_length
    model.max_seq_length = max(config.max_query_length, config.max_passage_length)
    model.prompts = {"query": config.query_prefix, "document": config.passage_prefix}


def position_limit(backbone: Any) -> int | None:
    """Return how many tokens a backbone has positions for, or None where it does not say."""
    table = getattr(getattr(backbone, "embeddings", None), "position_embeddings", None)
    if isinstance(table, torch.nn.Embedding):
        # RoBERTa-like models number positions from one past the padding position.
        first = 0 if table.padding_idx is None else table.padding_idx + 1
        return table.num_embeddings - first
    limit = getattr(backbone.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None
