"""Question answering in one language."""

from __future__ import annotations

import json
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


def squad(*articles: tuple[str | None, list[dict[str, Any]]]) -> str:
    """Return SQuAD's JSON: articles of a title and paragraphs."""
    data = [{"title": title, "paragraphs": paragraphs} for title, paragraphs in articles]
    if not any(title for title, _ in articles):
        data = [{"paragraphs": article["paragraphs"]} for article in data]
    return json.dumps({"version": "1.1", "data": data}, ensure_ascii=False, indent=1)


def questions(*ids: str | int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": id, "question": f"{id}?", **more} for id in ids]


@pytest.mark.parametrize(
    "answers",
    [
        {"answers": [{"text": "no such", "answer_start": 0}]},
        {"answers": [{"text": "b", "answer_start": -1}]},
        {"answers": [{"text": "b", "answer_start": None}]},
        {"answers": [{"text": "b"}]},
        {"answers": ["b", "b"]},
        {"answers": {"text": ["b"], "answer_start": [99]}},
        {"answers": "b"},
        {"answers": []},
        {"answers": None},
        {},
    ],
)
@pytest.mark.parametrize("name", ["arcd", "cmrc2018", "amqa", "jaquad"])
def test_where_the_answer_stands_does_not_matter(tmp_path: Path, name: str, answers: dict[str, Any]) -> None:
    qas = questions("1", "2", **answers)
    write_lines(tmp_path / "l" / "train.jsonl", [{"title": "T", "context": "a b c", "qas": qas}])
    write(tmp_path / "j" / "x-train.json", squad(("T", [{"context": "a b c", "qas": qas}])))
    for folder in ("l", "j"):
        corpus = hf.load_corpus(name, path=tmp_path / folder)
        assert corpus.group_ids == ["train/1", "train/2"]
        assert corpus.cells.passage.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("arcd", {"train": "data/arcd-train.json", "test": "data/arcd-test.json", "": "data/arcd.json"}),
        ("arcd", {"train": "arcd-train.json.gz", "test": "arcd-test.json.gz"}),
        ("amqa", {"train": "train_data.json", "dev": "dev_data.json", "": "AmQA_Dataset.json"}),
        ("cmrc2018", {"dev": "squad-style-data/cmrc2018_dev.json"}),
        ("cmrc2018", {"trial": "cmrc2018_trial.json", "dev": "cmrc2018_dev.json"}),
        ("jaquad", {"train": "data/train/jaquad_train_0000.json", "dev": "data/dev/jaquad_dev_0000.json"}),
    ],
)  # fmt: skip
def test_files_as_published(tmp_path: Path, name: str, files: dict[str, str]) -> None:
    """The names are those of the sources on GitHub; a file of all splits beside them is passed over."""
    for part, place in files.items():
        paragraphs = [
            {"context": f"{part} one", "qas": questions(part or "all")},
            {"context": f"{part} two", "qas": questions(7)},
        ]
        write(tmp_path / place, squad((None if name == "amqa" else "T", paragraphs)))
    parts = [part for part in files if part]
    corpus = hf.load_corpus(name, path=tmp_path)
    order = sorted(parts, key=["train", "dev", "trial", "test"].index)
    if name == "cmrc2018":
        order = sorted(parts, key=["train", "dev", "trial"].index)
    assert corpus.group_ids == [f"{part}/{id}" for part in order for id in (part, 7)]
    assert corpus.passages.documents[0] == (f"{order[0]} paragraph 1" if name == "amqa" else "T")
    for part, place in files.items():
        if part:
            assert hf.load_corpus(name, path=tmp_path, split=part).queries.ids == [
                f"{part}/{part}",
                f"{part}/7",
            ]
            alone = hf.load_corpus(name, path=tmp_path / place)  # the file itself will do
            assert alone.queries.ids == [f"{part}/{part}", f"{part}/7"]


def test_the_own_layout_of_cmrc_and_a_checkout_with_both(tmp_path: Path) -> None:
    own = [
        {
            "context_id": "DEV_0",
            "context_text": "甲乙丙",
            "title": "甲",
            "qas": [{"query_text": "谁？", "query_id": "DEV_0_QUERY_0", "answers": ["甲", "甲", "不在"]}],
        }
    ]
    write(tmp_path / "data" / "cmrc2018_dev.json", json.dumps(own))
    corpus = hf.load_corpus("cmrc2018", path=tmp_path)
    assert (corpus.queries.texts, corpus.passages.texts) == (["谁？"], ["甲乙丙"])
    assert corpus.group_ids == ["dev/DEV_0_QUERY_0"]
    assert corpus.passages.documents == ["甲"]
    other = squad(("乙", [{"context": "丁", "qas": questions("s")}]))
    write(tmp_path / "squad-style-data" / "cmrc2018_dev.json", other)
    assert hf.load_corpus("cmrc2018", path=tmp_path).group_ids == ["dev/s"]  # the same data: one is read


def test_numbered_files_are_one_split_and_others_are_refused(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        paragraph = {"context": f"context {number}", "qas": questions(f"q{number}")}
        write(tmp_path / "data" / "train" / f"jaquad_train_000{number}.json", squad(("T", [paragraph])))
    assert hf.load_corpus("jaquad", path=tmp_path).group_ids == ["train/q0", "train/q1", "train/q2"]
    for name in ("arcd-train.json", "soqal_train.json"):
        write(tmp_path / "two" / name, squad(("T", [{"context": name, "qas": []}])))
    with pytest.raises(
        CorpusError, match=r"arcd-train.json and .*soqal_train.json hold the same part, train"
    ):
        hf.load_corpus("arcd", path=tmp_path / "two")


def test_a_file_without_a_split_in_its_name_is_read_when_it_is_given(tmp_path: Path) -> None:
    path = write(tmp_path / "arcd.json", squad(("T", [{"context": "c", "qas": questions(1)}])))
    assert hf.load_corpus("arcd", path=path).group_ids == ["arcd/1"]
    with pytest.raises(FileNotFoundError, match=r"no train\.jsonl"):
        hf.load_corpus("arcd", path=tmp_path)


def test_records_of_one_question_are_read_too(tmp_path: Path) -> None:
    """As the copies on the Hugging Face hub have them."""
    answers = {"text": ["x"], "answer_start": [0]}
    record = {"title": "T", "context": "c", "answers": answers}
    write_lines(tmp_path / "train.jsonl", [{**record, "id": n, "question": f"{n}?"} for n in (1, 2)])
    corpus = hf.load_corpus("arcd", path=tmp_path)
    assert (corpus.group_ids, len(corpus.passages)) == (["train/1", "train/2"], 1)


def test_questions_that_the_paragraph_cannot_answer_are_left_out(tmp_path: Path) -> None:
    qas = questions(1, is_impossible=False) + questions(2, is_impossible=True)
    write(tmp_path / "train_data.json", squad((None, [{"context": "c", "qas": qas}])))
    assert hf.load_corpus("amqa", path=tmp_path).group_ids == ["train/1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "expected SQuAD's"),
        ('{"data": {}}', "field 'data' is an object, expected a list"),
        ('{"rows": []}', "field 'data' is missing"),
        ('{"data": [4]}', r"data\[0\]: expected an object, found a whole number"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', r"\[0\].paragraphs\[0\]: field 'context' is missing"),
        ('[{"context_text": "c"}]', r"\[0\]: field 'qas' is missing"),
        ('[{"context": "c", "qas": [{"id": 1}]}]', r"\[0\]: field 'question' is missing"),
        ('[{"context": "c", "qas": [{"question": "q"}]}]', r"\[0\]: field 'id' is missing"),
        ('{"data": [', "line 1, column 11: malformed or truncated JSON"),
    ],
)  # fmt: skip
def test_a_wrong_json_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "arcd-train.json", text)
    with pytest.raises(CorpusError, match=message) as error:
        hf.load_corpus("arcd", path=tmp_path)
    assert str(path) in str(error.value)
