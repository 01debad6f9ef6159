"""BEIR's layout, and judgements of what is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hybrid_fast as hf
from corpus_files import QRELS_HEADER, write_beir, write_lines
from hybrid_fast.cli import main
from hybrid_fast.config import SourceConfig, digest, from_mapping, to_mapping
from hybrid_fast.corpus import describe, fingerprint, load_source, mix, write_table
from hybrid_fast.errors import CorpusError


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_data_set_is_read_as_published(tmp_path: Path, ending: str) -> None:
    corpus = hf.load_corpus("beir", path=write_beir(tmp_path / "small", ending), languages=["eng"])
    assert (corpus.name, corpus.languages) == ("small", ("en",))
    assert corpus.queries.ids == ["q1", "q2"]  # those that the split judges
    assert list(corpus.passages.ids) == ["d1", "d2", "3"]
    assert list(corpus.passages.texts) == ["Kano A city.", "A river.", "A hill."]
    assert corpus.qrels.indptr.tolist() == [0, 2, 3]
    assert corpus.qrels.passages.tolist() == [0, 1, 2]
    assert corpus.qrels.grades.tolist() == [2, 0, 1]
    assert corpus.group_ids == ["q1/d1", "q2/3"]
    assert corpus.cells.passage.tolist() == [0, 2]
    assert corpus.dropped_judgements == 0
    train = hf.load_corpus("beir", path=tmp_path / "small", languages=["en"], split="train")
    assert train.queries.texts == ["question 3?"]


def test_it_trains_measures_and_is_written_like_any_corpus(tmp_path: Path) -> None:
    corpus = hf.load_corpus("beir", path=write_beir(tmp_path / "b"), languages=["en"])
    assert len(hf.PairIndex.from_corpus(corpus)) == 2
    again = hf.load_corpus("table", path=write_table(corpus, tmp_path / "t"))
    assert fingerprint(again) == fingerprint(corpus)


@pytest.mark.parametrize(
    ("files", "split"),
    [(("dev", "train"), "dev"), (("train",), "train"), (("dev", "test", "train"), "test")],
)
def test_the_split_by_default(tmp_path: Path, files: tuple[str, ...], split: str) -> None:
    qrels = {name: QRELS_HEADER + f"q{number}\td1\t1\n" for number, name in enumerate(files, start=1)}
    corpus = hf.load_corpus("beir", path=write_beir(tmp_path, qrels=qrels), languages=["en"])
    assert corpus.queries.ids == [f"q{files.index(split) + 1}"]


def test_splits_that_must_be_chosen_are_listed(tmp_path: Path) -> None:
    line = QRELS_HEADER + "q1\td1\t1\n"
    write_beir(tmp_path, qrels={"fold-1": line, "fold-2": line})
    with pytest.raises(CorpusError, match="has the splits fold-1, fold-2; choose one"):
        hf.load_corpus("beir", path=tmp_path, languages=["en"])
    with pytest.raises(CorpusError, match="has no split 'dev'; its splits are fold-1, fold-2"):
        hf.load_corpus("beir", path=tmp_path, languages=["en"], split="dev")


def test_languages_are_those_of_the_records(tmp_path: Path) -> None:
    passages = [
        {"_id": "d1", "text": "A city.", "language": "eng"},
        {"_id": "d2", "text": "Ein Fluss.", "metadata": {"lang": "deu_Latn"}},
        {"_id": "3", "text": "A hill.", "metadata": {"language": "en-US"}},
    ]
    queries = [{"_id": f"q{n}", "text": f"q {n}?", "metadata": {"language": "de"}} for n in (1, 2, 3)]
    write_beir(tmp_path, corpus=passages, queries=queries)
    corpus = hf.load_corpus("beir", path=tmp_path)
    assert corpus.languages == ("de", "en")
    assert [corpus.languages[number] for number in corpus.passages.languages] == ["en", "de", "en"]
    german = hf.load_corpus("beir", path=tmp_path, languages=["deu"])
    assert list(german.passages.texts) == ["Ein Fluss."]
    write_lines(tmp_path / "corpus.jsonl", [{**passages[0], "language": "klingon"}])
    with pytest.raises(CorpusError, match=r"corpus.jsonl, line 1: unknown language code 'klingon'"):
        hf.load_corpus("beir", path=tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"qrels": {"test": QRELS_HEADER + "q1\td1\n"}}, r"test.tsv, line 2: expected 'query-id TAB"),
        ({"qrels": {"test": QRELS_HEADER + "q1\td1\tgood\n"}}, "line 2: expected 'query-id TAB"),
        ({"qrels": {"test": QRELS_HEADER + "q1\td1\t0.5\n"}}, "line 2: expected 'query-id TAB"),
        (
            {"qrels": {"test": QRELS_HEADER + f"q1\td1\t{2**63}\n"}},
            "line 2: the grade .* beyond whole numbers",
        ),
        (
            {"qrels": {"test": QRELS_HEADER + "q1\td1\t1\nq1\td1\t2\n"}},
            "line 3: passage 'd1' is judged twice",
        ),
        ({"qrels": {"test": QRELS_HEADER}}, "test.tsv holds no judgement"),
        ({"corpus": [{"_id": "d1", "text": "a"}] * 2}, r"line 2: _id 'd1' occurs twice; .*line 1$"),
        ({"corpus": [{"_id": "d1", "title": "a"}]}, r"corpus.jsonl, line 1: field 'text' is missing"),
        ({"corpus": [{"id": "d1", "text": "a"}]}, "line 1: field '_id' is missing"),
        ({"queries": [{"_id": "q1", "text": "a"}] * 2}, r"queries.jsonl, line 2: _id 'q1' occurs twice"),
        ({"queries": [{"_id": "q1", "text": None}]}, "line 1: field 'text' is null, expected text"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        hf.load_corpus("beir", path=write_beir(tmp_path, **files), languages=["en"])


def test_what_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no corpus\.jsonl or corpus\.jsonl\.gz"):
        hf.load_corpus("beir", path=tmp_path, languages=["en"])
    write_beir(tmp_path, qrels={})
    with pytest.raises(FileNotFoundError, match=r"no qrels/<split>\.tsv"):
        hf.load_corpus("beir", path=tmp_path, languages=["en"])
    write_beir(tmp_path)
    with pytest.raises(CorpusError, match="line 1: neither the record nor its metadata names a language"):
        hf.load_corpus("beir", path=tmp_path)
    with pytest.raises(FileNotFoundError, match="beir needs a path"):
        hf.load_corpus("beir", languages=["en"])


def test_a_score_may_be_written_as_a_decimal_and_twice_and_without_header(tmp_path: Path) -> None:
    qrels = {"test": "q1\td1\t1.0\nq1\td1\t1\n\nq2\t3\t2\n"}
    corpus = hf.load_corpus("beir", path=write_beir(tmp_path, qrels=qrels), languages=["en"])
    assert corpus.qrels.grades.tolist() == [1, 2]


ABSENT = QRELS_HEADER + "q1\td1\t1\nq1\tx\t1\nq1\ty\t0\nq9\td1\t1\nq2\tz\t1\nq2\tw\t1\n"


def test_judgements_of_what_is_absent_are_refused_with_their_number(tmp_path: Path) -> None:
    write_beir(tmp_path, qrels={"test": ABSENT, "one": QRELS_HEADER + "q1\td1\t1\nq1\tx\t1\n"})
    with pytest.raises(
        CorpusError, match=r"5 of 6 judgements name .*: passage 'x', passage 'y', query 'q9' and"
    ):
        hf.load_corpus("beir", path=tmp_path, languages=["en"])
    with pytest.raises(CorpusError, match=r"one.tsv: passage 'x' is judged but is not among"):
        hf.load_corpus("beir", path=tmp_path, languages=["en"], split="one")


def test_or_dropped_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_beir(tmp_path / "b", qrels={"test": ABSENT, "gone": QRELS_HEADER + "q1\tx\t1\n"})
    corpus = hf.load_corpus("beir", path=path, languages=["en"], missing="drop")
    assert corpus.qrels.passages.tolist() == [0]
    assert corpus.dropped_judgements == 5
    assert describe(corpus).to_mapping()["dropped_judgements"] == 5
    assert mix([corpus, corpus]).dropped_judgements == 10
    arguments = ["corpus", "beir", "--path", str(path), "--languages", "en", "--missing", "drop"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    assert ended.value.code in (None, 0)
    assert json.loads(capsys.readouterr().out)["dropped_judgements"] == 5
    with pytest.raises(CorpusError, match="nothing judged is there: do these files belong together"):
        hf.load_corpus("beir", path=path, languages=["en"], split="gone", missing="drop")


def test_the_option_is_for_readers_with_judgements(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="demo has no judgements of its own"):
        hf.load_corpus("demo", missing="drop")
    with pytest.raises(CorpusError, match="missing is 'count', expected 'refuse' or 'drop'"):
        hf.load_corpus("beir", path=write_beir(tmp_path), missing="count")  # type: ignore[arg-type]  # wrong


def test_a_configuration_has_it_and_keeps_its_name_without(tmp_path: Path) -> None:
    source = SourceConfig(name="beir", path=write_beir(tmp_path, qrels={"test": ABSENT}), languages=("en",))
    assert "missing" not in to_mapping(source)
    dropping = from_mapping(SourceConfig, {**to_mapping(source), "missing": "drop"})
    assert to_mapping(dropping)["missing"] == "drop"
    assert digest(dropping) != digest(source)
    assert load_source(dropping).dropped_judgements == 5


def test_our_own_layout_has_the_option_too(tmp_path: Path) -> None:
    write_lines(tmp_path / "queries.jsonl", [{"id": "q", "language": "en", "text": "Who?"}])
    write_lines(tmp_path / "passages.jsonl", [{"id": "p", "language": "en", "text": "She."}])
    write_lines(tmp_path / "qrels.jsonl", [{"query": "q", "passage": id} for id in ("x", "p", "y")])
    with pytest.raises(CorpusError, match=r"qrels.jsonl, line 1: there is no passage with id 'x'.*2 of 3"):
        hf.load_corpus("table", path=tmp_path)
    corpus = hf.load_corpus("table", path=tmp_path, missing="drop")
    assert (corpus.qrels.passages.tolist(), corpus.dropped_judgements) == ([0], 2)
