"""Opens an encoder from a folder or the Hugging Face hub as a sentence-transformers model."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from sentence_transformers.util import load_file_path
from transformers import MODEL_MAPPING, AutoConfig, AutoModel

from ..config import EncoderConfig
from ..errors import ModelError
from .folder import Find, ModelFiles, check_folder, in_folder, is_e5, is_path, read_json
from .freeze import freeze
from .quiet import quiet
from .reachable import check_reachable
from .roles import LENGTH, Role, input_module, poolings, position_limit

E5_PROMPTS = {"query": "query: ", "document": "passage: "}
"""What E5 models were trained with (arXiv 2402.05672); the published folders do not always say so."""


def load_encoder(config: EncoderConfig, *, device: str | None = None) -> SentenceTransformer:
    """Open the encoder that queries and passages share, as it was saved.

    A folder or hub name that is a sentence-transformers model keeps its modules, prompts, lengths,
    pooling, normalisation and ``truncate_dim``. A plain Hugging Face encoder (BERT, XLM-R, LaBSE …),
    which says nothing of these, becomes Transformer + Pooling + Normalize; its pooler, which no
    embedding passes through, is left out. What ``config`` sets goes before what the model says.

    A model that names no prompts gets none, but for E5 models (told by name), which get
    ``"query: "`` and ``"passage: "``. Prompts and lengths are kept in the model, so that they are saved
    with it. Weights are float32. Frozen parts have ``requires_grad`` off.

    Args:
        config: which encoder, and how texts enter it.
        device: ``"cpu"``, ``"cuda"`` …; default: CUDA where there is one.

    Raises:
        ModelError: nothing there, no configuration, weights or tokenizer, weights of another
            model, a setting that the model has no place for, or more frozen layers than there are.

    Warns:
        UserWarning: a length is set, here or in the model, that the model has no positions for; texts are
            cut at those.
    """
    name = config.model
    files: ModelFiles | None = None
    if is_path(name):
        name = str(Path(name).expanduser())
        files = check_folder(Path(name))
    else:
        check_reachable(name)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        # Weights that a file lacks are drawn at random; a fixed draw keeps repeated runs equal.
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            files = files or ModelFiles.of(name, _on_hub(name))
            model = _open(files, config, device)
            if not files.prompted and is_e5(name, _origin(name)):
                model.prompts = {**model.prompts, **E5_PROMPTS}
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # the loaders below raise whatever their file formats raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"cannot open the encoder {name}: {reason[0]}") from error
    _set_modules(model, config)
    _set_inputs(model, config)
    freeze(model, words=config.freeze_word_embeddings, layers=config.freeze_layers)
    return model


def _open(files: ModelFiles, config: EncoderConfig, device: str) -> SentenceTransformer:
    if files.kind != "SentenceTransformer":
        raise ModelError(f"{files.name} is a {files.kind}, which does not make one dense vector of a text")
    without = [without_pooler(files.name, place) for place in files.transformers]
    backbone: dict[str, Any] = {"dtype": torch.float32}
    if without and all(arguments == without[0] for arguments in without):
        backbone |= without[0]
    for place in files.transformers:
        _check_weights(files.name, place, backbone)
    if files.modular:
        return SentenceTransformer(files.name, device=device, model_kwargs=backbone)
    transformer = Transformer(files.name, model_kwargs=backbone)
    modules: list[torch.nn.Module] = [
        transformer,
        Pooling(
            transformer.get_embedding_dimension(), pooling_mode=config.pooling or _usual_pooling(transformer)
        ),
    ]
    if config.normalize is not False:
        modules.append(Normalize())
    return SentenceTransformer(modules=modules, device=device)


def _usual_pooling(transformer: Transformer) -> Any:
    """Return the pooling that sentence-transformers gives to a model that names none."""
    backbone: Any = transformer.config
    written_on = (getattr(backbone, "architectures", None) or [""])[0].endswith("ForCausalLM")
    return "lasttoken" if written_on and getattr(backbone, "is_causal", True) else "mean"


def without_pooler(place: str, subfolder: str = "") -> dict[str, Any]:
    """Return the arguments that keep a model class from making a pooler, where it knows one."""
    kind = type(AutoConfig.from_pretrained(place, subfolder=subfolder))
    model_class: Any = MODEL_MAPPING.get(kind, None)
    if model_class is None:
        raise ModelError(f"{place} is a {kind.model_type} model, which is not an encoder")
    if "add_pooling_layer" in inspect.signature(model_class).parameters:
        return {"add_pooling_layer": False}
    return {}


def _check_weights(place: str, subfolder: str, backbone: dict[str, Any]) -> None:
    """Refuse a file that lacks weights: the library would fill them in at random."""
    _, found = AutoModel.from_pretrained(
        place, subfolder=subfolder, output_loading_info=True, ignore_mismatched_sizes=True, **backbone
    )
    # No embedding passes through a pooler, or the decoder of T5.
    missing = sorted(
        key for key in found["missing_keys"] if "pooler" not in key and not key.startswith("decoder.")
    )
    mismatched = sorted(str(key[0]) for key in found.get("mismatched_keys", ()))
    if missing or mismatched:
        wrong = (missing or mismatched)[0]
        raise ModelError(
            f"the weights in {place} are not those of its config.json: {len(missing)} missing, "
            f"{len(mismatched)} of another shape, for instance {wrong}"
        )


def _on_hub(name: str) -> Find:
    def find(file: str) -> Path | None:
        folder, _, base = file.rpartition("/")
        path = load_file_path(name, base, subfolder=folder)
        return None if path is None else Path(path)

    return find


def _origin(name: str) -> str:
    """Return the name in a model's own configuration; transformers before 5 wrote it there."""
    find = in_folder(Path(name)) if is_path(name) else _on_hub(name)
    return str((read_json(find, "config.json", dict) or {}).get("_name_or_path", ""))


def _set_modules(model: SentenceTransformer, config: EncoderConfig) -> None:
    """Change pooling and normalisation of a model that has its own, where the configuration says so."""
    found = poolings(model)
    if config.pooling is not None and any(one.pooling_mode != config.pooling for one in found):
        if any(not isinstance(one.pooling_mode, str) for one in found):
            raise ModelError(
                f"pooling is {config.pooling!r}, but {config.model} joins several vectors of a text; "
                "leave it out"
            )
        for one in found:
            one.pooling_mode = config.pooling
    if config.pooling is not None and not found:
        raise ModelError(f"pooling is {config.pooling!r}, but {config.model} has no pooling; leave it out")
    if config.normalize and not isinstance(model[-1], Normalize):
        model.append(Normalize())
    if config.normalize is False and isinstance(model[-1], Normalize):
        del model[-1]


def _set_inputs(model: SentenceTransformer, config: EncoderConfig) -> None:
    prompts = {"query": config.query_prefix, "document": config.passage_prefix}
    model.prompts = {**model.prompts, **{name: text for name, text in prompts.items() if text is not None}}
    asked: dict[Role, int | None] = {"query": config.max_query_length, "passage": config.max_passage_length}
    for role, length in asked.items():
        module = input_module(model, role)
        field = f"max_{role}_length"
        if not isinstance(module, Transformer):
            if length is not None:
                raise ModelError(
                    f"{field} is {length}, but {config.model} does not cut its {role} texts; leave it out"
                )
            continue
        if module.tokenizer is None or module.tokenizer.pad_token_id is None:
            raise ModelError(f"the tokenizer of {config.model} has no padding token")
        longest = position_limit(module.auto_model)
        if longest is not None and length is not None and length > longest:
            warnings.warn(
                f"{field} is {length}, but {config.model} has {longest} positions: "
                f"texts are cut to {longest} tokens",
                stacklevel=3,
            )
        length = length or getattr(module, LENGTH[role], None)
        if length is not None:
            setattr(module, LENGTH[role], min(length, longest or length))
        own = module.max_seq_length
        if longest is not None and (own or longest + 1) > longest:
            if own and _says_too_many(module, own):
                warnings.warn(
                    f"{config.model} says that it reads {own} tokens, but it has {longest} positions: "
                    f"texts are cut to {longest} tokens",
                    stacklevel=3,
                )
            module.max_seq_length = longest
    first: Any = model[0]
    lengths = [getattr(first, name, None) or 0 for name in LENGTH.values()]
    if isinstance(first, Transformer) and all(lengths) and any(asked.values()):
        # What plain ``encode`` cuts at.
        first.max_seq_length = max(lengths)


def _says_too_many(module: Transformer, length: int) -> bool:
    """Tell whether sentence-transformers itself would fail at a model's own length.

    XLM-R's table of positions has rows that no token uses, which libraries count as positions.
    """
    table = getattr(module.auto_model.config, "max_position_embeddings", None)
    return isinstance(table, int) and length > table
