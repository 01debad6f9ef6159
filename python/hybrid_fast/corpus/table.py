"""Our own layout: a folder of JSON Lines or Parquet files, or one flat file (see docs/corpora.md)."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import CorpusError
from ..quoting import quoted, shortened
from .assembling import Assembly, RowList
from .corpus import Corpus
from .judgements import Missing
from .languages import normalise_language
from .reading import find_file, read_json, read_json_lines, take, take_id

ENDINGS = (".jsonl", ".parquet")
VERSION = 1
Record = dict[str, Any]
Format = Literal["jsonl", "jsonl.gz", "parquet"]


def read_table(path: Path, *, split: str | None = None, missing: Missing = "refuse") -> Corpus:
    """Read a corpus in our layout: a folder as :func:`write_table` makes it, or one flat file.

    Args:
        path: a folder with ``queries``, ``passages``, ``pairs`` and ``qrels`` files, a folder with a
            ``table`` file, or that flat file itself; ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.
        split: name of a folder below ``path`` to read instead, or of a flat file in it.
        missing: judgements in ``qrels`` of queries or passages that the folder does not have: refuse, or
            drop and count them.

    Raises:
        FileNotFoundError: the folder does not hold this layout.
        CorpusError: a malformed row (file and row named), an id twice or unknown.
    """
    if split is not None:
        flat = find_file(path, split, *ENDINGS)
        if flat is None and not (path / split).is_dir():
            raise CorpusError(f"{path} has no split {quoted(split)}: neither such a folder nor {split}.jsonl")
        path = flat or path / split
    if path.is_file():
        return _from_flat(path)
    queries, passages, flat = (find_file(path, stem, *ENDINGS) for stem in ("queries", "passages", "table"))
    if queries is None and passages is None and flat is not None:
        return _from_flat(flat)
    if queries is None or passages is None:
        lacking = "queries" if queries is None else "passages"
        raise FileNotFoundError(f"{path} has no {lacking}.jsonl, {lacking}.jsonl.gz or {lacking}.parquet")
    return _from_folder(path, queries, passages, missing)


def corpus_of_records(name: str, records: Iterable[tuple[str, Record]]) -> Corpus:
    """Put flat records together: one cell each, as (where it stands, for messages; the record).

    A record has ``group``, ``language``, ``query`` and ``passage`` (texts; one of them may be null) and
    may have ``document``. In one language, equal passages are one row and equal queries are one row,
    whose golds are those of all its groups.

    Raises:
        CorpusError: a field that is missing or of the wrong kind, or a (group, language) twice.
    """
    assembly = Assembly(name)
    rows: tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]] = ({}, {})
    for where, record in records:
        group, language = take_id(record, "group", where), _language(record, where)
        document = _optional(record, "document", where)
        numbers = []
        for field, list_, known in (
            ("query", assembly.queries, rows[0]),
            ("passage", assembly.passages, rows[1]),
        ):
            text = _optional(record, field, where)
            if text and (language, text) not in known:
                known[language, text] = list_.add(f"{language}/{group}", text, language, document)
            numbers.append(known[language, text] if text else -1)
        if numbers == [-1, -1]:
            raise CorpusError(f"{where}: neither a query nor a passage")
        try:
            assembly.add_cell(group, language, query=numbers[0], passage=numbers[1])
        except CorpusError as error:
            raise CorpusError(f"{where}: {error}") from None
    return assembly.finish()


def write_table(corpus: Corpus, folder: Path | str, *, format: Format = "jsonl") -> Path:
    """Write a corpus in our layout; :func:`read_table` gives back one with the same fingerprint.

    Args:
        corpus: what is written.
        folder: a new or empty folder; it appears whole or not at all.
        format: jsonl, jsonl.gz or parquet (needs pyarrow).

    Raises:
        FileExistsError: the folder is not empty.
        CorpusError: a text that cannot be written as UTF-8 (half a surrogate pair).
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder; give a new one")
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        for stem, records in (
            ("queries", _row_records(corpus, "queries")),
            ("passages", _row_records(corpus, "passages")),
            ("pairs", _pair_records(corpus)),
            ("qrels", _qrel_records(corpus)),
        ):
            try:
                _write(temporary / f"{stem}.{format}", records)
            except UnicodeEncodeError as error:
                raise CorpusError(
                    f"{corpus.name} cannot be written: a text of its {stem} holds half a surrogate pair at "
                    f"{quoted(error.object[max(0, error.start - 20) : error.end])}; replace it by U+FFFD"
                ) from None
        about = {"layout": "hybrid_fast corpus", "version": VERSION, "name": corpus.name}
        (temporary / "corpus.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _from_flat(path: Path) -> Corpus:
    return corpus_of_records(path.name.split(".")[0], _records(path))


def _from_folder(folder: Path, queries: Path, passages: Path, missing: Missing) -> Corpus:
    assembly = Assembly(_name(folder))
    query_row, passage_row = (
        _add_rows(list_, path) for list_, path in ((assembly.queries, queries), (assembly.passages, passages))
    )
    pairs, qrels = find_file(folder, "pairs", *ENDINGS), find_file(folder, "qrels", *ENDINGS)
    if pairs is None and qrels is None:
        raise FileNotFoundError(
            f"{folder} has neither pairs nor qrels: nothing says which passage answers a query"
        )
    given: dict[str, list[int | None]] = {"query_identity": [], "passage_identity": []}
    for where, record in _records(pairs) if pairs else ():
        query = _known(record, "query", query_row, where)
        passage = _known(record, "passage", passage_row, where)
        if query == passage == -1:
            raise CorpusError(f"{where}: neither a query nor a passage")
        try:
            assembly.add_cell(
                take_id(record, "group", where), _language(record, where), query=query, passage=passage
            )
        except CorpusError as error:
            raise CorpusError(f"{where}: {error}") from None
        for name, values in given.items():
            values.append(take(record, name, int, where) if record.get(name) is not None else None)
    dropped = _add_golds(assembly, qrels, query_row, passage_row, missing) if qrels else 0
    corpus = assembly.finish(judged=qrels is not None, **_identities(given, pairs))
    return dataclasses.replace(corpus, dropped_judgements=dropped)


def _add_golds(
    assembly: Assembly, qrels: Path, query_row: dict[str, int], passage_row: dict[str, int], missing: Missing
) -> int:
    """Add the judgements of a file; return how many name what is not there and were dropped."""
    absent: list[str] = []
    lost = judged = 0
    for where, record in _records(qrels):
        if record.get("query") is None or record.get("passage") is None:
            raise CorpusError(f"{where}: a judgement needs both a query and a passage")
        query, passage = take_id(record, "query", where), take_id(record, "passage", where)
        judged += 1
        if query in query_row and passage in passage_row:
            grade = take(record, "grade", int, where) if "grade" in record else 1
            assembly.add_gold(query_row[query], passage_row[passage], grade)
            continue
        lost += 1
        if len(absent) < 3:
            what, id = ("passage", passage) if query in query_row else ("query", query)
            absent.append(f"{where}: there is no {what} with id {quoted(id)}")
    if lost and (missing == "refuse" or lost == judged):
        raise CorpusError(
            f"{'; '.join(absent)} ({lost:,} of {judged:,} judgements name what is not there; "
            "missing = 'drop' leaves some out and counts them)"
        )
    return lost


def _identities(
    given: dict[str, list[int | None]], pairs: Path | None
) -> dict[str, NDArray[np.int64] | None]:
    columns: dict[str, NDArray[np.int64] | None] = {}
    for name, values in given.items():
        missing = [value is None for value in values]
        if any(missing) and not all(missing):
            raise CorpusError(
                f"{pairs}: some rows have a {name} and some have none; give it to all or to none"
            )
        columns[name] = None if all(missing) else np.array(values, np.int64)
    return columns


def _add_rows(rows: RowList, path: Path) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for where, record in _records(path):
        id = take_id(record, "id", where)
        if id in numbers:
            raise CorpusError(f"{where}: id {quoted(id)} occurs twice; keep one row")
        text = take(record, "text", str, where)
        numbers[id] = rows.add(id, text, _language(record, where), _optional(record, "document", where))
    return numbers


def _known(record: Record, field: str, rows: dict[str, int], where: str) -> int:
    if record.get(field) is None:
        return -1
    id = take_id(record, field, where)
    if id not in rows:
        raise CorpusError(f"{where}: there is no {field} with id {quoted(id)}")
    return rows[id]


def _language(record: Record, where: str) -> str:
    try:
        return normalise_language(take(record, "language", str, where))
    except CorpusError as error:
        raise error if str(error).startswith(where) else CorpusError(f"{where}: {error}") from None


def _optional(record: Record, field: str, where: str) -> str:
    return "" if record.get(field) is None else take(record, field, str, where)


def _name(folder: Path) -> str:
    about = folder / "corpus.json"
    if not about.is_file():
        return folder.name or "table"
    record = read_json(about)
    if record.get("version", VERSION) != VERSION:
        raise CorpusError(f"{about}: version {quoted(record['version'])} of the layout, expected {VERSION}")
    return take(record, "name", str, str(about))


def _records(path: Path) -> Iterator[tuple[str, Record]]:
    if path.suffix != ".parquet":
        if not path.name.removesuffix(".gz").endswith((".jsonl", ".json")):
            raise CorpusError(f"{path}: expected a .jsonl, .jsonl.gz or .parquet file")
        for line, record in read_json_lines(path):
            yield f"{path}, line {line}", record
        return
    pyarrow, parquet = _parquet()
    try:
        row = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for record in batch.to_pylist():
                    row += 1
                    yield f"{path}, row {row}", record
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}, after row {row}: a text is not UTF-8 ({error.reason} at byte {error.start})"
        ) from None
    except (pyarrow.ArrowException, OSError) as error:
        raise CorpusError(f"{path} is not a Parquet file or is damaged ({shortened(str(error))})") from None


def _row_records(corpus: Corpus, side: Literal["queries", "passages"]) -> Iterator[Record]:
    rows = getattr(corpus, side)
    for id, text, language, document in zip(
        rows.ids, rows.texts, rows.languages.tolist(), rows.documents, strict=True
    ):
        record = {"id": id, "language": corpus.languages[language], "text": text}
        yield {**record, "document": document} if document else record


def _pair_records(corpus: Corpus) -> Iterator[Record]:
    cells = corpus.cells
    for group, language, query, passage, asks, answers in zip(
        cells.group.tolist(),
        cells.language.tolist(),
        cells.query.tolist(),
        cells.passage.tolist(),
        cells.query_identity.tolist(),
        cells.passage_identity.tolist(),
        strict=True,
    ):
        yield {
            "group": corpus.group_ids[group],
            "language": corpus.languages[language],
            "query": corpus.queries.ids[query] if query >= 0 else None,
            "passage": corpus.passages.ids[passage] if passage >= 0 else None,
            "query_identity": asks,
            "passage_identity": answers,
        }


def _qrel_records(corpus: Corpus) -> Iterator[Record]:
    qrels = corpus.qrels
    asked = np.repeat(np.arange(len(corpus.queries)), np.diff(qrels.indptr))
    for query, passage, grade in zip(
        asked.tolist(), qrels.passages.tolist(), qrels.grades.tolist(), strict=True
    ):
        yield {"query": corpus.queries.ids[query], "passage": corpus.passages.ids[passage], "grade": grade}


SCHEMAS = {
    "queries": {"id": "string", "language": "string", "text": "string", "document": "string"},
    "passages": {"id": "string", "language": "string", "text": "string", "document": "string"},
    "pairs": {
        "group": "string",
        "language": "string",
        "query": "string",
        "passage": "string",
        "query_identity": "int64",
        "passage_identity": "int64",
    },
    "qrels": {"query": "string", "passage": "string", "grade": "int64"},
}
"""Columns of each Parquet file."""


def _write(path: Path, records: Iterator[Record]) -> None:
    if path.suffix == ".parquet":
        pyarrow, parquet = _parquet()
        columns = SCHEMAS[path.name.removesuffix(".parquet")]
        schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in columns.items()])
        with parquet.ParquetWriter(path, schema) as writer:
            while chunk := list(islice(records, 100_000)):
                writer.write_table(pyarrow.Table.from_pylist(chunk, schema=schema))
        return
    # No time stamp in the gzip header: the same corpus gives the same bytes.
    with gzip.GzipFile(path, "wb", mtime=0) if path.suffix == ".gz" else path.open("wb") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def _parquet() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ImportError("Parquet files need pyarrow; pip install 'hybrid_fast[train]' brings it") from None
    return pyarrow, parquet
