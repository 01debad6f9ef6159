"""Bytes of a file that may be compressed, open already, or open as text; and its lines, bounded in length."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from ..text_files import START, refuse_other_encoding

LONGEST_LINE = 1 << 20
"""Bytes of the longest line that is read; no run or qrels has such a line, a damaged file may."""

_CHUNK = 1 << 18
_COMPRESSED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_OTHERS = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x1f\x9d": "compress",
}


class Stream:
    """A file's bytes after decompression."""

    def __init__(self, file: io.BufferedReader, name: str) -> None:
        """Wrap a buffered file; ``name`` is what messages call it."""
        self._file = file
        self.name = name

    def start(self) -> bytes:
        """Return some of the first bytes, which stay to be read."""
        with self._damage():
            return self._file.peek(64)[:64]

    def read_all(self) -> bytes:
        """Return all bytes."""
        with self._damage():
            return self._file.read()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number from 1, line without its end); LF, CRLF or CR ends a line.

        A byte order mark at the start is dropped.

        Raises:
            CorpusError: a line longer than LONGEST_LINE, damaged compressed data, or text that is not UTF-8.
        """
        number, tail, first = 0, b"", True
        while True:
            with self._damage(number):
                chunk = self._file.read(_CHUNK)
            if first:
                refuse_other_encoding(self.name, chunk[:START], CorpusError)
                chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
                if not chunk:
                    return
            data = tail + chunk
            # A CR at the very end may be half of a CRLF.
            held = b"\r" if chunk and data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            *complete, tail = data.split(b"\n")
            tail += held
            if not chunk and tail:
                complete.append(tail)
            for line in complete:
                number += 1
                if len(line) > LONGEST_LINE:
                    raise self._too_long(number)
                yield number, line
            if len(tail) > LONGEST_LINE:
                raise self._too_long(number + 1)
            if not chunk:
                return

    def _too_long(self, number: int) -> CorpusError:
        return CorpusError(
            f"{self.name}, line {number}: longer than {LONGEST_LINE:,} bytes, which no such file has"
        )

    @contextmanager
    def _damage(self, number: int | None = None) -> Iterator[None]:
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
            after = "" if not number else f" after line {number}"
            raise CorpusError(
                f"{self.name}: compressed data is damaged or cut short{after} ({error})"
            ) from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise CorpusError(f"{self.name}: compressed data is damaged ({error})") from None  # bzip2
        except UnicodeDecodeError as error:
            raise CorpusError(f"{self.name} is not UTF-8 text: {error}") from None


@contextmanager
def open_stream(source: Any) -> Iterator[Stream]:
    """Yield the bytes of a path or an open file, whose own position moves; only a path is closed again.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: a compression that is not read.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            yield _decompressed(file, str(source))
    else:
        name = getattr(source, "name", None)
        yield _decompressed(io.BufferedReader(_Reading(source.read)), str(name or "the open file"))


def _decompressed(file: io.BufferedReader, name: str) -> Stream:
    stream = Stream(file, name)
    start = stream.start()
    for magic, what in _OTHERS.items():
        if start.startswith(magic):
            raise CorpusError(
                f"{name} is compressed by {what}; decompress it first (gzip, bzip2 and xz are read)"
            )
    for magic, opened in _COMPRESSED.items():
        if start.startswith(magic):
            return Stream(io.BufferedReader(opened(file)), name)
    return stream


class _Reading(io.RawIOBase):
    """The bytes that a function returns, or those of its text."""

    def __init__(self, read: Callable[[int], Any]) -> None:
        self._read = read
        self._left = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes there were."""
        if not self._left:
            data = self._read(_CHUNK)
            self._left = (
                data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data or b"")
            )
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count
