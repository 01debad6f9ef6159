"""Loads a corpus by the name of its reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from ..config import SourceConfig
from ..errors import ConfigError, CorpusError
from ..quoting import quoted
from .afriqa import read_afriqa
from .beir import read_beir_folder
from .corpus import Corpus
from .hub import read_hub
from .judgements import Missing
from .languages import language_name, normalise_language, normalise_languages
from .miracl import read_miracl
from .mixing import mix
from .parallel import read_ntrex, read_tico
from .reading_comprehension import read_paragraphs, read_squad_sentences
from .selection import (
    Articles,
    in_part,
    keep_articles,
    keep_languages,
    nonempty,
    sample_groups,
    without_languages,
)
from .table import read_table
from .xquad_r import read_answer_sentences


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a reader: the path found, the languages normalised."""

    path: Path
    languages: tuple[str, ...]
    split: str | None
    articles: Articles
    repository: str | None
    columns: tuple[str, ...]
    missing: Missing


@dataclass(frozen=True)
class Reader:
    """One entry of the table of readers."""

    read: Callable[[Request], Corpus]
    """Reads what is asked."""
    folders: tuple[str, ...] = ()
    """Names of its folder below HYBRID_FAST_DATA; none: it has no default place."""
    path: Literal["folder", "either", "any", "optional"] = "folder"
    """What it reads: a folder; its folder or a file of it; any folder or file; nothing that must be."""
    takes: frozenset[str] = frozenset()
    """Which of split, repository, columns and missing it understands."""


def _xquad_r(name: str) -> Callable[[Request], Corpus]:
    return lambda ask: read_answer_sentences(
        ask.path, name=name, languages=ask.languages, articles=ask.articles
    )


def _paragraphs(name: str, language: str, *splits: str) -> Callable[[Request], Corpus]:
    return lambda ask: _in_language(
        read_paragraphs(ask.path, name=name, language=language, splits=splits, split=ask.split), ask
    )


def _in_language(corpus: Corpus, ask: Request) -> Corpus:
    return keep_articles(keep_languages(corpus, ask.languages) if ask.languages else corpus, ask.articles)


def _demo(ask: Request) -> Corpus:
    from .embedded import load_embedded

    return _in_language(load_embedded(), ask)


def _afriqa(ask: Request) -> Corpus:
    return keep_articles(read_afriqa(ask.path, languages=ask.languages, split=ask.split), ask.articles)


def _miracl(ask: Request) -> Corpus:
    if ask.articles != "all":
        raise CorpusError("miracl is read as a whole; leave articles = 'all'")
    return read_miracl(ask.path, languages=ask.languages, split=ask.split, missing=ask.missing)


def _beir(ask: Request) -> Corpus:
    corpus = read_beir_folder(ask.path, languages=ask.languages, split=ask.split, missing=ask.missing)
    return _in_language(corpus, ask)


def _hub(ask: Request) -> Corpus:
    repository = ask.repository or (str(ask.path) if ask.path != Path() else None)
    if repository is None:
        raise CorpusError("hub needs the name of a data set: give repository")
    corpus = read_hub(repository, columns=ask.columns, languages=ask.languages, split=ask.split)
    return _in_language(corpus, ask)


READERS: dict[str, Reader] = {
    "demo": Reader(_demo, path="optional"),
    "xquad-r": Reader(_xquad_r("xquad-r"), ("xquad-r",)),
    "mlqa-r": Reader(_xquad_r("mlqa-r"), ("mlqa-r",)),
    "afriqa": Reader(_afriqa, ("afriqa",), takes=frozenset({"split"})),
    "ntrex-128": Reader(
        lambda ask: read_ntrex(ask.path, languages=ask.languages, articles=ask.articles),
        ("ntrex-128", "NTREX-128", "ntrex"),
    ),
    "tico-19": Reader(
        lambda ask: read_tico(ask.path, languages=ask.languages, articles=ask.articles), ("tico-19", "tico")
    ),
    "squad-sentences": Reader(
        lambda ask: _in_language(read_squad_sentences(ask.path), ask),
        ("qa-en-squad-sentences", "squad-sentences"),
    ),
    "jaquad": Reader(
        _paragraphs("jaquad", "ja", "train", "dev"),
        ("qa-ja-jaquad", "jaquad"),
        path="either",
        takes=frozenset({"split"}),
    ),
    "cmrc2018": Reader(
        _paragraphs("cmrc2018", "zh", "train", "dev", "trial", "test"),
        ("qa-zh-cmrc2018", "cmrc2018"),
        path="either",
        takes=frozenset({"split"}),
    ),
    "arcd": Reader(
        _paragraphs("arcd", "ar", "train", "test"),
        ("qa-ar-arcd", "arcd"),
        path="either",
        takes=frozenset({"split"}),
    ),
    "amqa": Reader(
        _paragraphs("amqa", "am", "train", "dev", "test"),
        ("qa-am-amqa", "amqa"),
        path="either",
        takes=frozenset({"split"}),
    ),
    "table": Reader(
        lambda ask: _in_language(read_table(ask.path, split=ask.split, missing=ask.missing), ask),
        path="any",
        takes=frozenset({"split", "missing"}),
    ),
    "miracl": Reader(_miracl, ("miracl",), takes=frozenset({"split", "missing"})),
    "beir": Reader(_beir, takes=frozenset({"split", "missing"})),
    "hub": Reader(_hub, path="optional", takes=frozenset({"split", "repository", "columns"})),
}
"""Every reader by its name."""

OTHER_NAMES = {folder: name for name, reader in READERS.items() for folder in reader.folders}


def load_corpus(
    name: str,
    *,
    path: Path | str | None = None,
    languages: Iterable[str] = (),
    split: str | None = None,
    articles: Articles = "all",
    groups: int | None = None,
    repository: str | None = None,
    columns: Iterable[str] = (),
    missing: Missing = "refuse",
) -> Corpus:
    """Load a corpus.

    Args:
        name: the reader: demo, xquad-r, mlqa-r, afriqa, ntrex-128, tico-19, squad-sentences, jaquad,
            cmrc2018, arcd, amqa, table, miracl, beir or hub (the folder names of the data sets will do too).
        path: the data set's folder, or the folder it lies in; default: its folder below the
            environment variable HYBRID_FAST_DATA.
        languages: keep only these (any code of a language); default: all.
        split: train, dev or test, where the source has several; default: all (miracl: dev; beir: test).
        articles: all, or the documents at even or odd positions in the source, counted from 0; the
            passages of the others leave the pool too.
        groups: keep a fixed random sample of this many groups (see
            :func:`~hybrid_fast.corpus.sample_groups`); default: all.
        repository: name of the data set on the Hugging Face hub (reader hub).
        columns: names of the columns query, passage and, if present, language and group (reader hub).
        missing: what happens to judgements of queries or passages that the source does not have: "refuse", or
            "drop" them and count them in ``Corpus.dropped_judgements`` (readers miracl, beir and table).

    Raises:
        FileNotFoundError: no such path.
        CorpusError: an unknown reader or language, a malformed file, or nothing left after a filter.
    """
    name = OTHER_NAMES.get(name, name)
    if name not in READERS:
        near = get_close_matches(name[:40], READERS, 1)
        meant = f"; the nearest is {near[0]}" if near else ""
        raise CorpusError(f"unknown corpus {quoted(name)}{meant}; the readers are {', '.join(READERS)}")
    reader = READERS[name]
    columns = tuple(columns)
    for option, value in (("split", split), ("repository", repository), ("columns", columns)):
        if value and option not in reader.takes:
            raise CorpusError(f"{name} takes no {option}, but {option} = {value!r} was given")
    if missing not in ("refuse", "drop"):
        raise CorpusError(f"missing is {quoted(missing)}, expected 'refuse' or 'drop'")
    if missing == "drop" and "missing" not in reader.takes:
        raise CorpusError(
            f"{name} has no judgements of its own, so missing = 'drop' means nothing; leave it out"
        )
    in_part(0, articles)
    ask = Request(
        path=_find(name, reader, path),
        languages=normalise_languages(languages),
        split=split,
        articles=articles,
        repository=repository,
        columns=columns,
        missing=missing,
    )
    filters = [
        *([f"languages = {', '.join(ask.languages)}"] if ask.languages else []),
        *([f"split = {split}"] if split else []),
        *([f"articles = {articles}"] if articles != "all" else []),
    ]
    corpus = nonempty(reader.read(ask), " and ".join(filters) or f"reading {ask.path}")
    return corpus if groups is None else sample_groups(corpus, groups)


def load_source(source: SourceConfig) -> Corpus:
    """Load the corpus that a configuration names; arguments and errors are those of :func:`load_corpus`."""
    return load_corpus(
        source.name,
        path=source.path,
        languages=source.languages,
        split=source.split,
        articles=source.articles,
        groups=source.groups,
        repository=source.repository,
        columns=source.columns,
        missing=source.missing,
    )


def load_sources(sources: Iterable[SourceConfig], *, hold_out: Iterable[str] = ()) -> Corpus:
    """Load several sources as one training corpus, without any row of the held-out languages.

    Raises:
        ConfigError: no sources, or a held-out language that is in none of them.
        CorpusError: a source cannot be read, or nothing is left of it.
    """
    return training_corpus([load_source(source) for source in sources], hold_out=hold_out)


def training_corpus(corpora: Sequence[Corpus], *, hold_out: Iterable[str] = ()) -> Corpus:
    """Join sources that are already read; arguments and errors are those of :func:`load_sources`."""
    if not corpora:
        raise ConfigError("sources is empty; name at least one source to train on")
    held_out = tuple(hold_out)
    there = sorted({code for corpus in corpora for code in corpus.languages})
    absent = [code for code in held_out if normalise_language(code) not in there]
    if absent:
        named = ", ".join(f"{language_name(code)} ({code})" for code in absent)
        raise ConfigError(
            f"hold_out: {named} is in no training source, so holding it out proves nothing; "
            f"the sources have {', '.join(there)}"
        )
    return mix([without_languages(corpus, held_out) for corpus in corpora])


def _find(name: str, reader: Reader, path: Path | str | None) -> Path:
    if path is None:
        if reader.path == "optional":
            return Path()
        if not reader.folders:
            raise FileNotFoundError(f"{name} needs a path: give its folder or file")
        root = os.environ.get("HYBRID_FAST_DATA")
        if not root:
            raise FileNotFoundError(
                f"where is {name}? Give its folder as path, or set HYBRID_FAST_DATA to the folder it lies in"
            )
        path = Path(root)
        below = [path / folder for folder in reader.folders if (path / folder).is_dir()]
        if not below:
            raise FileNotFoundError(f"{path} (HYBRID_FAST_DATA) has no folder {reader.folders[0]}")
        return below[0]
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    if reader.path in ("any", "optional") or (reader.path == "either" and path.is_file()):
        return path
    if not path.is_dir():
        raise NotADirectoryError(f"{path} is a file; give the folder of {name}")
    return next((path / folder for folder in reader.folders if (path / folder).is_dir()), path)
