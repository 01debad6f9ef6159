"""Parallel documents (NTREX-128, TICO-19) as query-passage groups: a sentence and its neighbours.

The inverse cloze task (Lee, Chang & Toutanova 2019, arXiv 1906.00300, section 3) in every language.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from ..errors import CorpusError
from .assembling import Assembly
from .corpus import Corpus
from .languages import normalise_language, script
from .reading import files_by_stem, find_file, read_lines
from .selection import Articles, chosen_files, in_part

BLOCK = 5
"""Most sentences in a block: a sentence's passage is the at most four others of its block."""

UNSPACED = frozenset({"Hans", "Hant", "Jpan"})
"""Scripts in which sentences follow each other without a space."""


def read_ntrex(folder: Path, *, languages: tuple[str, ...] = (), articles: Articles = "all") -> Corpus:
    """Read ``<language>.txt`` files parallel by line and ``document_ids.txt``, plain or ``.gz``.

    Groups, passages and errors are those of :func:`read_tico`.
    """
    order = find_file(folder, "document_ids", ".txt")
    if order is None:
        raise FileNotFoundError(f"{folder} has no document_ids.txt or document_ids.txt.gz")
    ids = [(document, str(line)) for line, document in read_lines(order)]
    found = {stem: path for stem, path in files_by_stem(folder, ".txt").items() if stem != "document_ids"}
    files = chosen_files({normalise_language(stem): path for stem, path in found.items()}, languages, folder)
    texts = {}
    for language, path in files.items():
        texts[language] = [line for _, line in read_lines(path)]
        if len(texts[language]) != len(ids):
            raise CorpusError(f"{path} has {len(texts[language])} lines, but {order} has {len(ids)}")
    return _inverse_cloze("ntrex-128", ids, texts, articles)


def read_tico(folder: Path, *, languages: tuple[str, ...] = (), articles: Articles = "all") -> Corpus:
    """Read ``<language>.tsv`` files of ``document:number TAB text``, parallel by id, plain or ``.gz``.

    Each document is cut into blocks of at most five neighbouring sentences, of nearly equal size. A
    group is a sentence: the query is the sentence, the passage the other sentences of its block, never
    itself, in every language. Passages of one block share sentences, so the block has one passage
    identity: windows that slide would chain a whole document into one. A document of one sentence
    gives no group.

    Raises:
        CorpusError: files that are not parallel (file and line named), or an unknown language.
    """
    found = {normalise_language(stem): path for stem, path in files_by_stem(folder, ".tsv").items()}
    texts: dict[str, list[str]] = {}
    ids: list[tuple[str, str]] = []
    first: Path | None = None
    for language, path in chosen_files(found, languages, folder).items():
        here, texts[language] = _columns(path)
        if first is None:
            ids, first = here, path
        elif here != ids:
            raise CorpusError(_difference(first, ids, path, here))
    return _inverse_cloze("tico-19", ids, texts, articles)


def _columns(path: Path) -> tuple[list[tuple[str, str]], list[str]]:
    ids, texts, seen = [], [], set()
    for line, row in read_lines(path):
        id, tab, text = row.partition("\t")
        document, colon, number = id.rpartition(":")
        if not (tab and colon):
            raise CorpusError(f"{path}, line {line}: expected 'document:number TAB text'")
        if id in seen:
            raise CorpusError(f"{path}, line {line}: id {id!r} occurs twice")
        seen.add(id)
        ids.append((document, number))
        texts.append(text)
    return ids, texts


def _difference(first: Path, ids: list[tuple[str, str]], path: Path, here: list[tuple[str, str]]) -> str:
    for line, (expected, found) in enumerate(zip(ids, here, strict=False), start=1):
        if expected != found:
            return f"{path}, line {line}: id {':'.join(found)!r}, but {first} has {':'.join(expected)!r}"
    return f"{path} has {len(here)} lines, but {first} has {len(ids)}"


def _inverse_cloze(
    name: str, ids: list[tuple[str, str]], texts: dict[str, list[str]], articles: Articles
) -> Corpus:
    documents: dict[str, list[int]] = {}
    for line, (document, _) in enumerate(ids):
        documents.setdefault(document, []).append(line)
    blocks = [
        (document, block)
        for position, (document, lines) in enumerate(documents.items())
        if in_part(position, articles)
        for block in _blocks(lines)
    ]
    assembly = Assembly(name)
    for language, lines in texts.items():
        space = "" if script(language) in UNSPACED else " "
        for document, block in blocks:
            whole = [line for line in block if lines[line].strip()]  # a sentence may lack a translation
            for line in whole if len(whole) > 1 else ():
                group = f"{document}:{ids[line][1]}"
                around = space.join(lines[other].strip() for other in whole if other != line)
                query = assembly.queries.add(f"{language}/{group}", lines[line].strip(), language, document)
                passage = assembly.passages.add(f"{language}/{group}", around, language, document)
                assembly.add_cell(group, language, query=query, passage=passage)
    for document, block in blocks:
        groups = [group for line in block if (group := f"{document}:{ids[line][1]}") in assembly.groups]
        for one, other in pairwise(groups):
            assembly.join(one, other)
    return assembly.finish()


def _blocks(lines: list[int]) -> Iterator[list[int]]:
    """Cut a document into the fewest blocks of at most ``BLOCK`` lines, their sizes at most one apart."""
    count = -(-len(lines) // BLOCK)
    edges = [number * len(lines) // count for number in range(count + 1)]
    for start, end in pairwise(edges):
        yield lines[start:end]
