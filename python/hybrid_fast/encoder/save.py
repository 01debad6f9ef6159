"""Saves an encoder as a folder that sentence-transformers opens by itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer

from .folder import check_folder
from .load import without_pooler
from .quiet import quiet


def save_encoder(model: SentenceTransformer, folder: Path, *, card: str | None = None) -> None:
    """Write an encoder so that ``SentenceTransformer(folder)`` gives the same embeddings.

    The folder appears whole or not at all, and replaces one that is there.

    Args:
        model: the encoder.
        folder: where to; parents are made.
        card: text of its README.md; default: none.

    Raises:
        OSError: the disk is full or may not be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with quiet():
            model.save_pretrained(str(temporary), create_model_card=False)
            _leave_out_pooler(temporary)
        if card is not None:
            (temporary / "README.md").write_text(card, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except SafetensorError as error:
        raise OSError(f"cannot write the model to {folder}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _leave_out_pooler(folder: Path) -> None:
    """Note beside the weights that they come without a pooler, or opening would make a random one."""
    for place in check_folder(folder).transformers:
        path = folder / place / "sentence_bert_config.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        settings["model_kwargs"] = settings.get("model_kwargs", {}) | without_pooler(str(folder / place))
        path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
