"""Question answering in one language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hybrid_fast as hf
from corpus_files import real_data, write, write_lines
from hybrid_fast.corpus import describe
from hybrid_fast.errors import CorpusError


def test_squad_sentences_share_equal_sentences(tmp_path: Path) -> None:
    write(tmp_path / "pairs.tsv.gz", "who ?\tit is she .\nwhat ?\tit is that .\nwhen ?\tit is she .\n")
    corpus = hf.load_corpus("squad-sentences", path=tmp_path)
    assert corpus.languages == ("en",)
    assert corpus.passages.texts == ["it is she .", "it is that ."]
    assert corpus.cells.passage.tolist() == [0, 1, 0]
    assert corpus.cells.passage_identity.tolist()[0] == corpus.cells.passage_identity.tolist()[2]
    with pytest.raises(CorpusError, match="does not say which article"):
        hf.load_corpus("squad-sentences", path=tmp_path, articles="even")
    with pytest.raises(CorpusError, match="squad-sentences has no de"):
        hf.load_corpus("squad-sentences", path=tmp_path, languages=["de"])


@pytest.mark.parametrize("text", ["who ?\n", "who ?\ta\tb\n", "\tsentence\n", "who ?\t \n"])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "pairs.tsv", "a ?\tb .\n" + text)
    with pytest.raises(CorpusError, match="line 2: expected 'question TAB sentence'") as error:
        hf.load_corpus("squad-sentences", path=tmp_path)
    assert str(path) in str(error.value)


def row(title: str | None, context: str, **questions: int) -> dict[str, Any]:
    qas = [
        {
            "id": id,
            "question": f"{id}?",
            "answers": [{"text": context[start : start + 2], "answer_start": start}],
        }
        for id, start in questions.items()
    ]
    return {"title": title, "context": context, "qas": qas}


def test_paragraphs_are_passages_and_titles_are_articles(tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl.gz", [row("A", "甲乙丙", a=0, b=1), row("B", "丁戊己", c=0)])
    write_lines(tmp_path / "dev.jsonl", [row(None, "甲乙丙", a=0)])
    corpus = hf.load_corpus("jaquad", path=tmp_path)
    assert corpus.group_ids == ["train/a", "train/b", "train/c", "dev/a"]
    assert corpus.cells.passage.tolist() == [0, 0, 1, 0]
    assert hf.load_corpus("jaquad", path=tmp_path, split="train", articles="odd").group_ids == ["train/c"]
    assert hf.load_corpus("jaquad", path=tmp_path, split="dev").passages.documents == ["dev paragraph 1"]


def test_bad_paragraphs_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no train\.jsonl"):
        hf.load_corpus("arcd", path=tmp_path)
    good = row("A", "alpha beta", a=0)
    for bad, message in (
        ({**good, "qas": 3}, "line 1: field 'qas' is a whole number"),
        ({**good, "context": None}, "line 1: field 'context' is null, expected text"),
        ({**good, "qas": good["qas"] * 2}, "question id 'train/a' occurs twice"),
    ):
        write_lines(tmp_path / "train.jsonl", [bad])
        with pytest.raises(CorpusError, match=message):
            hf.load_corpus("arcd", path=tmp_path)
    with pytest.raises(CorpusError, match="no split 'dev'; its splits are train, test"):
        hf.load_corpus("arcd", path=tmp_path, split="dev")


@real_data
@pytest.mark.parametrize(
    ("name", "split", "questions", "passages"),
    [
        ("squad-sentences", None, 11_877, 6652),
        ("jaquad", "train", 16_185, 4785),
        ("jaquad", "dev", 3939, 1431),
        ("cmrc2018", "dev", 3219, 848),
        ("cmrc2018", "trial", 1002, 256),
        ("arcd", "train", 690, 231),
        ("arcd", "test", 699, 234),
        ("amqa", "train", 1723, 286),
        ("amqa", "dev", 600, 57),
        ("amqa", "test", 299, 33),
    ],
)
def test_published_counts(name: str, split: str | None, questions: int, passages: int) -> None:
    corpus = hf.load_corpus(name, split=split)
    assert len(corpus.group_ids) == len(corpus.queries) == questions
    assert passages * 0.97 <= len(corpus.passages) <= passages  # equal paragraphs are one row
    strata = describe(corpus, similar=False).strata
    assert strata.tolist() == [[questions]]
