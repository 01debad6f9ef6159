"""MIRACL (arXiv 2210.09984): topics, judgements and a corpus in shards that is never held in memory."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ..errors import CorpusError
from .assembling import RowList, compressed
from .corpus import Cells, Corpus, Rows
from .joining import identities
from .languages import normalise_language
from .reading import read_json_lines, read_lines, take


class PackedStrings(Sequence[str]):
    """Many short strings in one block of memory: 8 bytes each beside their characters."""

    def __init__(self) -> None:
        """Start without strings."""
        self._data = bytearray()
        self._ends = array("Q", [0])

    def append(self, value: str) -> None:
        """Add a string at the end."""
        self._data += value.encode()
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return self._data[self._ends[row] : self._ends[row + 1]].decode()


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


class ShardedTexts(Sequence[str]):
    """The passages' texts, title in front, read from the shards when asked for.

    Rows asked for in increasing order (iteration, or slices one after the other) are one pass over
    the files; going back opens a shard anew. Only what is asked for is in memory. Not for use by
    several threads at once.
    """

    def __init__(self, shards: Sequence[Path], sizes: Sequence[int]) -> None:
        """Read from files with ``sizes`` passages each."""
        self._shards = list(shards)
        self._starts = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
        self._shard = -1
        self._next = 0
        self._lines: Iterator[tuple[int, str]] = iter(())

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __iter__(self) -> Iterator[str]:
        for shard in self._shards:
            for line, record in read_json_lines(shard):
                yield passage_text(record, f"{shard}, line {line}")

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._text(row) for row in range(*index.indices(len(self)))]
        return self._text(range(len(self))[index])

    def _text(self, row: int) -> str:
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        if shard != self._shard or row < self._next:
            self._shard, self._next = shard, int(self._starts[shard])
            self._lines = (item for item in read_lines(self._shards[shard]) if item[1].strip())
        path = self._shards[shard]
        for number, line in self._lines:
            self._next += 1
            if self._next > row:
                return passage_text(json.loads(line), f"{path}, line {number}")
        raise CorpusError(f"{path} has become shorter since it was opened")


def passage_text(record: dict[str, object], where: str) -> str:
    """Return a passage's title and text, as they enter the encoder."""
    title, text = record.get("title"), take(record, "text", str, where)
    return f"{title} {text}" if isinstance(title, str) and title.strip() else text


def read_miracl(folder: Path, *, languages: tuple[str, ...] = (), split: str | None = None) -> Corpus:
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
        split: train, dev, testA or testB; default: dev if there, else the only one.

    Raises:
        FileNotFoundError: no topics, qrels or corpus for a language.
        CorpusError: a malformed line, an id twice, or a judgement of an unknown query or passage.
    """
    files = _Files(folder, languages)
    ordered = sorted(languages or {language for kind, language, _ in files.tables if kind == "topics"})
    if not ordered:
        raise FileNotFoundError(f"{folder} has no file topics.miracl-v1.0-<language>-<split>.tsv")
    queries, passages = RowList("query"), _Passages()
    judged: list[tuple[int, int, int]] = []
    for language in ordered:
        part = files.split(language, split)
        qrels = files.table("qrels", language, part)
        grades = _read_qrels(qrels)
        asked = _read_topics(files.table("topics", language, part), grades, queries, language)
        prefix = f"{language}/" if len(ordered) > 1 else ""
        wanted = {passage for judgements in grades.values() for passage in judgements}
        found = passages.scan(files.shards(language), wanted, prefix)
        for query, judgements in grades.items():
            for passage, grade in judgements.items():
                if query not in asked or passage not in found:
                    what = f"query {query!r}" if query not in asked else f"passage {passage!r}"
                    raise CorpusError(f"{qrels}: {what} is judged but is not among those of {language}")
                judged.append((asked[query], found[passage], grade))
    return _corpus(ordered, queries, passages, np.array(judged, np.int64).reshape(-1, 3))


class _Passages:
    """What is kept of the passages while the shards are read: ids, and the texts of judged ones."""

    def __init__(self) -> None:
        self.ids = PackedStrings()
        self.shards: list[Path] = []
        self.sizes: list[int] = []
        self.of_language: list[int] = []
        self.judged_texts: dict[int, str] = {}

    def scan(self, shards: Sequence[Path], wanted: set[str], prefix: str) -> dict[str, int]:
        """Read a language's shards; return the rows of the passages wanted."""
        found: dict[str, int] = {}
        start = len(self.ids)
        for shard in shards:
            before = len(self.ids)
            for line, record in read_json_lines(shard):
                where = f"{shard}, line {line}"
                id, text = take(record, "docid", str, where), passage_text(record, where)
                if id in wanted:
                    if id in found:
                        raise CorpusError(f"{where}: docid {id!r} occurs twice")
                    found[id] = len(self.ids)
                    self.judged_texts[len(self.ids)] = text
                self.ids.append(prefix + id)
            self.shards.append(shard)
            self.sizes.append(len(self.ids) - before)
        self.of_language.append(len(self.ids) - start)
        return found


def _corpus(languages: list[str], queries: RowList, passages: _Passages, judged: NDArray[np.int64]) -> Corpus:
    query_rows = queries.rows(languages)
    relevant = judged[judged[:, 2] > 0]
    group = np.arange(len(relevant))
    return Corpus(
        name="miracl",
        languages=tuple(languages),
        queries=query_rows,
        passages=Rows(
            ids=passages.ids,
            texts=ShardedTexts(passages.shards, passages.sizes),
            languages=np.repeat(np.arange(len(languages)), passages.of_language).astype(np.int16),
            documents=ArticleOf(passages.ids),
        ),
        group_ids=[f"{queries.ids[query]}/{passages.ids[row]}" for query, row in relevant[:, :2].tolist()],
        cells=Cells(
            group=group,
            language=query_rows.languages[relevant[:, 0]].astype(np.int64),
            query=relevant[:, 0],
            passage=relevant[:, 1],
            query_identity=identities(group, relevant[:, 0], queries.texts, len(group)),
            passage_identity=identities(group, relevant[:, 1], passages.judged_texts, len(group)),
        ),
        qrels=compressed(judged[:, 0], judged[:, 1], judged[:, 2], len(query_rows)),
    )


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
            part = re.search(r"(?<![a-z])(train|dev|testA|testB|test)(?![a-z])", match[2])
            key = (match[1], language, part[1] if part else "")
            if key in self.tables:
                raise CorpusError(f"{self.tables[key]} and {path} hold the same part; keep one of them")
            self.tables[key] = path

    def split(self, language: str, asked: str | None) -> str:
        """Return the split to read of a language."""
        parts = [part for kind, code, part in self.tables if kind == "topics" and code == language]
        if not parts:
            raise FileNotFoundError(f"{self.folder} has no topics file for {language}")
        if asked is not None:
            if asked not in parts:
                raise CorpusError(
                    f"{self.folder} has no topics of {language} for split {asked!r}; there are {parts}"
                )
            return asked
        if len(parts) > 1 and "dev" not in parts:
            raise CorpusError(f"{self.folder} has several splits of {language}, {parts}; choose one")
        return parts[0] if len(parts) == 1 else "dev"

    def table(self, kind: str, language: str, part: str) -> Path:
        """Return the topics or qrels file of a language and split."""
        if (kind, language, part) not in self.tables:
            name = f"{kind}.miracl-v1.0-{language}-{part}.tsv"
            raise FileNotFoundError(f"{self.folder} has no file {name}")
        return self.tables[kind, language, part]

    def shards(self, language: str) -> list[Path]:
        """Return the corpus files of a language in the order of their numbers."""
        if language not in self.docs:
            name = f"miracl-corpus-v1.0-{language}/docs-0.jsonl.gz"
            raise FileNotFoundError(f"{self.folder} has no corpus file for {language}, such as {name}")
        return sorted(
            self.docs[language], key=lambda path: [int(item) for item in re.findall(r"\d+", path.name)]
        )


def _language_of(path: Path) -> str | None:
    """Return the language that a file's name or folders name: v1.0-sw, or a part such as sw."""
    names = [re.sub(r"\.(tsv|jsonl)(\.gz)?$", "", name) for name in reversed(path.parts)]
    versioned = (re.search(r"v1\.0-([a-z]{2,3})\b", name) for name in names)
    bare = (
        match for name in names for match in re.finditer(r"(?<![A-Za-z0-9])([a-z]{2})(?![A-Za-z0-9])", name)
    )
    match = next((found for found in (*versioned, *bare) if found), None)
    return normalise_language(match[1]) if match else None


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for line, row in read_lines(path):
        fields = row.split()
        if not fields:
            continue
        if len(fields) != 4 or not re.fullmatch(r"-?\d+", fields[3]):
            raise CorpusError(f"{path}, line {line}: expected 'query Q0 passage grade'")
        query, _, passage, grade = fields
        if passage in grades.setdefault(query, {}):
            raise CorpusError(f"{path}, line {line}: passage {passage!r} is judged twice for query {query!r}")
        grades[query][passage] = int(grade)
    return grades


def _read_topics(
    path: Path, grades: dict[str, dict[str, int]], queries: RowList, language: str
) -> dict[str, int]:
    rows: dict[str, int] = {}
    for line, row in read_lines(path):
        id, tab, text = row.partition("\t")
        if not row.strip():
            continue
        if not (tab and text.strip()):
            raise CorpusError(f"{path}, line {line}: expected 'query id TAB query'")
        if id in rows:
            raise CorpusError(f"{path}, line {line}: query id {id!r} occurs twice")
        if id in grades:
            rows[id] = queries.add(f"{language}/{id}", text.strip(), language)
    return rows
