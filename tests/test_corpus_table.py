"""Our own layout, written and read back; hub data sets go the same way."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import hybrid_fast as hf
from corpus_files import write, write_afriqa, write_lareqa, write_lines
from hybrid_fast.corpus import fingerprint, keep_languages, write_table
from hybrid_fast.errors import CorpusError


@pytest.mark.parametrize("format", ["jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("source", ["xquad-r", "afriqa"])
def test_what_is_written_is_read_back(tmp_path: Path, format: Any, source: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    corpus = (
        keep_languages(hf.load_corpus("xquad-r", path=write_lareqa(tmp_path / "x", "ar en de")), ["en", "de"])
        if source == "xquad-r"
        else hf.load_corpus("afriqa", path=write_afriqa(tmp_path / "x"))
    )
    folder = write_table(corpus, tmp_path / "table", format=format)
    again = hf.load_corpus("table", path=folder)
    assert fingerprint(again) == fingerprint(corpus)
    assert again.name == corpus.name
    assert sorted(path.name for path in folder.iterdir()) == [
        *("corpus.json", f"pairs.{format}", f"passages.{format}", f"qrels.{format}", f"queries.{format}")
    ]
    with pytest.raises(FileExistsError, match="not an empty folder"):
        write_table(corpus, folder, format=format)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def flat(path: Path, **changes: Any) -> Path:
    records: list[dict[str, Any]] = [
        {"group": "g1", "language": "eng", "query": "Who?", "passage": "She.", "document": "D"},
        {"group": "g1", "language": "swh", "query": "Nani?", "passage": "Yeye."},
        {"group": 2, "language": "en", "query": "Who?", "passage": "Another she."},
        {"group": 2, "language": "sw", "query": None, "passage": "Yeye mwingine."},
        {"group": 3, "language": "en", "query": "Which?", "passage": "She."},
    ]
    records[1].update(changes)
    return write_lines(path, records)


def test_one_flat_file_is_enough(tmp_path: Path) -> None:
    corpus = hf.load_corpus("table", path=flat(tmp_path / "questions.jsonl.gz"))
    assert corpus.name == "questions"
    assert corpus.languages == ("en", "sw")
    assert corpus.group_ids == ["g1", "2", "3"]
    assert corpus.queries.texts == ["Who?", "Nani?", "Which?"]
    assert corpus.passages.texts == ["She.", "Yeye.", "Another she.", "Yeye mwingine."]
    qrels = corpus.qrels
    assert qrels.indptr.tolist() == [0, 4, 6, 7]
    assert qrels.passages.tolist() == [0, 1, 2, 3, 0, 1, 0]
    assert len(set(corpus.cells.query_identity.tolist())) == 2
    identity = corpus.cells.passage_identity
    assert identity[0] == identity[1] == identity[4] != identity[2] == identity[3]
    assert hf.load_corpus("table", path=flat(tmp_path / "t" / "table.jsonl").parent).languages == ("en", "sw")
    split = hf.load_corpus(
        "table", path=flat(tmp_path / "s" / "dev.jsonl").parent, split="dev", languages=["sw"]
    )
    assert split.languages == ("sw",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"language": "xx"}, "line 2: unknown language code 'xx'"),
        ({"language": None}, "line 2: field 'language' is null, expected text"),
        ({"language": "en"}, "line 2: .*group 'g1' occurs twice in en"),
        ({"group": None}, "line 2: field 'group' is missing"),
        ({"query": 5}, "line 2: field 'query' is a whole number, expected text"),
        ({"query": None, "passage": ""}, "line 2: neither a query nor a passage"),
    ],
)
def test_a_wrong_flat_line_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        hf.load_corpus("table", path=flat(tmp_path / "table.jsonl", **changes))


def folder_of(tmp_path: Path, **files: list[dict[str, Any]]) -> Path:
    content: dict[str, list[dict[str, Any]]] = {
        "queries": [{"id": "q", "language": "en", "text": "Who?"}],
        "passages": [
            {"id": "p", "language": "en", "text": "She."},
            {"id": "r", "language": "en", "text": "He."},
        ],
        "pairs": [{"group": "g", "language": "en", "query": "q", "passage": "p"}],
        **files,
    }
    for stem, records in content.items():
        write_lines(tmp_path / f"{stem}.jsonl", records)
    return tmp_path


def test_grades_come_from_qrels_and_pairs_may_be_missing(tmp_path: Path) -> None:
    judged = [{"query": "q", "passage": "r", "grade": 0}, {"query": "q", "passage": "p"}]
    folder = folder_of(tmp_path, qrels=judged)
    assert hf.load_corpus("table", path=folder).qrels.grades.tolist() == [1, 0]
    (folder / "pairs.jsonl").unlink()
    corpus = hf.load_corpus("table", path=folder)
    assert (len(corpus.cells), corpus.qrels.passages.tolist()) == (0, [0, 1])
    (folder / "qrels.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match="neither pairs nor qrels"):
        hf.load_corpus("table", path=folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"queries": [{"id": "q", "language": "en"}]}, "queries.jsonl, line 1: field 'text' is missing"),
        ({"queries": [{"id": "q", "language": "en", "text": "a"}] * 2}, "line 2: id 'q' occurs twice"),
        (
            {"pairs": [{"group": "g", "language": "en", "query": "nope", "passage": "p"}]},
            "pairs.jsonl, line 1: there is no query with id 'nope'",
        ),
        ({"qrels": [{"query": "q", "passage": None}]}, "qrels.jsonl, line 1: a judgement needs both"),
        ({"qrels": [{"query": "q", "passage": "p", "grade": 0.5}]}, "'grade' is a decimal number"),
        (
            {
                "pairs": [
                    {"group": str(identity), "language": "en", "passage": "p", "passage_identity": identity}
                    for identity in (None, 1)
                ]
            },
            "some rows have a passage_identity and some have none",
        ),
    ],
)  # fmt: skip
def test_a_wrong_folder_is_named(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        hf.load_corpus("table", path=folder_of(tmp_path, **files))


def test_places_that_hold_no_table(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="table needs a path"):
        hf.load_corpus("table")
    with pytest.raises(FileNotFoundError, match=r"no queries\.jsonl"):
        hf.load_corpus("table", path=tmp_path)
    with pytest.raises(CorpusError, match=r"expected a \.jsonl"):
        hf.load_corpus("table", path=write(tmp_path / "a.csv", "x"))
    with pytest.raises(CorpusError, match="no split 'dev'"):
        hf.load_corpus("table", path=tmp_path, split="dev")
    write(folder_of(tmp_path) / "corpus.json", json.dumps({"version": 9, "name": "x"}))
    with pytest.raises(CorpusError, match="version 9 of the layout"):
        hf.load_corpus("table", path=tmp_path)
    pytest.importorskip("pyarrow")
    with pytest.raises(CorpusError, match="not a Parquet file"):
        hf.load_corpus("table", path=write(tmp_path / "t.parquet", "PAR1 no"))


def test_a_hub_data_set_from_a_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"frage": f"Frage {n}?", "antwort": f"Antwort {n}.", "sprache": "deu"} for n in range(3)]
    write_lines(tmp_path / "set" / "train.jsonl", rows)
    load = {"path": None, "repository": str(tmp_path / "set"), "split": "train"}
    corpus = hf.load_corpus("hub", columns=["frage", "antwort", "sprache"], **load)  # type: ignore[arg-type]  # mixed values
    assert corpus.languages == ("de",)
    assert corpus.cells.passage.tolist() == [0, 1, 2]
    two = hf.load_corpus("hub", columns=["frage", "antwort"], languages=["de"], **load)  # type: ignore[arg-type]  # mixed values
    assert fingerprint(two) == fingerprint(corpus)
    with pytest.raises(CorpusError, match="give the one language"):
        hf.load_corpus("hub", columns=["frage", "antwort"], **load)  # type: ignore[arg-type]  # mixed values
    with pytest.raises(CorpusError, match="has the columns frage, antwort, sprache"):
        hf.load_corpus("hub", columns=["question", "antwort"], languages=["de"], **load)  # type: ignore[arg-type]  # mixed values
    with pytest.raises(CorpusError, match="has the columns frage, antwort, sprache"):
        hf.load_corpus("hub", **load)  # type: ignore[arg-type]  # mixed values


def test_a_hub_data_set_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'a/b' on the Hub (offline)\nmore")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(
        CorpusError, match=r"cannot load 'a/b' .*Couldn't reach 'a/b' on the Hub \(offline\); check"
    ):
        hf.load_corpus("hub", repository="a/b")
    with pytest.raises(CorpusError, match="give repository"):
        hf.load_corpus("hub")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="needs datasets"):
        hf.load_corpus("hub", repository="a/b")


@pytest.mark.parametrize(
    ("row", "column", "found"),
    [
        ({"question": None}, "question", "None"),
        ({"question": ""}, "question", "''"),
        ({"answer": None}, "answer", "None"),
        ({"answer": "  "}, "answer", "'  '"),
    ],
)
def test_a_hub_row_without_a_text_is_named_with_its_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], column: str, found: str
) -> None:
    check_hub_row(tmp_path, monkeypatch, row, column, found)


@pytest.mark.parametrize("found", [["a", "b"], [1], {"a": 1}])
def test_a_hub_column_of_lists_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    message = r"row 0 \(from 0\), column 'answer': the passage is .*, expected a text"
    with pytest.raises(CorpusError, match=message):
        load_hub(tmp_path, monkeypatch, [{"question": "q", "answer": found}])


def check_hub_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], column: str, found: str
) -> None:
    rows = [{"question": "q", "answer": "a"}, {"question": "q", "answer": "a", **row}]
    with pytest.raises(
        CorpusError, match=rf"row 1 \(from 0\), column '{column}': the .* is {found}, expected a text"
    ):
        load_hub(tmp_path, monkeypatch, rows)


def load_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> Any:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_lines(tmp_path / "set" / "train.jsonl", rows)
    return hf.load_corpus(
        "hub", repository=str(tmp_path / "set"), columns=["question", "answer"], languages=["en"]
    )


@pytest.mark.parametrize("value", [["a"], [], {"a": "b"}, 3, 1.5])
@pytest.mark.parametrize("column", ["query", "passage"])
@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_columns_of_something_else_are_named_in_our_layout(
    tmp_path: Path, value: Any, column: str, format: str
) -> None:
    record = {"group": "g", "language": "en", "query": "q", "passage": "p", column: value}
    path = write_lines(tmp_path / "t.jsonl", [record])
    if format == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        path = tmp_path / "t.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([record]), path)
    where = "line 1" if format == "jsonl" else "row 1"
    with pytest.raises(CorpusError, match=rf"{where}: field '{column}' is .*, expected text"):
        hf.load_corpus("table", path=path)


def test_a_parquet_text_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    raw = pyarrow.array([b"ok", b"\xed\xa0\xbd"], pyarrow.binary())
    texts = pyarrow.StringArray.from_buffers(2, raw.buffers()[1], raw.buffers()[2])
    columns = {"group": ["1", "2"], "language": ["en"] * 2, "query": texts, "passage": ["p", "r"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    with pytest.raises(CorpusError, match=r"t.parquet, after row 0: a text is not UTF-8"):
        hf.load_corpus("table", path=tmp_path / "t.parquet")
