"""Text files as other programs write them: plain or gzip, with a byte order mark, too long, not UTF-8.

Everything that reads a user's text file goes through here, so that each rule holds for all of them.
"""

from __future__ import annotations

import gzip
import io
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import HybridFastError
from .quoting import shortened

LONGEST_LINE = 64 * 2**20
"""Most bytes of one line."""

LARGEST_FILE = 512 * 2**20
"""Most bytes, unpacked, of a file that is read as a whole (JSON, TOML)."""

START = 4096
"""Bytes of a file in which a zero byte shows that it is no UTF-8 text."""

OTHER_ENCODINGS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""Byte order mark → encoding; the longer ones first."""


def read_lines(path: Path, error: type[HybridFastError]) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of a UTF-8 file; only a line feed ends a line.

    A byte order mark at the start is no text. A name that ends in ``.gz`` is read through gzip.

    Raises:
        FileNotFoundError: there is no such file.
        HybridFastError: of the type given: not gzip, truncated, not UTF-8, or a line of more than 64 MiB;
            the message names file and line and says what to do.
    """
    number = 0
    try:
        with _open(path) as file:
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise error(
                        f"{path}, line {number}: the line is longer than {LONGEST_LINE // 2**20} MiB, the "
                        "longest that is read; is it a text file with one record a line?"
                    )
                if number == 1:
                    refuse_other_encoding(path, line[:START], error)
                    yield 1, line.decode().lstrip("\ufeff").removesuffix("\n").removesuffix("\r")
                else:
                    yield number, line.decode().removesuffix("\n").removesuffix("\r")
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as damage:
        raise error(_damage(path, damage, number, whole=False)) from None


def read_text(path: Path, error: type[HybridFastError]) -> str:
    """Return the text of a UTF-8 file, without a byte order mark; ``.gz`` is read through gzip.

    Raises:
        FileNotFoundError: there is no such file.
        HybridFastError: of the type given: not gzip, truncated, not UTF-8, or more than 512 MiB.
    """
    try:
        with _open(path) as file:
            data = file.read(LARGEST_FILE + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as damage:
        raise error(_damage(path, damage, 0, whole=True)) from None
    if len(data) > LARGEST_FILE:
        raise error(
            f"{path} holds more than {LARGEST_FILE // 2**20} MiB, the most that is read at once; "
            "split it, or write it with one record a line"
        )
    refuse_other_encoding(path, data[:START], error)
    try:
        return data.decode().lstrip("\ufeff")
    except UnicodeDecodeError as damage:
        line = data.count(b"\n", 0, damage.start) + 1
        raise error(_damage(path, damage, line, whole=True)) from None


def read_toml(path: Path, error: type[HybridFastError]) -> dict[str, Any]:
    """Return the table of a TOML file.

    Raises:
        FileNotFoundError: there is no such file.
        HybridFastError: of the type given: not TOML, nested too deep, or a number too long.
    """
    try:
        return tomllib.loads(read_text(path, error))
    except tomllib.TOMLDecodeError as malformed:
        raise error(f"{path} is not valid TOML: {shortened(str(malformed))}") from None
    except RecursionError:
        raise error(f"{path} is not valid TOML: its values are nested too deep") from None
    except (HybridFastError, FileNotFoundError):
        raise
    except IsADirectoryError:
        raise error(f"{path} is a folder, expected a TOML file") from None
    except OSError as refused:
        raise error(f"{path} cannot be read: {refused.strerror}; give a TOML file") from None
    except ValueError as long:  # Python converts no number of more than 4,300 digits, and no 30 February
        why = "a number has too many digits" if "digits" in str(long) else shortened(str(long))
        raise error(f"{path} is not valid TOML: {why}") from None


def _open(path: Path) -> io.BufferedReader | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def refuse_other_encoding(path: Path | str, start: bytes, error: type[HybridFastError]) -> None:
    """Refuse text that is not UTF-8 by its first bytes.

    Raises:
        HybridFastError: of the type given: UTF-16, UTF-32, or zero bytes.
    """
    name = next((name for mark, name in OTHER_ENCODINGS.items() if start.startswith(mark)), None)
    if name is not None:
        raise error(f"{path} is {name} text, as Windows programs write it; save it as UTF-8")
    if b"\0" in start:  # without a mark, blanks and Latin letters still come with a zero byte each
        raise error(f"{path} holds zero bytes, as UTF-16 text and binary files do; save it as UTF-8 text")


def _damage(path: Path, damage: Exception, lines: int, *, whole: bool) -> str:
    after = f" after line {lines}" if not whole else ""
    if isinstance(damage, EOFError):
        return f"{path} is truncated: its gzip data ends{after or ' early'}; fetch it again"
    if isinstance(damage, UnicodeDecodeError):
        return f"{path}, line {lines}: not UTF-8 ({damage.reason} at byte {damage.start}); save it as UTF-8"
    if isinstance(damage, gzip.BadGzipFile) and not lines:
        return f"{path} is not a gzip file or is damaged ({damage}); remove .gz from its name if it is plain"
    return f"{path} is damaged: its gzip data cannot be read{after} ({damage}); fetch it again"
