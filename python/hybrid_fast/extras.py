"""Says in one sentence which extra of the package brings what is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

EXTRA_OF = {
    **dict.fromkeys(
        (
            "torch",
            "transformers",
            "sentence_transformers",
            "accelerate",
            "datasets",
            "pandas",
            "pyarrow",
            "tokenizers",
            "safetensors",
            "huggingface_hub",
        ),
        "train",
    ),
    **dict.fromkeys(("altair", "vl_convert"), "report"),
    "ir_measures": "compare",
}
"""Packages that are imported where they are needed, and the extra that has them (report has pandas too)."""


@contextmanager
def needed(what: str, extra: str | None = None) -> Iterator[None]:
    """Turn the failed import of a package of an extra into a sentence with the line that installs it.

    Args:
        what: what needs the package, for instance ``"hybrid_fast.train"``.
        extra: the extra to name; default: the one that has the package.

    Raises:
        ImportError: a package of an extra is not installed.
    """
    try:
        yield
    except ImportError as error:
        package = _missing(error)
        if package is None:
            raise
        raise _not_installed(what, package, extra) from None


def require(what: str, *packages: str) -> None:
    """Refuse, before any work, what needs packages that are not installed; nothing is imported.

    Raises:
        ImportError: the first that is missing, and the line that installs it.
    """
    for package in packages:
        try:
            found = importlib.util.find_spec(package) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            raise _not_installed(what, package)


def _not_installed(what: str, package: str, extra: str | None = None) -> ImportError:
    return ImportError(
        f"{what} needs {package}, which is not installed; "
        f"pip install 'hybrid_fast[{extra or EXTRA_OF[package]}]' brings it",
        name=package,
    )


def _missing(error: BaseException | None) -> str | None:
    """Return the package behind a failed import; libraries wrap such errors in their own."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            package = (error.name or "").partition(".")[0]
            if package in EXTRA_OF:
                return package
        error = error.__cause__ or error.__context__
    return None
