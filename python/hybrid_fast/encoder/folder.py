"""Looks at a model folder before it is opened, so that what is missing can be said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import ModelError

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "adapter_model.safetensors",
)


def is_path(model: str) -> bool:
    """Tell whether a model name means a place on disk rather than ``owner/name`` on the hub."""
    return Path(model).exists() or model.startswith(("/", "./", "../", "~", "\\")) or model.count("/") > 1


def transformer_folder(folder: Path) -> Path:
    """Return where a model folder keeps its transformer, and refuse a folder that is incomplete.

    Raises:
        ModelError: no such folder, or no configuration, weights or tokenizer in it.
    """
    if not folder.exists():
        raise ModelError(f"there is no model folder {folder}")
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file; give the folder that holds the encoder")
    place = folder
    if is_sentence_transformer(folder):
        try:
            modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
            place = folder / modules[0]["path"]
        except (ValueError, LookupError, TypeError):
            raise ModelError(f"{folder / 'modules.json'} is not a list of modules") from None
    if not (place / "config.json").is_file():
        raise ModelError(f"{place} holds no config.json: it is not a folder of a Hugging Face encoder")
    if not any((place / name).is_file() for name in WEIGHT_FILES):
        raise ModelError(f"{place} holds no weights (model.safetensors or pytorch_model.bin)")
    if not any((place / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(
            f"{place} holds no tokenizer (tokenizer.json or a vocabulary); "
            "save it there with the tokenizer's save_pretrained"
        )
    return place


def is_sentence_transformer(folder: Path) -> bool:
    """Tell whether a folder was written by sentence-transformers."""
    return (folder / "modules.json").is_file()
