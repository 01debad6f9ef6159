"""Reads text, JSON and JSON Lines files, plain or gzip-compressed, and says what is wrong and where."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..errors import CorpusError
from ..quoting import quoted
from ..text_files import read_lines as lines_of
from ..text_files import read_text
from .languages import language_in_name

T = TypeVar("T")

NAMES = {
    str: "text",
    int: "a whole number",
    list: "a list",
    dict: "an object",
    float: "a decimal number",
    bool: "true or false",
}

LONE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: no character, and not to be written as UTF-8."""

ESCAPED_HALF = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Half a pair as JSON writes it; only to say in which line one stands."""

LARGEST_NUMBER = 2**63 - 1
"""What the columns of a corpus hold."""


class DamagedText(UserWarning):
    """A text held half a character, which was replaced by U+FFFD; the message names file and place."""


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


def by_language(files: dict[str, Path]) -> dict[str, Path]:
    """Return files named by a language's code under its normalised code.

    Raises:
        CorpusError: an unknown code, or two files of one language (``pt`` and ``pt-BR``).
    """
    found: dict[str, Path] = {}
    for stem, path in files.items():
        language = language_in_name(stem, path)
        if language in found:
            raise CorpusError(f"{found[language]} and {path} are both in {language}; keep one of them")
        found[language] = path
    return found


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of a UTF-8 text file; only a line feed ends a line.

    A byte order mark at the start is left out.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: not gzip, truncated, not UTF-8, or a line of more than 64 MiB; the line is named.
    """
    return lines_of(path, CorpusError)


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a JSON Lines file; blank lines are passed over.

    Half a surrogate pair, as a text cut inside an emoji leaves it, becomes U+FFFD, with a warning.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: a damaged file or a line that is not a JSON object, named by its number.
    """
    damaged: list[str] = []
    for number, line in read_lines(path):
        if not line or line.isspace():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _malformed(error, f"{path}, line {number}") from None
        if _may_hold_halves(line):
            value = _repaired(value, f"{path}, line {number}", damaged)
        if not isinstance(value, dict):
            raise CorpusError(f"{path}, line {number}: expected a JSON object, found {_kind(value)}")
        yield number, value
    _warn(damaged)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: as :func:`read_json_value`, or not an object.
    """
    value = read_json_value(path)
    if not isinstance(value, dict):
        raise CorpusError(f"{path}: expected a JSON object, found {_kind(value)}")
    return value


def read_json_value(path: Path) -> Any:
    """Return the value of a JSON file; half a surrogate pair becomes U+FFFD, with a warning.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: not gzip, truncated, not UTF-8, not JSON (line and column named), or over 512 MiB.
    """
    damaged: list[str] = []
    text = read_text(path, CorpusError)
    try:
        value = json.loads(text)
        if _may_hold_halves(text):
            value = _repaired(value, f"{path}{_line_of_half(text)}", damaged)
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"{path}, line {error.lineno}, column {error.colno}: malformed or truncated JSON ({error.msg})"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _malformed(error, str(path)) from None
    _warn(damaged)
    return value


def parse_record(line: str, where: str) -> dict[str, Any]:
    """Return the object of one line of JSON that was read before; half a surrogate pair becomes U+FFFD.

    Raises:
        CorpusError: it is none (the file has changed).
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _malformed(error, where) from None
    if _may_hold_halves(line):
        value = _repaired(value, where, [])
    if not isinstance(value, dict):
        raise CorpusError(f"{where}: expected a JSON object, found {_kind(value)}")
    return value


def take(record: Any, name: str, kind: type[T], where: str) -> T:
    """Return the field ``name`` of a record, checked to be of a kind.

    Raises:
        CorpusError: the record is no object, or the field is missing, of another kind, or a whole number
            of more than 64 bits.
    """
    if not isinstance(record, dict):
        raise CorpusError(f"{where}: expected an object, found {_kind(record)}")
    if name not in record:
        raise CorpusError(f"{where}: field {name!r} is missing")
    value = record[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CorpusError(f"{where}: field {name!r} is {_kind(value)}, expected {NAMES[kind]}")
    if kind is int and abs(value) > LARGEST_NUMBER:  # type: ignore[arg-type]  # an int
        raise CorpusError(f"{where}: field {name!r} is {quoted(value)}, beyond whole numbers of 64 bits")
    return value


def take_id(record: dict[str, Any], name: str, where: str) -> str:
    """Return an id: text, or a whole number written out.

    Raises:
        CorpusError: the field is missing, empty or something else.
    """
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise CorpusError(f"{where}: field {name!r} is missing or is neither text nor a whole number")
    return str(value)


def whole(text: str) -> str:
    """Return a text with half surrogate pairs replaced by U+FFFD."""
    return LONE.sub("\ufffd", text)


def _may_hold_halves(text: str) -> bool:
    """Return whether a JSON text has an escape that can leave half a surrogate pair; nothing else can."""
    return "\\ud" in text or "\\uD" in text


def _line_of_half(text: str) -> str:
    half = ESCAPED_HALF.search(text)
    return "" if half is None else f", line {text.count(chr(10), 0, half.start()) + 1}"


def _malformed(error: Exception, where: str) -> CorpusError:
    if isinstance(error, json.JSONDecodeError):
        return CorpusError(f"{where}: not JSON ({error.msg} at column {error.colno})")
    if isinstance(error, RecursionError):
        return CorpusError(f"{where}: JSON nested too deep; a record holds texts and lists of them")
    return CorpusError(f"{where}: a number has thousands of digits; write it as text")  # Python's limit


def _repaired(value: Any, where: str, damaged: list[str]) -> Any:
    """Return a value with half surrogate pairs replaced; ``damaged`` gets ``where`` if there were any."""
    before = len(damaged)

    def repair(item: Any) -> Any:
        if isinstance(item, str) and LONE.search(item):
            if len(damaged) == before:
                damaged.append(where)
            return whole(item)
        if isinstance(item, list):
            return [repair(one) for one in item]
        if isinstance(item, dict):
            return {repair(name): repair(one) for name, one in item.items()}
        return item

    try:
        return repair(value)
    except RecursionError as error:
        raise _malformed(error, where) from None


def _warn(damaged: list[str]) -> None:
    if damaged:
        more = f" and in {len(damaged) - 1:,} further records of the file" if len(damaged) > 1 else ""
        warnings.warn(
            f"{damaged[0]}{more}: half of a surrogate pair, which is no character, was read as U+FFFD",
            DamagedText,
            stacklevel=4,
        )


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return NAMES.get(type(value), type(value).__name__)
