"""Saves an encoder as a folder that sentence-transformers opens by itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer

from .folder import ModelFiles, check_folder, in_folder
from .load import without_pooler
from .quiet import quiet


def save_encoder(model: SentenceTransformer, folder: Path, *, card: str | None = None) -> None:
    """Write an encoder so that ``SentenceTransformer(folder)`` gives the same embeddings.

    The folder appears whole or not at all, and replaces a model that is there; anything else is left alone.

    Args:
        model: the encoder.
        folder: where to; parents are made.
        card: text of its README.md; default: none.

    Raises:
        FileExistsError: the folder holds something that is no sentence-transformers model.
        OSError: the disk is full or may not be written.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not _is_model(folder)):
        raise FileExistsError(f"{folder} exists and is no model folder; give a new one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with quiet():
            model.save_pretrained(str(temporary), create_model_card=False)
            _leave_out_pooler(temporary)
        if card is not None:
            (temporary / "README.md").write_text(card, encoding="utf-8")
        _put(temporary, folder)
    except SafetensorError as error:
        raise OSError(f"cannot write the model to {folder}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_model(folder: Path) -> bool:
    return ModelFiles.of(str(folder), in_folder(folder)).modular


def _put(new: Path, folder: Path) -> None:
    """Rename ``new`` to ``folder``; what stood there goes only when the new one is in its place."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _leave_out_pooler(folder: Path) -> None:
    """Note beside the weights that they come without a pooler, or opening would make a random one."""
    for place in check_folder(folder).transformers:
        path = folder / place / "sentence_bert_config.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        settings["model_kwargs"] = settings.get("model_kwargs", {}) | without_pooler(str(folder / place))
        path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
