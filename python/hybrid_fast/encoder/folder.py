"""Looks at a model's files before it is opened, so that what is missing can be said in one sentence."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..text_files import read_text

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

Find = Callable[[str], Path | None]
"""Where a file of the model lies, by its name within the model; None: the model has no such file."""


def is_path(model: str) -> bool:
    """Tell whether a model name means a place on disk rather than ``owner/name`` on the hub."""
    return Path(model).exists() or model.startswith(("/", "./", "../", "~", "\\")) or model.count("/") > 1


@dataclass(frozen=True)
class ModelFiles:
    """What a model's files say of it.

    Attributes:
        name: folder or hub name.
        modular: written by sentence-transformers, with modules of its own.
        transformers: where its transformers lie, as subfolders ("" is the model's own folder).
        prompted: it names prompts, be they empty.
        kind: what kind of model sentence-transformers saved, for instance ``SparseEncoder``.
    """

    name: str
    modular: bool
    transformers: tuple[str, ...]
    prompted: bool
    kind: str

    @classmethod
    def of(cls, name: str, find: Find) -> ModelFiles:
        """Read them.

        Raises:
            ModelError: a file that does not hold what it should.
        """
        modules = read_json(find, "modules.json", list)
        if modules is None:
            return cls(name, False, ("",), False, "SentenceTransformer")
        settings = read_json(find, "config_sentence_transformers.json", dict) or {}
        transformers: list[str] = []
        try:
            for module in modules:
                place = str(module["path"])
                if _is_transformer(module["type"]):
                    transformers.append(place)
                elif str(module["type"]).endswith(".Router"):
                    transformers += _routed(find, place)
        except (LookupError, TypeError):
            raise ModelError(f"modules.json of {name} is not a list of modules") from None
        return cls(
            name,
            True,
            tuple(transformers),
            bool(settings.get("prompts")),
            str(settings.get("model_type") or "SentenceTransformer"),
        )


def _routed(find: Find, place: str) -> list[str]:
    """Return the subfolders of the transformers of a router that lies in ``place``."""
    for file in ("router_config.json", "config.json"):
        routes = read_json(find, f"{place}/{file}" if place else file, dict)
        if routes is not None and "types" in routes:
            return [
                f"{place}/{name}" if place else name
                for name, kind in routes["types"].items()
                if _is_transformer(kind)
            ]
    return []


def _is_transformer(kind: Any) -> bool:
    return str(kind).startswith("sentence_transformers.") and str(kind).endswith(".Transformer")


def read_json(find: Find, file: str, kind: type) -> Any:
    """Return the value of one of a model's JSON files, or None where the model has no such file.

    Raises:
        ModelError: it is not JSON, or another kind of value.
    """
    path = find(file)
    if path is None:
        return None
    try:
        found = json.loads(read_text(path, ModelError))
    except ModelError:
        raise
    except (ValueError, RecursionError):
        raise ModelError(f"{path} is not JSON") from None
    if not isinstance(found, kind):
        what = "list" if kind is list else "table"
        raise ModelError(f"{path} is not a {what} of {'modules' if kind is list else 'settings'}")
    return found


def in_folder(folder: Path) -> Find:
    """Return how files are found in a folder."""

    def find(file: str) -> Path | None:
        path = folder / file
        return path if path.is_file() else None

    return find


def check_folder(folder: Path) -> ModelFiles:
    """Return what a model folder holds, and refuse one that is incomplete.

    Raises:
        ModelError: no such folder, a transformer without configuration, weights or tokenizer, or a JSON
            file with a byte order mark.
    """
    if not folder.exists():
        raise ModelError(f"there is no model folder {folder}")
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file; give the folder that holds the encoder")
    files = ModelFiles.of(str(folder), in_folder(folder))
    for place in files.transformers:
        _check_transformer(folder / place)
    for path in (*folder.glob("*.json"), *folder.glob("*/*.json")):
        with path.open("rb") as file:
            if file.read(3) == codecs.BOM_UTF8:
                raise ModelError(
                    f"{path} begins with a byte order mark, which transformers and sentence-transformers "
                    "do not read; save it as UTF-8 without one"
                )
    return files


def _check_transformer(place: Path) -> None:
    if not (place / "config.json").is_file():
        raise ModelError(f"{place} holds no config.json: it is not a folder of a Hugging Face encoder")
    if not any((place / name).is_file() for name in WEIGHT_FILES):
        raise ModelError(f"{place} holds no weights (model.safetensors or pytorch_model.bin)")
    if not any((place / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(
            f"{place} holds no tokenizer (tokenizer.json or a vocabulary); "
            "save it there with the tokenizer's save_pretrained"
        )


def is_e5(name: str, origin: str = "") -> bool:
    """Tell an E5 model, whose texts begin with "query: " or "passage: ", by the names it goes by.

    Its instructed relatives (``e5-mistral-7b-instruct``, ``multilingual-e5-large-instruct``) take
    prompts of another kind and are none.

    Args:
        name: folder or hub name.
        origin: the name in its configuration (``_name_or_path``).
    """
    parts = [name.rstrip("/").split("/")[-1], Path(name).expanduser().resolve().name, origin.split("/")[-1]]
    parts += [part.split("--")[-1] for part in Path(name).parts if part.startswith("models--")]
    return any(
        re.search(r"(^|[-_.])e5([-_.]|$)", part.lower()) and not re.search(r"instruct|mistral", part.lower())
        for part in parts
    )
