"""Runs and qrels as people have them: formats, frames, records, types of ids; and what is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import hybrid_fast as hf
from hybrid_fast.errors import CorpusError, InvalidArgument, NotANumber
from hybrid_fast.measures import read_qrels, read_run

RUN = {"1": {"a": 3.0, "b": 2.5}, "2": {"b": -1.0}}
QRELS = {"1": {"a": 1, "c": 0}, "2": {"b": 2}}
TREC_RUN = "1 Q0 a 1 3.0 t\n1 Q0 b 2 2.5 t\n2 Q0 b 1 -1.0 t\n"
TREC_QRELS = "1 0 a 1\n1 0 c 0\n2 0 b 2\n"


@pytest.mark.parametrize(
    "text",
    [
        TREC_RUN,
        TREC_RUN.replace("\n", "\r\n"),
        TREC_RUN.replace("\n", "\r"),
        "\ufeff" + TREC_RUN,
        TREC_RUN.replace(" ", "\t"),
        TREC_RUN.replace("\n", "\n\n \t \n"),
        "# made in 2020\n#\n" + TREC_RUN + "   # the end 1 2 3\n",
        TREC_RUN.replace(" t\n", " t with further words 3\n"),
        TREC_RUN.rstrip("\n"),
        "  " + TREC_RUN.replace("3.0", "+3e0"),
        "qid iter docno rank score tag\n" + TREC_RUN,
        json.dumps(RUN),
        "\ufeff" + json.dumps(RUN, indent=1),
    ],
)
def test_runs_in_every_dress_are_one(tmp_path, text):
    path = tmp_path / "run"
    path.write_bytes(text.encode())
    assert read_run(path) == read_run(str(path)) == RUN
    for name, opened in (("r.gz", gzip.open), ("r.bz2", bz2.open), ("r.xz", lzma.open), ("bare", gzip.open)):
        with opened(tmp_path / name, "wb") as file:
            file.write(text.encode())
        assert read_run(tmp_path / name) == RUN
    assert read_run(io.StringIO(text)) == read_run(io.BytesIO(text.encode())) == RUN
    assert read_run(io.BytesIO(gzip.compress(text.encode()))) == RUN
    with path.open(encoding="utf-8") as file:
        assert read_run(file) == RUN
    with path.open("rb", buffering=0) as file:
        assert read_run(file) == RUN
    with gzip.open(tmp_path / "r.gz", "rt", encoding="utf-8") as file:
        assert read_run(file) == RUN


@pytest.mark.parametrize(
    "text",
    [
        TREC_QRELS,
        "# judged in 2020\n" + TREC_QRELS,
        "# judged by three people\n" + TREC_QRELS,
        "\ufeff# four words and 1\r\n\r\n" + TREC_QRELS.replace("\n", "\r\n"),
        TREC_QRELS.replace(" 1\n", " 1.0\n").replace(" 2\n", " 2e0\n"),
        TREC_QRELS.replace(" ", "\t"),
        "query-id\tcorpus-id\tscore\n1\ta\t1\n1\tc\t0\n2\tb\t2\n",
        "topic iteration docno relevance\n" + TREC_QRELS,
        json.dumps(QRELS),
        json.dumps({"1": {"a": 1.0, "c": 0}, "2": {"b": 2}}),
    ],
)
def test_qrels_in_every_dress_are_one(tmp_path, text):
    path = tmp_path / "qrels"
    path.write_bytes(text.encode())
    found = read_qrels(path)
    assert found == QRELS
    assert {type(grade) for row in found.values() for grade in row.values()} == {int}
    assert read_qrels(io.BytesIO(bz2.compress(text.encode()))) == QRELS


def test_ms_marco_runs_hold_ranks(tmp_path):
    (tmp_path / "run.tsv").write_text("7\t30\t2\n7\t10\t1\n8\t10\t1\n7\t20\t3\n")
    (tmp_path / "qrels.tsv").write_text("7\t0\t20\t1\n8\t0\t10\t1\n")
    assert read_run(tmp_path / "run.tsv") == {"7": {"30": -2, "10": -1, "20": -3}, "8": {"10": -1}}
    found = hf.measure_run(tmp_path / "run.tsv", tmp_path / "qrels.tsv", ["MRR@10"])
    assert found.per_query["MRR@10"].tolist() == [1 / 3, 1.0]
    (tmp_path / "named.tsv").write_text("qid\tpid\trank\n7\t30\t2\n7\t10\t1\n")
    assert read_run(tmp_path / "named.tsv") == {"7": {"30": -2, "10": -1}}
    for text, message in (
        ("7 30 14\n7 10 12\n", "the ranks of query 7 do not count from 1"),
        ("7 30 1\n7 10 1\n", "the ranks of query 7 do not count from 1"),
        ("7 30 12.5\n", "line 1: '12.5' is not a rank from 1; a run with scores has six columns"),
        ("7 30 0\n", "line 1: '0' is not a rank from 1"),
    ):
        (tmp_path / "run.tsv").write_text(text)
        with pytest.raises(CorpusError, match=message):
            read_run(tmp_path / "run.tsv")


def rows_of(table):
    return [(query, document, value) for query, row in table.items() for document, value in row.items()]


NAMES = [
    ("query_id", "doc_id"),
    ("qid", "docno"),
    ("q_id", "doc_id"),
    ("query-id", "corpus-id"),
    ("qid", "pid"),
]


@pytest.mark.parametrize(("query", "document"), NAMES)
@pytest.mark.parametrize("number", [False, True])
def test_frames_of_every_library(tmp_path, query, document, number):
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    from pyarrow import parquet

    run = {"1": {"5": 3.0, "6": 2.5}, "2": {"6": -1.0}}
    qrels = {"1": {"5": 1, "7": 0}, "2": {"6": 2}}
    kind = int if number else str
    for table, value, read in (
        (run, "score", read_run),
        (qrels, "relevance", read_qrels),
        (qrels, "label", read_qrels),
        (qrels, "score", read_qrels),
    ):
        columns = {
            query: [kind(row[0]) for row in rows_of(table)],
            "text": ["x"] * len(rows_of(table)),
            document: [kind(row[1]) for row in rows_of(table)],
            value: [row[2] for row in rows_of(table)],
        }
        frame = pandas.DataFrame(columns)
        assert read(frame) == table
        assert read(frame.astype({query: "category", document: "string"})) == table
        assert read(arrow.table(columns)) == table
        parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
        assert read(tmp_path / "t.parquet") == table
        assert read(io.BytesIO((tmp_path / "t.parquet").read_bytes())) == table
        if number:
            assert read(frame.astype({query: "float64", document: "float32"})) == table
            assert read(frame.astype({query: "Int64"})) == table
        with pytest.raises(InvalidArgument, match="lacks a column query_id or qid or q_id; it has text"):
            read(frame[["text"]])


def test_polars_frames():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"qid": [1, 1, 2], "docno": ["a", "b", "b"], "score": [3.0, 2.5, -1.0]})
    assert read_run(frame) == read_run(frame.lazy()) == RUN


def test_records_of_every_kind():
    ir_measures = pytest.importorskip("ir_measures")

    @dataclass
    class Judged:
        qid: int
        docno: str
        relevance: int

    @dataclass
    class Slotted:
        __slots__ = ("doc_id", "query_id", "score")
        query_id: str
        doc_id: str
        score: float

    assert read_qrels(Judged(int(q), d, g) for q, d, g in rows_of(QRELS)) == QRELS
    assert read_run([Slotted(*row) for row in rows_of(RUN)]) == RUN
    assert read_run([{"qid": q, "docno": d, "score": s} for q, d, s in rows_of(RUN)]) == RUN
    assert read_run(ir_measures.read_trec_run(io.StringIO(TREC_RUN))) == RUN
    assert read_qrels(ir_measures.read_trec_qrels(io.StringIO(TREC_QRELS))) == QRELS
    with pytest.raises(InvalidArgument, match="record 1 of the qrels lacks query_id, doc_id or relevance"):
        read_qrels([Judged(1, "a", 1), ("1", "b", 1)])


def test_sets_of_documents_are_qrels_of_grade_1():
    assert read_qrels({1: {10, "9"}, "2": frozenset("a")}) == {"1": {"10": 1, "9": 1}, "2": {"a": 1}}
    with pytest.raises(
        TypeError, match=r"query '1' of the qrels has list, expected \{document: grade\} or a set"
    ):
        read_qrels({1: [10, 9]})
    with pytest.raises(TypeError, match=r"query '1' of the run has set, expected \{document: score\}"):
        read_run({1: {10, 9}})


@pytest.mark.parametrize("one", ["1", 1, 1.0, np.int8(1), np.float32(1), np.str_("1"), b"1"])
@pytest.mark.parametrize("other", ["1", 1, 1.0, np.uint64(1)])
def test_ids_are_text_whatever_they_come_as(one, other):
    assert hf.measure_run({one: {one: 2.0}}, {other: {other: 1}}, ["RR"]).mean["RR"] == 1.0
    found = hf.measure_run({"q": {one: 1.0, "0": 1.0}}, {"q": {other: 1}}, ["RR"])
    assert found.mean["RR"] == 1.0
    if one != other:
        with pytest.raises(InvalidArgument, match="holds document '1' twice for query 'q'"):
            hf.measure_run({"q": {one: 1.0, other: 1.0}}, {"q": {"1": 1}}, ["RR"])


def test_text_that_looks_like_a_number_stays_text():
    assert read_run({"01": {"1.0": 1.0, "1": 2.0, "1e0": 3.0}}) == {"01": {"1.0": 1.0, "1": 2.0, "1e0": 3.0}}
    assert read_run({2**70: {-3: 1.0, -0.0: 2.0}}) == {str(2**70): {"-3": 1.0, "0": 2.0}}


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({None: {"a": 1.0}}, "a query of the run is missing"),
        ({"q": {math.nan: 1.0}}, "a document of query 'q' is missing"),
        ({"q": {1.5: 1.0}}, "a document of query 'q' is 1.5, expected text or a whole number"),
        ({"q": {math.inf: 1.0}}, "a document of query 'q' is inf"),
        ({True: {"a": 1.0}}, "a query of the run is True, expected text or a whole number"),
        ({("q", 1): {"a": 1.0}}, "a query of the run is .*, expected text"),
        ({"q": {10**5000: 1.0}}, "a number of more than 40 digits; give such ids as text"),
        ({"q": {b"\xff": 1.0}}, "not UTF-8"),
        ({1: {"a": 1.0}, "1": {"b": 1.0}}, "the run holds query '1' twice"),
        ({"q": None}, "query 'q' of the run has NoneType"),
        ({"q": {"a": None}}, "the score of document 'a' for query 'q' is missing"),
        ({"q": {"a": "2.0"}}, "the score of document 'a' for query 'q' is '2.0', expected a number"),
        ({"q": {"a": [1.0]}}, "expected a number"),
        ({"q": {"a": math.nan}}, "the score of document 'a' for query 'q' is NaN"),
        (None, "the run is NoneType, expected"),
        (5, "the run is int, expected"),
        (b"run.trec", "the run is bytes, expected"),
        ({"q", "r"}, "record 0 of the run lacks"),
    ],
)
def test_a_run_that_is_none_is_one_sentence(run, message):
    with pytest.raises((InvalidArgument, TypeError, NotANumber), match=message) as raised:
        hf.measure_run(run, QRELS, ["AP"])
    assert len(str(raised.value)) < 300
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("grade", "message"),
    [
        (2**63, "beyond int64"),
        (-(2**63) - 1, "beyond int64"),
        (1e19, "beyond int64"),
        pytest.param(10**5000, "a number of about 5,000 digits, which is beyond int64", id="digits"),
        (0.5, "is 0.5, expected a whole number"),
        (math.inf, "is inf, expected a whole number"),
        (math.nan, "is missing"),
        (None, "is missing"),
        (True, "is True, expected a whole number"),
        ("1", "is '1', expected a whole number"),
        ([1], "expected a whole number"),
    ],
)
def test_a_grade_that_is_none_is_one_sentence(grade, message):
    with pytest.raises(
        (InvalidArgument, TypeError), match=f"the grade of document 'd' for query 'q'.*{message}"
    ):
        hf.measure_run({"q": {"d": 1.0}}, {"q": {"d": grade}}, ["AP"])


@pytest.mark.parametrize("whole", [2.0, np.float16(2), np.int64(2), np.uint8(2)])
def test_grades_that_are_whole(whole):
    assert read_qrels({"q": {"d": whole}}) == {"q": {"d": 2}}
    assert hf.measure(hf.Ranks([0, 1], [1]), ["nDCG"], grades=[whole]).mean == {"nDCG": 1.0}


def test_columns_with_gaps_name_the_row():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"qid": [1, 2, 3], "docno": ["a", None, "b"], "score": [1.0, 2.0, 3.0]})
    with pytest.raises(InvalidArgument, match="docno of row 1 of the run is missing"):
        read_run(frame)
    frame = pandas.DataFrame({"qid": [1, None, 3], "docno": ["a", "b", "c"], "score": [1.0, 2.0, 3.0]})
    with pytest.raises(InvalidArgument, match="qid of row 1 of the run is missing"):
        read_run(frame)
    frame = pandas.DataFrame({"qid": [1, 2], "docno": [["a"], ["b"]], "score": [1.0, 2.0]})
    with pytest.raises(TypeError, match=r"docno of row 0 of the run is \['a'\], expected text"):
        read_run(frame)
    frame = pandas.DataFrame({"qid": [1, 2], "docno": ["a", "b"], "relevance": [1.0, None]})
    with pytest.raises(InvalidArgument, match="the grade of document 'b' for query '2' is missing"):
        read_qrels(frame)


def test_what_shares_nothing_or_is_empty_is_an_error(tmp_path):
    (tmp_path / "empty").write_text("")
    (tmp_path / "comments").write_text("# nothing\n\n")
    scored = namedtuple("Scored", "query_id doc_id score")
    spent = iter([scored("1", "a", 1.0)])
    assert hf.measure_run(spent, QRELS, ["RR"]).mean["RR"] == 0.5
    closed_in_on = io.StringIO(TREC_RUN)
    closed_in_on.read()
    for run, message in (
        ({}, "the run holds no documents"),
        ({"1": {}}, "the run holds no documents"),
        ([], "the run holds no documents"),
        (tmp_path / "empty", "the run .*empty holds no documents"),
        (tmp_path / "comments", "the run .*comments holds no documents"),
        (spent, r"the run holds no documents \(it may have been read to its end before"),
        (closed_in_on, r"the run holds no documents \(it may have been read to its end before"),
        (
            {"x": {"a": 1.0}, 5: {"a": 1.0}},
            "no query of the run is in the qrels: the run has 'x', '5', the qrels",
        ),
    ):
        with pytest.raises(InvalidArgument, match=message):
            hf.measure_run(run, QRELS, ["RR"])
    for qrels in ({}, {"1": {}}, [], tmp_path / "empty"):
        with pytest.raises(InvalidArgument, match=r"the qrels.* hold no documents"):
            hf.measure_run(RUN, qrels, ["RR"])


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("run", "1 Q0 a 1 " + "9" * 5000 + "x t", "line 1: '9{40,}'… .* is not a score"),
        ("run", "1 Q0 a 1 1_0 t", "'1_0' is not a score"),
        ("qrels", "1 0 a 9223372036854775808", "line 1: the grade '9223372036854775808' is beyond int64"),
        ("qrels", "1 0 a 1e300", "line 1: the grade '1e300' is beyond int64"),
        ("qrels", "1 0 a " + "9" * 5000, "line 1: '9{40,}'… .* is not a whole number"),
        ("qrels", "1 0 a nan", "'nan' is not a whole number"),
        ("qrels", "1 0 a 1_0", "'1_0' is not a whole number"),
        ("qrels", "1 0 a 1\n1 0 a 1", "line 2: document a comes twice for query 1"),
        (
            "qrels",
            f"1 0 {'a' * 900} 1\n1 0 {'a' * 900} 1",
            "line 2: document 'a{40,60}'… .* comes twice",
        ),
        ("qrels", "1 a 1", r"line 1: 3 fields, expected 4 \(query 0 document grade\)"),
        ("qrels", TREC_QRELS.encode("utf-16"), "is UTF-16 text, .*; save it as UTF-8"),
        ("run", b"1 Q0 \xff 1 2 t", "line 1: not UTF-8"),
        ("run", b"\x28\xb5\x2f\xfdxxxx", "compressed by zstd; decompress it first"),
        ("run", b"PK\x03\x04xxxxxxxx", "compressed by zip"),
        ("run", gzip.compress(TREC_RUN.encode())[:-9], "compressed data is damaged or cut short"),
        ("run", bz2.compress(TREC_RUN.encode())[:-9], "compressed data is damaged or cut short"),
        ("run", b"PAR1xxxxPAR1", "is a damaged Parquet file"),
        ("run", "{" * 5, "line 1: malformed JSON"),
        ("run", '{"q": ' * 5000, "JSON"),
        ("run", '{"q": 5}', "query 'q' of the run has int"),
        ("run", '{"q": {"d": NaN}}', "the score of document 'd' for query 'q'"),
        ("run", '{"q": {"d": 1, "d": 2}}', "'d' comes twice"),
        ("run", "[1, 2]", r"expected a JSON object \{query: \{document: score\}\}"),
        ("qrels", '{"q": {"d": ' + "9" * 5000 + "}}", "too long"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "bytes",
)
def test_a_malformed_file_is_one_sentence(tmp_path, kind, content, message):
    path = tmp_path / "broken"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CorpusError, match=message) as raised:
        (read_run if kind == "run" else read_qrels)(path)
    assert "broken" in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_line_without_end_is_refused_before_it_is_held(tmp_path):
    path = tmp_path / "run.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"1 Q0 a 1 2 t\n1 Q0 ")
        for _ in range(200):
            file.write(b"x" * (1 << 20))
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(CorpusError, match=r"run\.gz, line 2: longer than 1,048,576 bytes"):
        read_run(path)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_lines_may_break_anywhere_in_a_chunk(monkeypatch):
    monkeypatch.setattr("hybrid_fast.measures.streams._CHUNK", 3)
    for text in (TREC_RUN, TREC_RUN.replace("\n", "\r\n"), TREC_RUN.replace("\n", "\r"), "\n\n" + TREC_RUN):
        assert read_run(io.BytesIO(text.encode())) == RUN
    with pytest.raises(CorpusError, match="line 3: 2 fields"):
        read_run(io.StringIO("1 Q0 a 1 3.0 t\r\n\r\n1 b\r\n"))
