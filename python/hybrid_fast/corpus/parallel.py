"""Parallel documents (NTREX-128, TICO-19) as query-passage groups: a sentence and its neighbours.

The inverse cloze task (Lee, Chang & Toutanova 2019, arXiv 1906.00300, section 3) in every language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from ..errors import CorpusError
from ..quoting import quoted
from .assembling import Assembly
from .corpus import Corpus
from .languages import normalise_language, script
from .reading import by_language, files_by_stem, find_file, read_lines
from .selection import Articles, chosen_files, in_part

BLOCK = 5
"""Most sentences in a block: a sentence's passage is the at most four others of its block."""

UNSPACED = frozenset({"Hans", "Hant", "Jpan"})
"""Scripts in which sentences follow each other without a space."""


def read_ntrex(folder: Path, *, languages: tuple[str, ...] = (), articles: Articles = "all") -> Corpus:
    """Read ``<language>.txt`` files parallel by line and ``document_ids.txt``, plain or ``.gz``.

    A checkout of the source will do too: there they are ``NTREX-128/newstest2019-src.eng.txt`` and
    ``newstest2019-ref.<code>.txt``, with ``DOCUMENT_IDS.tsv`` beside the folder. Of several files in one
    language the one without a country is read (``fra``, not ``fra-CA``), and no second reference.
    Groups, passages and errors are those of :func:`read_tico`.
    """
    order = next(
        (
            found
            for place in (folder, folder.parent)
            for stem, ending in (("document_ids", ".txt"), ("DOCUMENT_IDS", ".tsv"))
            if (place == folder or ending == ".tsv") and (found := find_file(place, stem, ending))
        ),
        None,
    )
    if order is None:
        raise FileNotFoundError(
            f"{folder} has no document_ids.txt or document_ids.txt.gz, nor DOCUMENT_IDS.tsv beside it"
        )
    ids = [(document.strip(), str(line)) for line, document in read_lines(order)]
    files = chosen_files(by_language(_references(folder)), languages, folder)
    texts = {}
    for language, path in files.items():
        texts[language] = [line for _, line in read_lines(path)]
        if len(texts[language]) != len(ids):
            raise CorpusError(
                f"{path} has {len(texts[language])} lines, but {order} has {len(ids)}; they must be parallel"
            )
    return _inverse_cloze("ntrex-128", ids, texts, articles)


def _references(folder: Path) -> dict[str, Path]:
    """Return the files to read by the code in their names."""
    codes: dict[str, Path] = {}
    for stem, path in files_by_stem(folder, ".txt").items():
        published = re.fullmatch(r"newstest2019-(src|ref|ref-[0-9]+)\.(.+)", stem)
        if published is None:
            if stem != "document_ids":
                codes[stem] = path
        elif published[1] in ("src", "ref"):
            codes[published[2]] = path
    if not any(path.name.startswith("newstest2019-") for path in codes.values()):
        return codes
    plain = {normalise_language(code) for code in codes if not re.search("-[A-Z]{2}$", code)}
    return {
        code: path
        for code, path in codes.items()
        if not re.search("-[A-Z]{2}$", code) or normalise_language(code) not in plain
    }


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
    found = by_language(files_by_stem(folder, ".tsv"))
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
            raise CorpusError(f"{path}, line {line}: id {quoted(id)} occurs twice")
        seen.add(id)
        ids.append((document, number))
        texts.append(text)
    return ids, texts


def _difference(first: Path, ids: list[tuple[str, str]], path: Path, here: list[tuple[str, str]]) -> str:
    for line, (expected, found) in enumerate(zip(ids, here, strict=False), start=1):
        if expected != found:
            there, wanted = quoted(":".join(found)), quoted(":".join(expected))
            return f"{path}, line {line}: id {there}, but {first} has {wanted}"
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
