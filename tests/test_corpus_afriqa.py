"""AfriQA: African questions against passages in the pivot language."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import hybrid_fast as hf
from corpus_files import real_data, write, write_afriqa
from hybrid_fast.corpus import fingerprint
from hybrid_fast.errors import CorpusError

TEST_GOLDS = {"bem": 309, "hau": 300, "ibo": 409, "kin": 347, "swa": 295, "twi": 486, "yor": 254, "zul": 325}
NULL_CONTEXTS = {"bem": 1, "kin": 2, "yor": 1}


def test_a_question_and_its_pivot_are_two_cells_of_one_group(tmp_path: Path) -> None:
    corpus = hf.load_corpus("afriqa", path=write_afriqa(tmp_path), split="test", languages=["ha", "en"])
    assert corpus.group_ids == ["ha-test-0", "ha-test-1"]
    assert corpus.passages.texts == ["Kano is in Nigeria."]
    assert corpus.queries.texts == [
        "Ina Kano?",
        "Where is Kano?",
        "Wace kasa ce Kano?",
        "What country is Kano in?",
    ]
    cells = corpus.cells
    assert [corpus.languages[code] for code in cells.language] == ["ha", "en", "ha", "en"]
    assert cells.query.tolist() == [0, 1, 2, 3]
    assert cells.passage.tolist() == [-1, 0, -1, 0]
    assert len(set(cells.passage_identity.tolist())) == 1
    assert corpus.qrels.indptr.tolist() == [0, 1, 2, 3, 4]


def test_languages_are_those_of_the_questions_and_passages_stay(tmp_path: Path) -> None:
    corpus = hf.load_corpus("afriqa", path=write_afriqa(tmp_path), split="test", languages=["hau"])
    assert corpus.languages == ("en", "ha")
    assert corpus.queries.texts == ["Ina Kano?", "Wace kasa ce Kano?"]
    assert corpus.cells.query.tolist() == [0, -1, 1, -1]
    pivot = hf.load_corpus("afriqa", path=tmp_path, split="test", languages=["fr"])
    assert pivot.queries.texts == ["Quoi ?"]


def test_without_a_split_all_are_read(tmp_path: Path) -> None:
    corpus = hf.load_corpus("afriqa", path=write_afriqa(tmp_path))
    assert corpus.group_ids == ["fon-test-0", "ha-train-0", "ha-test-0", "ha-test-1"]


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder gold_passages"):
        hf.load_corpus("afriqa", path=tmp_path)
    write_afriqa(tmp_path)
    with pytest.raises(CorpusError, match="no split 'all'; its splits are train, dev, test"):
        hf.load_corpus("afriqa", path=tmp_path, split="all")
    with pytest.raises(CorpusError, match="has no yo; its languages are fon, ha"):
        hf.load_corpus("afriqa", path=tmp_path, languages=["yor"])
    path = tmp_path / "gold_passages" / "hau.en.dev.jsonl"
    for text, message in (
        ('{"id": "0"}\n', "line 1: field 'context' is missing"),
        ('{"id": 1.5, "context": "x"}\n', "line 1: field 'id'"),
        ('\n{"id": "0", "context"', "line 2: not JSON"),
        ("[1]\n", "line 1: expected a JSON object, found a list"),
    ):
        write(path, text)
        with pytest.raises(CorpusError, match=message) as error:
            hf.load_corpus("afriqa", path=tmp_path, split="dev")
        assert str(path) in str(error.value)
    line = '{"id": "0", "context": "x", "question_lang": "a", "question_translated": "b", "title": null}\n'
    write(path, line * 2)
    with pytest.raises(CorpusError, match="line 2: id '0' occurs twice"):
        hf.load_corpus("afriqa", path=tmp_path, split="dev")
    write(path.with_name("hausa.jsonl"), line)
    with pytest.raises(CorpusError, match="expected a name such as"):
        hf.load_corpus("afriqa", path=tmp_path)


@real_data
@pytest.mark.parametrize("code", TEST_GOLDS)
def test_counts_are_those_published(code: str) -> None:
    corpus = hf.load_corpus("afriqa", split="test", languages=[code])
    assert len(corpus.group_ids) == TEST_GOLDS[code] - NULL_CONTEXTS.get(code, 0)
    assert "en" in corpus.languages


@real_data
def test_all_of_it_has_its_pivots() -> None:
    corpus = hf.load_corpus("afriqa")
    assert corpus.languages == ("bem", "en", "fon", "fr", "ha", "ig", "rw", "sw", "tw", "yo", "zu")
    assert len(set(corpus.passages.texts)) == len(corpus.passages)
    with pytest.raises(CorpusError, match="has no wo"):
        hf.load_corpus("afriqa", languages=["wol"])


def as_git_gives_it(folder: Path, place: str = "data/gold_passages") -> Path:
    """Write the same records under the names of the source's repository."""
    flat = write_afriqa(folder / "flat")
    for path in sorted((flat / "gold_passages").iterdir()):
        asked, pivot, split = path.name.split(".")[:3]
        data = path.read_bytes()
        name = f"gold_span_passages.afriqa.{asked}.{pivot}.{split}.json"
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        write(folder / "afriqa" / place / asked / name, text)
    write(folder / "afriqa" / "data" / "queries" / "hau" / "queries.afriqa.hau.en.test.json", '{"id": "9"}\n')
    write(folder / "afriqa" / "README.md", "#\n")
    write(folder / "afriqa" / place / ".gitkeep", "")
    return folder / "afriqa"


@pytest.mark.parametrize("place", ["data/gold_passages", "gold_passages", "data"])
def test_a_checkout_is_read_like_the_unpacked_files(tmp_path: Path, place: str) -> None:
    checkout = as_git_gives_it(tmp_path, place)
    flat = hf.load_corpus("afriqa", path=tmp_path / "flat")
    for path in (checkout, checkout.parent):
        assert fingerprint(hf.load_corpus("afriqa", path=path)) == fingerprint(flat)
    hausa = hf.load_corpus("afriqa", path=checkout, languages=["ha"], split="train")
    assert hausa.group_ids == ["ha-train-0"]


def test_a_part_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    checkout = as_git_gives_it(tmp_path)
    write(checkout / "data" / "gold_passages" / "hau.en.test.jsonl", "")
    with pytest.raises(CorpusError, match="hold the same part; keep one of them"):
        hf.load_corpus("afriqa", path=checkout)
