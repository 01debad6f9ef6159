"""Run and qrels files: which format one is in, and what it holds."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from ..extras import needed
from ..quoting import quoted, shortened
from ..text_files import START, refuse_other_encoding
from .columns import chosen
from .streams import Stream, open_stream
from .trec_lines import read_lines

PARQUET = b"PAR1"


def read_file(source: Any, kind: str) -> tuple[dict[str, dict[str, Any]] | None, Any]:
    """Read a run or qrels file in whichever of the known formats it is.

    Args:
        source: a path, or a file that is open for reading, as text or bytes; compressed by gzip, bzip2 or
            xz or not, which its content tells.
        kind: "run" or "qrels".

    Returns:
        The checked table of a text file, or None and what a JSON or Parquet file holds.

    Raises:
        FileNotFoundError: there is no such file.
        CorpusError: a malformed or damaged file, or one in another format.
        ImportError: a Parquet file without pyarrow.
    """
    with open_stream(source) as stream:
        start = stream.start()
        if start.startswith(PARQUET):
            return None, _parquet(stream, kind)
        if start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
            return None, _json(stream, kind)
        return read_lines(stream, kind), None


@contextmanager
def naming(source: Any) -> Iterator[None]:
    """Name the file in errors about what it holds."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise CorpusError(f"{stream_name(source)}: {error}") from None


def stream_name(source: Any) -> str:
    """Return what messages call a file."""
    return str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "the open file"))


def _json(stream: Stream, kind: str) -> Mapping[str, Any]:
    """Return {query: {document: value}} of a JSON file."""
    value = "score" if kind == "run" else "grade"

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise CorpusError(f"{stream.name}: {quoted(twice)} comes twice")
        return found

    try:
        data = stream.read_all()
        refuse_other_encoding(stream.name, data[:START], CorpusError)
        found = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{stream.name} is not UTF-8 text: {error}") from None
    except json.JSONDecodeError as error:
        raise CorpusError(f"{stream.name}, line {error.lineno}: malformed JSON ({error.msg})") from None
    except RecursionError:
        raise CorpusError(
            f"{stream.name}: JSON nested too deep, expected {{query: {{document: {value}}}}}"
        ) from None
    except CorpusError:
        raise
    except ValueError as error:  # a whole number of thousands of digits
        raise CorpusError(f"{stream.name}: a number that is too long ({shortened(str(error))})") from None
    if not isinstance(found, dict):
        raise CorpusError(f"{stream.name}: expected a JSON object {{query: {{document: {value}}}}}")
    return found


def _parquet(stream: Stream, kind: str) -> Any:
    """Return the three columns of a Parquet file."""
    with needed(f"{stream.name}, a Parquet file,"):
        import pyarrow as pa
        from pyarrow import parquet
    try:
        file = parquet.ParquetFile(pa.BufferReader(stream.read_all()))
        names = chosen(file.schema_arrow.names, kind, stream.name)
        return file.read(columns=list(names))
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{stream.name} is a damaged Parquet file: {error}") from None
