"""MIRACL's layout, on a small sample of that format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hybrid_fast as hf
from corpus_files import write
from hybrid_fast.corpus import describe, fingerprint, keep_languages, sample_groups
from hybrid_fast.errors import CorpusError


def docs(start: int, end: int, language: str) -> str:
    return "".join(
        json.dumps({"docid": f"{n // 2}#{n % 2}", "title": f"{language} title", "text": f"text {n}"}) + "\n"
        for n in range(start, end)
    )


def write_miracl(folder: Path, languages: str = "sw yo") -> Path:
    for code in languages.split():
        name = f"miracl-v1.0-{code}"
        write(
            folder / name / "topics" / f"topics.{name}-dev.tsv", f"1\t{code} who\n2\t{code} what\n3\tnone\n"
        )
        write(folder / name / "topics" / f"topics.{name}-testA.tsv", "9\tunjudged\n")
        write(
            folder / name / "qrels" / f"qrels.{name}-dev.tsv",
            "1 Q0 0#0 1\n1\tQ0\t0#1\t0\n1 Q0 5#1 1\n2 Q0 2#1 1\n",
        )
        corpus = folder / f"miracl-corpus-v1.0-{code}"
        write(corpus / "docs-0.jsonl.gz", docs(0, 4, code))
        write(corpus / "docs-1.jsonl.gz", docs(4, 11, code))
        write(corpus / "docs-10.jsonl.gz", docs(12, 13, code))
        write(corpus / "docs-2.jsonl", docs(11, 12, code))
    return folder


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
    from hybrid_fast.corpus import passage_files

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
