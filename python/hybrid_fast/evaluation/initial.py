"""Evaluating equal initial weights once: runs that start from the same model share step 0."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..errors import RunError

Rows = list[dict[str, Any]]

WEIGHTS = "weights.txt"
"""Fingerprint of the weights that the runs of a sweep start from."""


def weights_fingerprint(model: Any) -> str:
    """Return 32 hexadecimal digits of all weights and buffers of a torch module, names and bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        plain = tensor.detach().cpu().contiguous()
        if str(plain.dtype) in ("torch.bfloat16", "torch.float16"):
            plain = plain.float()  # exact, and NumPy knows no bfloat16
        digest.update(plain.numpy().tobytes() if plain.ndim == 0 else memoryview(plain.numpy()).cast("B"))
    return digest.hexdigest()


def remembered(folder: Path, key: Any, compute: Callable[[], Rows]) -> Rows:
    """Return the rows kept in ``folder`` under ``key``, computing them the first time.

    Processes that ask for the same key at the same time wait for the one that computes; if that one
    is killed, the next takes over.

    Args:
        folder: of the cache; made if missing.
        key: anything JSON can express; its hash names the file.
        compute: called once.
    """
    text = json.dumps(key, sort_keys=True, ensure_ascii=False)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    with _held(path.with_suffix(".lock")):
        if path.exists():
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                rows: Rows = kept["rows"]
            except (ValueError, KeyError, TypeError) as error:
                raise RunError(
                    f"{path} is damaged ({error}); delete it to evaluate the initial weights again"
                ) from None
            else:
                return rows
        rows = compute()
        write_text(path, json.dumps({"key": key, "rows": rows}, ensure_ascii=False))
        return rows


def require_equal_weights(folder: Path, fingerprint: str) -> None:
    """Refuse initial weights that differ from those of the runs that came before in ``folder``.

    Raises:
        RunError: they differ, so runs would not be comparable.
    """
    path = folder / WEIGHTS
    with _held(path.with_suffix(".lock")):
        check_weights(folder, fingerprint)
        if not path.exists():
            write_text(path, fingerprint + "\n")


def check_weights(folder: Path, fingerprint: str) -> None:
    """Refuse as :func:`require_equal_weights` does, where ``folder`` knows any weights; changes nothing.

    Raises:
        RunError: they differ.
    """
    path = folder / WEIGHTS
    if path.exists() and path.read_text(encoding="utf-8").strip() != fingerprint:
        raise RunError(
            f"the encoder's initial weights differ from those that the runs in {folder.parent} started "
            "from (did the model folder change?); runs of one sweep need equal ones: use another folder"
        )


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock that the system frees when the process ends, however it ends.

    Windows has no such lock: there two processes may both do the work, and write the same file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
