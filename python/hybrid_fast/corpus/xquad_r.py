"""XQuAD-R and MLQA-R (LAReQA, arXiv 2004.05484): question to answer sentence among all sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from ..quoting import quoted, shortened
from .assembling import Assembly
from .corpus import Corpus
from .reading import by_language, files_by_stem, read_json, take
from .selection import Articles, chosen_files, in_part


@dataclass(frozen=True)
class _File:
    """One language's file: its articles, and the article of each question id."""

    path: Path
    articles: list[Any]
    article_of: dict[str, int]


def read_answer_sentences(
    folder: Path, *, name: str, languages: tuple[str, ...] = (), articles: Articles = "all"
) -> Corpus:
    """Read a folder of ``<language>.json`` or ``<language>.json.gz`` files in LAReQA's layout.

    Every sentence of every paragraph is a candidate passage. The gold sentence of a question is the
    one whose half-open range [start, end) holds the start of the (first) answer. A group is a question
    id; its cells are the languages that have it. The documents of rows are article titles of the
    English file (the first file, where there is no English one), to which the articles of other
    languages are tied by question ids; ``articles`` counts positions in that file.

    Raises:
        CorpusError: a malformed file, a wrong offset, a question id twice, a language without file.
    """
    files = by_language(files_by_stem(folder, ".json"))
    chosen = chosen_files(files, languages, folder)
    reference = "en" if "en" in files else next(iter(files))
    loaded = {language: _load(path) for language, path in chosen.items()}
    source = loaded[reference] if reference in loaded else _load(files[reference])
    titles = _titles(source)
    assembly = Assembly(name)
    for language, file in loaded.items():
        tied = {
            number: source.article_of[id] for id, number in file.article_of.items() if id in source.article_of
        }
        for number, article in enumerate(file.articles):
            position = number if language == reference else tied.get(number)
            document = titles[position] if position is not None else f"{language}/{number}"
            if in_part(number if position is None else position, articles):
                _add_article(assembly, language, number, article, document, file.path)
    return assembly.finish()


def _load(path: Path) -> _File:
    articles = take(read_json(path), "data", list, str(path))
    article_of: dict[str, int] = {}
    for number, article in enumerate(articles):
        for count, paragraph in enumerate(take(article, "paragraphs", list, f"{path}, data[{number}]")):
            where = f"{path}, data[{number}].paragraphs[{count}]"
            for question in take(paragraph, "qas", list, where):
                id = take(question, "id", str, f"{where}.qas")
                if id in article_of:
                    raise CorpusError(f"{where}: question id {quoted(id)} occurs twice in the file")
                article_of[id] = number
    return _File(path, articles, article_of)


def _titles(file: _File) -> list[str]:
    titles = [str(article.get("title") or "") for article in file.articles]
    return [
        title if title and titles.count(title) == 1 else f"{title} (article {number})".strip()
        for number, title in enumerate(titles)
    ]


def _add_article(
    assembly: Assembly, language: str, number: int, article: Any, document: str, path: Path
) -> None:
    for count, paragraph in enumerate(article["paragraphs"]):
        where = f"{path}, data[{number}].paragraphs[{count}]"
        context = take(paragraph, "context", str, where)
        breaks = _sentence_ranges(paragraph, context, where)
        rows = [
            assembly.passages.add(f"{language}/{number}/{count}/{place}", sentence, language, document)
            for place, sentence in enumerate(paragraph["sentences"])
        ]
        for question in paragraph["qas"]:
            id = question["id"]
            text = take(question, "question", str, f"{where}, question {shortened(id)}")
            gold = _gold(question, breaks, context, f"{where}, question {shortened(id)}")
            query = assembly.queries.add(f"{language}/{id}", text, language, document)
            assembly.add_cell(id, language, query=query, passage=rows[gold])


def _sentence_ranges(paragraph: Any, context: str, where: str) -> list[tuple[int, int]]:
    texts = take(paragraph, "sentences", list, where)
    breaks = take(paragraph, "sentence_breaks", list, where)
    if len(texts) != len(breaks):
        raise CorpusError(f"{where}: {len(texts)} sentences but {len(breaks)} sentence_breaks")
    ranges = []
    for place, (item, text) in enumerate(zip(breaks, texts, strict=True)):
        fits = isinstance(item, list) and len(item) == 2 and all(type(edge) is int for edge in item)
        # Lengths are compared, not texts: two ranges of the published Turkish file are off by two.
        if not (
            fits
            and 0 <= item[0] < item[1] <= len(context)
            and isinstance(text, str)
            and len(text) == item[1] - item[0]
        ):
            raise CorpusError(
                f"{where}: sentence_breaks[{place}] is {quoted(item)}, "
                "which does not fit its sentence and context"
            )
        ranges.append((item[0], item[1]))
    return ranges


def _gold(question: Any, breaks: list[tuple[int, int]], context: str, where: str) -> int:
    answers = take(question, "answers", list, where)
    if not answers:
        raise CorpusError(f"{where}: no answer")
    start = take(answers[0], "answer_start", int, where)
    text = take(answers[0], "text", str, where)
    if start < 0 or not context.startswith(text, start):
        raise CorpusError(
            f"{where}: answer_start {start} is wrong: the context does not hold the answer there"
        )
    golds = [place for place, (first, end) in enumerate(breaks) if first <= start < end]
    if len(golds) != 1:
        raise CorpusError(
            f"{where}: answer_start {start} lies in {len(golds)} sentences, expected exactly one"
        )
    return golds[0]
