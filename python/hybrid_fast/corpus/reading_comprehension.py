"""Question answering in one language: SQuAD sentences, JaQuAD, CMRC 2018, ARCD, AmQA."""

from __future__ import annotations

from pathlib import Path

from ..errors import CorpusError
from .assembling import Assembly
from .corpus import Corpus
from .reading import files_by_stem, find_file, read_json_lines, read_lines, take
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
    folder: Path,
    *,
    name: str,
    language: str,
    splits: tuple[str, ...],
    split: str | None = None,
    articles: Articles = "all",
) -> Corpus:
    """Read ``<split>.jsonl`` files of paragraphs with their questions, plain or ``.gz``.

    One line is ``{"title", "context", "qas": [{"id", "question", "answers": [{"text",
    "answer_start"}]}]}``. A group is a question; its passage is the paragraph; equal paragraphs are
    one passage row. Documents are titles; a paragraph without title is its own document.

    Raises:
        CorpusError: a malformed line, a wrong offset, an id twice in a split, or an unknown split.
    """
    if split is not None and split not in splits:
        raise CorpusError(f"{name} has no split {split!r}; its splits are {', '.join(splits)}")
    files = {part: path for part, path in files_by_stem(folder, ".jsonl").items() if part in splits}
    wanted = [split] if split else [part for part in splits if part in files]
    if not wanted or wanted[0] not in files:
        raise FileNotFoundError(
            f"{folder} has no {split or splits[0]}.jsonl or {split or splits[0]}.jsonl.gz"
        )
    assembly = Assembly(name)
    rows: dict[str, int] = {}
    for part in wanted:
        path = files[part]
        for line, record in read_json_lines(path):
            where = f"{path}, line {line}"
            context = take(record, "context", str, where)
            title = record.get("title") or f"{part} paragraph {line}"
            if context not in rows:
                rows[context] = assembly.passages.add(f"{part}/{line}", context, language, str(title))
            for question in take(record, "qas", list, where):
                id = f"{part}/{take(question, 'id', str, where)}"
                if id in assembly.groups:
                    raise CorpusError(f"{where}: question id {id!r} occurs twice")
                text = take(question, "question", str, where)
                _check_answers(question, context, f"{where}, question {id}")
                query = assembly.queries.add(id, text, language, assembly.passages.documents[rows[context]])
                assembly.add_cell(id, language, query=query, passage=rows[context])
    return keep_articles(assembly.finish(), articles)


def _check_answers(question: object, context: str, where: str) -> None:
    for answer in take(question, "answers", list, where):
        start, text = take(answer, "answer_start", int, where), take(answer, "text", str, where)
        if start < 0 or not context.startswith(text, start):
            raise CorpusError(
                f"{where}: answer_start {start} is wrong: the context does not hold {text!r} there"
            )
