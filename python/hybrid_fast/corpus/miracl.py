"""MIRACL (arXiv 2210.09984): topics, judgements and a corpus in shards that is never held in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

from ..errors import CorpusError
from ..quoting import quoted
from .assembling import RowList
from .corpus import Corpus
from .judgements import Grades, JudgementList, Missing, read_trec
from .languages import language_in_name
from .passage_files import PassageFiles
from .reading import read_lines


class ArticleOf(Sequence[str]):
    """The article of each passage: its id up to the last ``#``."""

    def __init__(self, ids: Sequence[str]) -> None:
        """Look the ids up in ``ids``."""
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [id.rpartition("#")[0] for id in self._ids[index]]
        return self._ids[index].rpartition("#")[0]


def read_miracl(
    folder: Path, *, languages: tuple[str, ...] = (), split: str | None = None, missing: Missing = "refuse"
) -> Corpus:
    """Read MIRACL's layout from anywhere below a folder.

    ``topics.miracl-v1.0-<language>-<split>.tsv`` (query id, tab, query), ``qrels.miracl-v1.0-<language>-
    <split>.tsv`` (TREC: query id, Q0, passage id, grade) and folders ``miracl-corpus-v1.0-<language>`` of
    ``docs-<n>.jsonl`` (``docid``, ``title``, ``text``); each plain or ``.gz``. Files whose names and
    folders name no language belong to the one language asked for.

    The corpus files are read through once for their ids; ``passages.texts`` reads them again when
    asked for. A group is a query with one of its relevant passages; topics without a judgement are
    left out. Grades are kept, 0 included.

    Args:
        folder: what holds topics, qrels and corpora.
        languages: normalised codes; default: every language that has topics.
        split: train, dev, test-a or test-b (testA, testB will do too); default: dev if there, else the
            only one with judgements. The test sets were published without judgements.
        missing: judgements of absent queries or passages: refuse, or drop and count them.

    Raises:
        FileNotFoundError: no topics, qrels or corpus for a language or split.
        CorpusError: a malformed line, an id twice, or a judgement of an unknown query or passage.
    """
    files = _Files(folder, languages)
    ordered = sorted(languages or {language for kind, language, _ in files.tables if kind == "topics"})
    if not ordered:
        raise FileNotFoundError(f"{folder} has no file topics.miracl-v1.0-<language>-<split>.tsv")
    queries, passages, judgements = RowList("query"), PassageFiles("docid"), JudgementList(missing)
    for language in ordered:
        topics, qrels = files.judged_topics(language, split)
        grades = read_trec(qrels)
        if not grades:
            raise CorpusError(f"{qrels} holds no judgement; fetch it again, or choose another split")
        asked = _read_topics(topics, grades, queries, language)
        wanted = {passage for judged in grades.values() for passage in judged}
        found = passages.scan(
            files.shards(language),
            wanted,
            lambda record, where, language=language: language,  # type: ignore[misc]  # bound at once
            prefix=f"{language}/" if len(ordered) > 1 else "",
        )
        judgements.add(qrels, grades, asked, found, language)
    return judgements.corpus("miracl", ordered, queries, passages, ArticleOf(passages.ids))


class _Files:
    """The files below a folder, by what they hold, language and split."""

    def __init__(self, folder: Path, languages: tuple[str, ...]) -> None:
        self.folder = folder
        self.tables: dict[tuple[str, str, str], Path] = {}
        self.docs: dict[str, list[Path]] = {}
        only = languages[0] if len(languages) == 1 else None
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            match = re.fullmatch(r"(topics|qrels|docs)(.*?)\.(tsv|jsonl)(\.gz)?", path.name)
            if match is None:
                continue
            language = _language_of(path.relative_to(folder)) or only
            if language is None:
                raise CorpusError(f"{path}: neither its name nor its folder names a language; give languages")
            if match[1] == "docs":
                self.docs.setdefault(language, []).append(path)
                continue
            key = (match[1], language, _split(match[2]))
            if key in self.tables:
                raise CorpusError(f"{self.tables[key]} and {path} hold the same part; keep one of them")
            self.tables[key] = path

    def judged_topics(self, language: str, asked: str | None) -> tuple[Path, Path]:
        """Return the topics and the qrels file of a language for the split asked for, or by default."""
        parts = {
            part: path
            for (kind, code, part), path in self.tables.items()
            if (kind, code) == ("topics", language)
        }
        if not parts:
            raise FileNotFoundError(f"{self.folder} has no topics file for {language}")
        judged = [part for part in parts if ("qrels", language, part) in self.tables]
        if asked is not None:
            part = _split(asked)
            if part not in parts or not part:
                raise CorpusError(
                    f"{self.folder} has no topics of {language} for split {quoted(asked)}; "
                    f"there are {_list(parts)}"
                )
        elif "dev" in parts or len(parts) == 1:
            part = "dev" if "dev" in parts else next(iter(parts))
        elif len(judged) == 1:
            part = judged[0]
        else:
            raise CorpusError(
                f"{self.folder} has several splits of {language}, {_list(parts)}; choose one with split = "
                f"(with judgements: {_list(judged) or 'none'})"
            )
        if part not in judged:
            name = re.sub("^topics", "qrels", parts[part].name).removesuffix(".gz")
            raise FileNotFoundError(
                f"{parts[part]} has no judgements beside it: {self.folder} has no file {name}, and nothing "
                f"can be measured without; splits of {language} with judgements: {_list(judged) or 'none'}"
            )
        return parts[part], self.tables["qrels", language, part]

    def shards(self, language: str) -> list[Path]:
        """Return the corpus files of a language in the order of their numbers."""
        if language not in self.docs:
            name = f"miracl-corpus-v1.0-{language}/docs-0.jsonl.gz"
            raise FileNotFoundError(f"{self.folder} has no corpus file for {language}, such as {name}")
        return sorted(
            self.docs[language], key=lambda path: [int(item) for item in re.findall(r"\d+", path.name)]
        )


def _split(name: str) -> str:
    """Return the split that a name holds, as train, dev, test, test-a or test-b; "" for none."""
    part = re.search(r"(?<![a-z])(train|dev|test)(?:[-_. ]?([ab]))?(?![a-z])", name.lower())
    return "" if part is None else f"{part[1]}-{part[2]}" if part[2] else part[1]


def _list(parts: Iterable[str]) -> str:
    return ", ".join(part or "one without a name" for part in sorted(parts))


def _language_of(path: Path) -> str | None:
    """Return the language that a file's name or folders name: v1.0-sw, or a part such as sw."""
    names = [re.sub(r"\.(tsv|jsonl)(\.gz)?$", "", name) for name in reversed(path.parts)]
    versioned = (re.search(r"v1\.0-([a-z]{2,3})\b", name) for name in names)
    bare = (
        match for name in names for match in re.finditer(r"(?<![A-Za-z0-9])([a-z]{2})(?![A-Za-z0-9])", name)
    )
    match = next((found for found in (*versioned, *bare) if found), None)
    return language_in_name(match[1], path) if match else None


def _read_topics(path: Path, grades: Grades, queries: RowList, language: str) -> dict[str, int]:
    rows: dict[str, int] = {}
    for line, row in read_lines(path):
        id, tab, text = row.partition("\t")
        if not row.strip():
            continue
        if not (tab and text.strip()):
            raise CorpusError(f"{path}, line {line}: expected 'query id TAB query'")
        if id in rows:
            raise CorpusError(f"{path}, line {line}: query id {quoted(id)} occurs twice; keep one line")
        if id in grades:
            rows[id] = queries.add(f"{language}/{id}", text.strip(), language)
    return rows
