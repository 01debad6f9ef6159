"""AfriQA (arXiv 2305.06897): questions in African languages, gold passages in English or French."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from ..quoting import quoted
from .assembling import Assembly
from .corpus import Corpus
from .languages import language_in_name
from .reading import read_json_lines, take
from .selection import chosen_files

SPLITS = ("train", "dev", "test")


def read_afriqa(folder: Path, *, languages: tuple[str, ...] = (), split: str | None = None) -> Corpus:
    """Read the folder ``gold_passages``: files ``<language>.<pivot>.<split>.jsonl``, plain or ``.gz``.

    A checkout of the source will do too: there they are ``data/gold_passages/<language>/
    gold_span_passages.afriqa.<language>.<pivot>.<split>.json``, one record a line.

    A group is a question with a gold passage: a cell with the question as asked and no passage, and a
    cell in the pivot language with the translated question and the passage. Passages of equal text
    are one row. Questions without a gold passage (all of Wolof; a few whose context is null) cannot be
    drawn or judged and are left out.

    Args:
        folder: the data set's folder.
        languages: languages of the questions; the pivot's questions come only if it is named, its
            passages always. Default: all.
        split: train, dev or test; default: all.

    Raises:
        CorpusError: a malformed file or name, or nothing for a language or split.
    """
    if split is not None and split not in SPLITS:
        raise CorpusError(f"afriqa has no split {quoted(split)}; its splits are {', '.join(SPLITS)}")
    golds, gold_files = _files(folder)
    pairs: dict[tuple[str, str], list[tuple[str, Path]]] = {}
    for path in gold_files:
        match = re.fullmatch(r"(?:.*\.)?([^.]+)\.([^.]+)\.(train|dev|test)\.jsonl?(\.gz)?", path.name)
        if match is None:
            raise CorpusError(f"{path}: expected a name such as hau.en.test.jsonl")
        asked, pivot = language_in_name(match[1], path), language_in_name(match[2], path)
        if split in (None, match[3]):
            parts = pairs.setdefault((asked, pivot), [])
            twin = next((other for part, other in parts if part == match[3]), None)
            if twin is not None:
                raise CorpusError(f"{twin} and {path} hold the same part; keep one of them")
            parts.append((match[3], path))
    pivots = {pivot for _, pivot in pairs}
    african = tuple(language for language in languages if language not in pivots)
    chosen_files({asked: None for asked, _ in pairs}, african, golds)
    assembly = Assembly("afriqa")
    rows: dict[tuple[str, str], int] = {}
    for (asked, pivot), files in sorted(pairs.items()):
        if languages and asked not in african and (african or pivot not in languages):
            continue
        for part, path in sorted(files, key=lambda item: SPLITS.index(item[0])):
            _add_file(assembly, rows, asked, pivot, part, path, languages)
    return assembly.finish()


def _files(folder: Path) -> tuple[Path, list[Path]]:
    """Return the folder of the gold passages and its files, as unpacked or as git gives them."""
    places = (folder, folder / "gold_passages", folder / "data" / "gold_passages", folder / "data")
    golds = next((place for place in places if place.name == "gold_passages" and place.is_dir()), None)
    if golds is None:  # the data set's copy on the hub has no such folder, only such names
        golds = next((place for place in places if any(place.glob("*/gold_span_passages.*.json*"))), None)
    if golds is None:
        raise FileNotFoundError(f"{folder} has no folder gold_passages; give the folder of AfriQA")
    files = [*golds.glob("*.json*"), *golds.glob("*/*.json*")]
    return golds, sorted(path for path in files if path.is_file() and not path.name.startswith("."))


def _add_file(
    assembly: Assembly,
    rows: dict[tuple[str, str], int],
    asked: str,
    pivot: str,
    part: str,
    path: Path,
    languages: tuple[str, ...],
) -> None:
    for line, record in read_json_lines(path):
        where = f"{path}, line {line}"
        number = record.get("id")
        if not isinstance(number, int | str):
            raise CorpusError(f"{where}: field 'id' is missing or neither text nor a number")
        group = f"{asked}-{part}-{number}"
        text, question, translated = (
            _text(record, name, where) for name in ("context", "question_lang", "question_translated")
        )
        if not text:
            continue
        if group in assembly.groups:
            raise CorpusError(f"{where}: id {quoted(number)} occurs twice in the file")
        if (pivot, text) not in rows:
            title = record.get("title") or f"untitled {group}"
            rows[pivot, text] = assembly.passages.add(f"{pivot}/{group}", text, pivot, str(title))
        passage = rows[pivot, text]
        document = assembly.passages.documents[passage]
        if (not languages or asked in languages) and question:
            query = assembly.queries.add(f"{asked}/{group}", question, asked, document)
            assembly.add_cell(group, asked, query=query)
        query = -1
        if (not languages or pivot in languages) and translated:
            query = assembly.queries.add(f"{pivot}/{group}", translated, pivot, document)
        assembly.add_cell(group, pivot, query=query, passage=passage)


def _text(record: dict[str, Any], name: str, where: str) -> str:
    """Return a field's text, "" where it is null or NaN, as it is in a few records of the source."""
    value = record.get(name, "")
    if value is None or value != value:
        return ""
    text = take(record, name, str, where)
    return text if text.strip() else ""
