"""Reads text, JSON and JSON Lines files, plain or gzip-compressed, and says what is wrong and where."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ..errors import CorpusError

T = TypeVar("T")

NAMES = {
    str: "text",
    int: "a whole number",
    list: "a list",
    dict: "an object",
    float: "a decimal number",
    bool: "true or false",
}


def find_file(folder: Path, stem: str, *endings: str) -> Path | None:
    """Return ``folder/stem`` + the first ending that exists, each also tried with ``.gz``, or None."""
    for ending in endings:
        for name in (f"{stem}{ending}", f"{stem}{ending}.gz"):
            path = folder / name
            if path.is_file():
                return path
    return None


def files_by_stem(folder: Path, *endings: str) -> dict[str, Path]:
    """Return the files of a folder that end in one of the endings (or that + ``.gz``), by stem, sorted."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".gz")
        ending = next((ending for ending in endings if name.endswith(ending)), None)
        if ending is None or name.startswith(".") or not path.is_file():
            continue
        stem = name.removesuffix(ending)
        if stem in found:
            raise CorpusError(f"{found[stem]} and {path} hold the same part; keep one of them")
        found[stem] = path
    return found


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of a UTF-8 text file; only a line feed ends a line.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: not gzip, truncated, or not UTF-8; the message names the line.
    """
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode().removesuffix("\n").removesuffix("\r")
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise CorpusError(_damage(path, error, number)) from None


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a JSON Lines file; blank lines are passed over.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: a damaged file or a line that is not a JSON object, named by its number.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise CorpusError(f"{path}, line {number}: not JSON ({error.msg})") from None
        if not isinstance(value, dict):
            raise CorpusError(f"{path}, line {number}: expected a JSON object, found {_kind(value)}")
        yield number, value


def read_json(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: not gzip, truncated, not UTF-8, not JSON (line and column named), or not an object.
    """
    try:
        with _open(path) as file:
            value = json.loads(file.read().decode())
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise CorpusError(_damage(path, error, None)) from None
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"{path}, line {error.lineno}, column {error.colno}: malformed or truncated JSON ({error.msg})"
        ) from None
    if not isinstance(value, dict):
        raise CorpusError(f"{path}: expected a JSON object, found {_kind(value)}")
    return value


def take(record: Any, name: str, kind: type[T], where: str) -> T:
    """Return the field ``name`` of a record, checked to be of a kind.

    Raises:
        CorpusError: the record is no object, or the field is missing or of another kind.
    """
    if not isinstance(record, dict):
        raise CorpusError(f"{where}: expected an object, found {_kind(record)}")
    if name not in record:
        raise CorpusError(f"{where}: field {name!r} is missing")
    value = record[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CorpusError(f"{where}: field {name!r} is {_kind(value)}, expected {NAMES[kind]}")
    return value


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _damage(path: Path, error: Exception, lines: int | None) -> str:
    after = "" if lines is None else f" after line {lines}"
    if isinstance(error, EOFError):
        return f"{path} is truncated: its gzip data ends{after or ' early'}"
    if isinstance(error, UnicodeDecodeError):
        line = f", line {lines}" if lines is not None else ""
        return f"{path}{line}: not UTF-8 ({error.reason} at byte {error.start})"
    if isinstance(error, gzip.BadGzipFile) and not lines:
        return f"{path} is not a gzip file or is damaged ({error}); remove .gz from its name if it is plain"
    return f"{path} is damaged: its gzip data cannot be read{after} ({error})"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return NAMES.get(type(value), type(value).__name__)
