"""Question answering in one language: SQuAD sentences, JaQuAD, CMRC 2018, ARCD, AmQA."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from ..quoting import quoted
from .assembling import Assembly
from .corpus import Corpus
from .reading import (
    files_by_stem,
    find_file,
    read_json_lines,
    read_json_value,
    read_lines,
    take,
    take_id,
)
from .selection import Articles, keep_articles


def read_squad_sentences(folder: Path) -> Corpus:
    """Read ``pairs.tsv``, plain or ``.gz``: an English question, a tab, the sentence with its answer.

    Equal sentences are one passage row.

    Raises:
        FileNotFoundError: no such file.
        CorpusError: a line that is not two texts.
    """
    path = find_file(folder, "pairs", ".tsv")
    if path is None:
        raise FileNotFoundError(f"{folder} has no pairs.tsv or pairs.tsv.gz")
    assembly = Assembly("squad-sentences")
    rows: dict[str, int] = {}
    for line, row in read_lines(path):
        question, *rest = row.split("\t")
        if len(rest) != 1 or not question.strip() or not rest[0].strip():
            raise CorpusError(f"{path}, line {line}: expected 'question TAB sentence'")
        sentence = rest[0]
        if sentence not in rows:
            rows[sentence] = assembly.passages.add(f"en/{line}", sentence, "en")
        query = assembly.queries.add(f"en/{line}", question, "en")
        assembly.add_cell(str(line), "en", query=query, passage=rows[sentence])
    return assembly.finish()


def read_paragraphs(
    path: Path,
    *,
    name: str,
    language: str,
    splits: tuple[str, ...],
    split: str | None = None,
    articles: Articles = "all",
) -> Corpus:
    """Read paragraphs with their questions: JSON Lines, or JSON files as published, plain or ``.gz``.

    A group is a question; its passage is the paragraph; equal paragraphs are one passage row.
    Documents are titles; a paragraph without title is its own document. The gold is the paragraph, so
    answers are not read: wrong offsets, or none, change nothing. Questions marked ``is_impossible`` are
    left out.

    ``<split>.jsonl`` has on a line a paragraph, ``{"title", "context", "qas": [{"id", "question"}]}``, or
    a question, ``{"id", "title", "context", "question"}``. JSON files are SQuAD's (``{"data": [{"title",
    "paragraphs": [{"context", "qas"}]}]}``) or CMRC 2018's own (``[{"context_text", "qas": [{"query_id",
    "query_text"}], "title"}]``); their names hold the split (``arcd-train.json``, ``cmrc2018_dev.json``,
    ``jaquad_train_0007.json``), in the folder, its ``data`` or its ``squad-style-data``.

    Args:
        path: the folder, or one of its files.
        name: what the corpus is called.
        language: normalised code of all texts.
        splits: the splits there are.
        split: one of them; default: all that are there.
        articles: see :func:`~hybrid_fast.corpus.keep_articles`.

    Raises:
        FileNotFoundError: no file of the split.
        CorpusError: a malformed record, an id twice in a split, or an unknown split.
    """
    if split is not None and split not in splits:
        raise CorpusError(f"{name} has no split {quoted(split)}; its splits are {', '.join(splits)}")
    files = _files(path, splits)
    wanted = [split] if split else [part for part in splits if part in files]
    if path.is_file() and not wanted:
        files, wanted = {_stem(path): [path]}, [_stem(path)]
    if not wanted or wanted[0] not in files:
        missing = split or splits[0]
        raise FileNotFoundError(
            f"{path} has no {missing}.jsonl or {missing}.jsonl.gz, "
            f"nor a .json file with {missing} in its name"
        )
    assembly = Assembly(name)
    rows: dict[str, int] = {}
    for part in wanted:
        for number, (where, paragraph) in enumerate(_paragraphs(files[part]), start=1):
            context = _field(paragraph, "context", "context_text", where)
            if not context.strip():
                raise CorpusError(f"{where}: the paragraph is empty")
            title = paragraph.get("title") or f"{part} paragraph {number}"
            if context not in rows:
                rows[context] = assembly.passages.add(f"{part}/{number}", context, language, str(title))
            for question in take(paragraph, "qas", list, where):
                if isinstance(question, dict) and question.get("is_impossible") is True:
                    continue
                text = _field(question, "question", "query_text", where)
                id = f"{part}/{take_id(question, 'query_id' if 'query_id' in question else 'id', where)}"
                if id in assembly.groups:
                    raise CorpusError(f"{where}: question id {quoted(id)} occurs twice in {part}; keep one")
                query = assembly.queries.add(id, text, language, assembly.passages.documents[rows[context]])
                assembly.add_cell(id, language, query=query, passage=rows[context])
    return keep_articles(assembly.finish(), articles)


def _files(path: Path, splits: tuple[str, ...]) -> dict[str, list[Path]]:
    """Return the files of each split from the first place that has any."""
    if path.is_file():
        part = _split_of(path, splits)
        return {part: [path]} if part else {}
    exact = {part: file for part in splits if (file := find_file(path, part, ".jsonl"))}
    if exact:
        files_by_stem(path, ".jsonl")  # refuses a part that is there twice
        return {part: [file] for part, file in exact.items()}
    for place in (path, path / "squad-style-data", path / "data"):
        below = [place, *(place / part for part in splits)]
        found: dict[str, list[Path]] = {}
        for folder in below:
            for file in sorted(folder.iterdir()) if folder.is_dir() else ():
                part = _split_of(file, splits)
                if part and file.is_file() and not file.name.startswith("."):
                    found.setdefault(part, []).append(file)
        for part, files in found.items():
            numbered = {re.sub("[0-9]+", "", file.name.removesuffix(".gz")) for file in files}
            if len(files) > 1 and (len(numbered) > 1 or len({_stem(file) for file in files}) < len(files)):
                raise CorpusError(
                    f"{files[0]} and {files[1]} hold the same part, {part}; keep one, or give that file"
                )
        if found:
            return found
    return {}


def _split_of(file: Path, splits: tuple[str, ...]) -> str | None:
    """Return the split in the name of a JSON file: train in arcd-train.json and train_data.json."""
    if not file.name.removesuffix(".gz").endswith((".json", ".jsonl")):
        return None
    parts = [part for part in splits if re.search(f"(?<![a-z]){part}(?![a-z])", _stem(file).lower())]
    return parts[0] if len(parts) == 1 else None


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").rpartition(".")[0]


def _paragraphs(files: list[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, paragraph with its questions) of the files of a split."""
    for path in files:
        if path.name.removesuffix(".gz").endswith(".jsonl"):
            for line, record in read_json_lines(path):
                yield f"{path}, line {line}", record if "qas" in record else _with_question(record)
            continue
        value = read_json_value(path)
        place = "data" if isinstance(value, dict) else ""
        entries = take(value, "data", list, str(path)) if isinstance(value, dict) else value
        if not isinstance(entries, list):
            raise CorpusError(f"{path}: expected SQuAD's {{'data': [...]}} or a list of paragraphs")
        for number, entry in enumerate(entries):
            where = f"{path}, {place}[{number}]"
            if not isinstance(entry, dict) or "paragraphs" not in entry:
                yield where, entry if not isinstance(entry, dict) or "qas" in entry else _with_question(entry)
                continue
            for count, paragraph in enumerate(take(entry, "paragraphs", list, where)):
                inner = f"{where}.paragraphs[{count}]"
                if isinstance(paragraph, dict) and not paragraph.get("title"):
                    paragraph = {**paragraph, "title": entry.get("title")}
                yield inner, paragraph


def _with_question(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of one question as a paragraph with it; another record as it is."""
    return {**record, "qas": [record]} if "question" in record or "query_text" in record else record


def _field(record: Any, name: str, other: str, where: str) -> str:
    """Return a text under its usual name or the one CMRC 2018 gives it."""
    return take(
        record,
        other if isinstance(record, dict) and name not in record and other in record else name,
        str,
        where,
    )
