"""BEIR's layout (arXiv 2104.08663): ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/<split>.tsv``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from ..quoting import quoted
from .assembling import RowList
from .corpus import Corpus
from .judgements import Grades, JudgementList, Missing, read_beir
from .languages import normalise_language
from .passage_files import PassageFiles
from .reading import files_by_stem, find_file, read_json_lines, take, take_id

USUAL = ("test", "dev")
"""Splits in the order in which one is taken by default."""


def read_beir_folder(
    folder: Path,
    *,
    languages: tuple[str, ...] = (),
    split: str | None = None,
    missing: Missing = "refuse",
) -> Corpus:
    """Read a data set in BEIR's layout, each file plain or ``.gz``.

    ``corpus.jsonl`` holds ``{"_id", "title", "text", "metadata"}``, ``queries.jsonl`` ``{"_id", "text",
    "metadata"}``, ``qrels/<split>.tsv`` the header ``query-id corpus-id score`` and its columns. A passage
    is its title and text. Its language is the ``language`` (or ``lang``) of the record or its metadata,
    else the one language asked for. Only the queries that the split judges are read. A group is a
    query with one of its relevant passages; grades are kept, 0 included.

    The corpus file is read through once for its ids; ``passages.texts`` reads it again when asked for.

    Args:
        folder: the data set's folder.
        languages: normalised codes; one, where the records name no language.
        split: the name of a file in ``qrels``; default: test, else dev, else the only one.
        missing: judgements of absent queries or passages: refuse, or drop and count them.

    Raises:
        FileNotFoundError: one of the files is not there.
        CorpusError: a malformed line, an id twice, a record without a language, or a judgement of an unknown
            query or passage.
    """
    corpus_file, queries_file = (_file(folder, stem) for stem in ("corpus", "queries"))
    qrels = _qrels(folder, split)
    grades = read_beir(qrels)
    if not grades:
        raise CorpusError(f"{qrels} holds no judgement; give a split that has some")
    language_of = _languages(languages)
    queries, passages, judgements = RowList("query"), PassageFiles("_id"), JudgementList(missing)
    asked = _read_queries(queries_file, grades, queries, language_of)
    wanted = {passage for judged in grades.values() for passage in judged}
    found = passages.scan([corpus_file], wanted, language_of)
    judgements.add(qrels, grades, asked, found, folder.name or "this folder")
    ordered = sorted({*queries.languages, *passages.language_codes})
    return judgements.corpus(folder.name or "beir", ordered, queries, passages, [""] * len(passages.ids))


def _file(folder: Path, stem: str) -> Path:
    path = find_file(folder, stem, ".jsonl")
    if path is None:
        raise FileNotFoundError(
            f"{folder} has no {stem}.jsonl or {stem}.jsonl.gz; give the folder that holds it"
        )
    return path


def _qrels(folder: Path, split: str | None) -> Path:
    place = folder / "qrels"
    files = files_by_stem(place, ".tsv") if place.is_dir() else {}
    if not files:
        raise FileNotFoundError(f"{folder} has no qrels/<split>.tsv, such as qrels/test.tsv")
    names = ", ".join(files)
    if split is None:
        split = next((name for name in USUAL if name in files), None) or (names if len(files) == 1 else None)
        if split is None:
            raise CorpusError(f"{place} has the splits {names}; choose one with split =")
    if split not in files:
        raise CorpusError(f"{place} has no split {quoted(split)}; its splits are {names}")
    return files[split]


def _languages(asked: tuple[str, ...]) -> Callable[[dict[str, Any], str], str]:
    """Return what finds the language of a record."""

    def language_of(record: dict[str, Any], where: str) -> str:
        metadata = record.get("metadata")
        for holder in (record, metadata if isinstance(metadata, dict) else {}):
            for name in ("language", "lang"):
                if isinstance(holder.get(name), str):
                    try:
                        return normalise_language(holder[name])
                    except CorpusError as error:
                        raise CorpusError(f"{where}: {error}") from None
        if len(asked) != 1:
            raise CorpusError(
                f"{where}: neither the record nor its metadata names a language; give the one language "
                "of the data set, for instance languages = ['en']"
            )
        return asked[0]

    return language_of


def _read_queries(
    path: Path, grades: Grades, queries: RowList, language_of: Callable[[dict[str, Any], str], str]
) -> dict[str, int]:
    rows: dict[str, int] = {}
    seen: set[str] = set()
    for line, record in read_json_lines(path):
        where = f"{path}, line {line}"
        id = take_id(record, "_id", where)
        if id in seen:
            raise CorpusError(f"{where}: _id {quoted(id)} occurs twice; keep one line")
        seen.add(id)
        if id in grades:
            rows[id] = queries.add(id, take(record, "text", str, where), language_of(record, where))
    return rows
