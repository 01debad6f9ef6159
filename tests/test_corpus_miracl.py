"""MIRACL's layout, on a small sample of that format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hybrid_fast as hf
from corpus_files import docs, write, write_miracl
from hybrid_fast.corpus import describe, fingerprint, keep_languages, passage_files, sample_groups
from hybrid_fast.errors import CorpusError


def test_topics_judgements_and_shards(tmp_path: Path) -> None:
    corpus = hf.load_corpus("miracl", path=write_miracl(tmp_path), languages=["swh"])
    assert corpus.languages == ("sw",)
    assert corpus.queries.texts == ["sw who", "sw what"]  # a topic without a judgement is left out
    assert len(corpus.passages) == 13
    assert corpus.passages.ids[4] == "2#0"
    assert corpus.passages.documents[4] == "2"
    assert corpus.qrels.indptr.tolist() == [0, 3, 4]
    assert corpus.qrels.passages.tolist() == [0, 1, 11, 5]
    assert corpus.qrels.grades.tolist() == [1, 0, 1, 1]
    assert corpus.cells.passage.tolist() == [0, 11, 5]
    assert corpus.cells.query_identity[0] == corpus.cells.query_identity[1] != corpus.cells.query_identity[2]


def test_texts_are_read_from_the_shards_in_any_order(tmp_path: Path) -> None:
    texts = hf.load_corpus("miracl", path=write_miracl(tmp_path), languages=["sw"]).passages.texts
    expected = [f"sw title text {n}" for n in range(13)]
    assert list(texts) == expected
    assert texts[3:7] == expected[3:7]
    assert texts[:2] == expected[:2]
    assert [texts[n] for n in (12, 0, 5, 5, -1)] == [expected[n] for n in (12, 0, 5, 5, -1)]
    with pytest.raises(IndexError):
        texts[13]
    assert not isinstance(texts, list)


def test_shards_are_read_once_for_slices_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = hf.load_corpus("miracl", path=write_miracl(tmp_path), languages=["sw"]).passages.texts
    opened: list[Path] = []
    read = passage_files.read_lines
    monkeypatch.setattr(passage_files, "read_lines", lambda path: (opened.append(path), read(path))[1])
    assert [text for start in range(0, 13, 3) for text in texts[start : start + 3]] == list(texts)
    assert len(opened) == 4


def test_several_languages_and_parts(tmp_path: Path) -> None:
    corpus = hf.load_corpus("miracl", path=write_miracl(tmp_path))
    assert corpus.languages == ("sw", "yo")
    assert len(corpus.passages) == 26
    assert corpus.passages.ids[13] == "yo/0#0"
    reduced = keep_languages(corpus, ["yo"])
    assert reduced.passages.texts[2:4] == ["yo title text 2", "yo title text 3"]
    assert describe(reduced).languages[0].passages == 13
    sample = sample_groups(corpus, 1)
    assert 1 <= len(sample.passages) <= 3
    assert fingerprint(corpus) == fingerprint(hf.load_corpus("miracl", path=tmp_path))


def test_plain_names_belong_to_the_language_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "topics.tsv", "1\twho\n")
    write(tmp_path / "qrels.tsv", "1 0 a#0 2\n")
    write(tmp_path / "docs-0.jsonl", '{"docid": "a#0", "title": "", "text": "it"}\n')
    corpus = hf.load_corpus("miracl", path=tmp_path, languages=["te"])
    assert (list(corpus.passages.texts), corpus.qrels.grades.tolist()) == (["it"], [2])
    with pytest.raises(CorpusError, match="give languages"):
        hf.load_corpus("miracl", path=tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("qrels", "1 Q0 0#0\n", "line 1: expected 'query Q0 passage grade'"),
        ("qrels", "1 Q0 0#0 yes\n", "line 1: expected 'query Q0 passage grade'"),
        ("qrels", "1 Q0 0#0 1\n1 Q0 0#0 1\n", "line 2: passage '0#0' is judged twice"),
        ("qrels", "1 Q0 99#0 1\n", "passage '99#0' is judged but is not among those of sw"),
        ("qrels", "7 Q0 0#0 1\n", "query '7' is judged but is not among those of sw"),
        ("topics", "1 who\n", "line 1: expected 'query id TAB query'"),
        ("topics", "1\twho\n1\twho\n", "line 2: query id '1' occurs twice"),
        ("docs", '{"docid": "0#0", "title": "x"}\n', "docs-0.jsonl.gz, line 1: field 'text' is missing"),
        ("docs", '{"docid": "0#0", "text": "x"}\n' * 2, "line 2: docid '0#0' occurs twice"),
        ("docs", "{", "line 1: not JSON"),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, file: str, text: str, message: str) -> None:
    write_miracl(tmp_path, "sw")
    name = "miracl-v1.0-sw"
    path = {
        "qrels": tmp_path / name / "qrels" / f"qrels.{name}-dev.tsv",
        "topics": tmp_path / name / "topics" / f"topics.{name}-dev.tsv",
        "docs": tmp_path / "miracl-corpus-v1.0-sw" / "docs-0.jsonl.gz",
    }[file]
    write(path, text)
    with pytest.raises(CorpusError, match=message):
        hf.load_corpus("miracl", path=tmp_path)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file topics"):
        hf.load_corpus("miracl", path=tmp_path)
    write_miracl(tmp_path, "sw")
    with pytest.raises(FileNotFoundError, match="no topics file for yo"):
        hf.load_corpus("miracl", path=tmp_path, languages=["yo"])
    with pytest.raises(CorpusError, match="no topics of sw for split 'train'"):
        hf.load_corpus("miracl", path=tmp_path, split="train")
    with pytest.raises(FileNotFoundError, match=r"qrels\.miracl-v1\.0-sw-testA\.tsv"):
        hf.load_corpus("miracl", path=tmp_path, split="testA")


def as_published(folder: Path, code: str = "sw") -> Path:
    """Write MIRACL as the hub has it: topics of four splits, judgements of two."""
    name = f"miracl-v1.0-{code}"
    for split in ("train", "dev", "test-a", "test-b"):
        write(folder / name / "topics" / f"topics.{name}-{split}.tsv", f"{split}1\twho?\n{split}2\twhat?\n")
    for split, passage in (("train", "0#0"), ("dev", "1#0")):
        write(folder / name / "qrels" / f"qrels.{name}-{split}.tsv", f"{split}1\tQ0\t{passage}\t1\n")
    write(folder / f"miracl-corpus-v1.0-{code}" / "docs-0.jsonl.gz", docs(0, 4, code))
    return folder


def test_every_published_split_loads_and_dev_by_default(tmp_path: Path) -> None:
    as_published(tmp_path)
    for split, query in ((None, "dev1"), ("dev", "dev1"), ("train", "train1")):
        corpus = hf.load_corpus("miracl", path=tmp_path, split=split)
        assert corpus.queries.ids == [f"sw/{query}"]
        assert len(corpus.cells) == 1


@pytest.mark.parametrize("split", ["test-a", "test-b", "testA", "testB", "test_a"])
def test_a_split_without_judgements_is_one_sentence(tmp_path: Path, split: str) -> None:
    as_published(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no judgements beside it.*with judgements: dev, train$"):
        hf.load_corpus("miracl", path=tmp_path, split=split)
    part = f"test-{split[-1].lower()}"
    write(tmp_path / f"qrels.miracl-v1.0-sw-{part}.tsv", f"{part}2 Q0 1#1 1\n")
    assert hf.load_corpus("miracl", path=tmp_path, split=split).queries.ids == [f"sw/{part}2"]


def test_the_default_of_a_language_without_dev_is_its_only_judged_split(tmp_path: Path) -> None:
    as_published(tmp_path)
    for path in tmp_path.rglob("*dev.tsv"):
        path.unlink()
    assert hf.load_corpus("miracl", path=tmp_path).queries.ids == ["sw/train1"]
    for path in tmp_path.rglob("qrels*.tsv"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"several splits of sw, test-a, test-b, train; choose one"):
        hf.load_corpus("miracl", path=tmp_path)
    with pytest.raises(CorpusError, match="no topics of sw for split 'dev'; there are test-a, test-b, train"):
        hf.load_corpus("miracl", path=tmp_path, split="dev")


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_a_docid_that_no_one_judged_is_refused_when_it_comes_again(
    tmp_path: Path, equal: bool, apart: bool
) -> None:
    as_published(tmp_path)
    folder = tmp_path / "miracl-corpus-v1.0-sw"
    again = json.dumps({"docid": "1#1", "title": "sw title", "text": "text 3" if equal else "new"}) + "\n"
    if apart:
        write(folder / "docs-1.jsonl", "\n" + docs(4, 6, "sw") + again)
        place = "docs-1.jsonl, line 4"
    else:
        write(folder / "docs-0.jsonl.gz", docs(0, 4, "sw") + "\n" + again)
        place = "docs-0.jsonl.gz, line 6"
    message = rf"{place}: docid '1#1' occurs twice; it stands first in .*docs-0.jsonl.gz, line 4$"
    with pytest.raises(CorpusError, match=message):
        hf.load_corpus("miracl", path=tmp_path)


def test_equal_hashes_are_not_equal_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage_files, "hash", lambda id: len(id), raising=False)
    assert len(hf.load_corpus("miracl", path=as_published(tmp_path)).passages) == 4


def test_one_docid_in_two_languages_is_no_repeat(tmp_path: Path) -> None:
    corpus = hf.load_corpus("miracl", path=as_published(as_published(tmp_path), "yo"))
    assert list(corpus.passages.ids)[3:5] == ["sw/1#1", "yo/0#0"]
    assert corpus.passages.languages.tolist() == [0] * 4 + [1] * 4


def test_judgements_of_absent_passages_may_be_dropped(tmp_path: Path) -> None:
    qrels = as_published(tmp_path) / "miracl-v1.0-sw" / "qrels" / "qrels.miracl-v1.0-sw-dev.tsv"
    write(qrels, "# a comment of four words\ndev1 Q0 1#0 1\ndev1 Q0 77#0 1\nnobody Q0 1#0 1\n")
    with pytest.raises(
        CorpusError, match=r"2 of 3 judgements name .* of sw: passage '77#0', query 'nobody'; "
    ):
        hf.load_corpus("miracl", path=tmp_path)
    corpus = hf.load_corpus("miracl", path=tmp_path, missing="drop")
    assert (len(corpus.qrels.passages), corpus.dropped_judgements) == (1, 2)
    assert describe(corpus).dropped_judgements == 2
