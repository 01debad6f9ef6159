"""``hybrid-fast measure`` on files: what it prints and writes, and one sentence for bad input."""

from __future__ import annotations

import csv
import gzip
import json

import pytest

import hybrid_fast as hf
from hybrid_fast.cli import main

RUN = "".join(f"{query} Q0 d{row} {row} {9 - row // 2} t\n" for query in "123" for row in range(8))
QRELS = "# judged in 2020\n1 0 d3 2\n1 0 d1 0\n2 0 d0 1\n2 0 d7 1\n9 0 d1 1\n"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["measure", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.trec").write_text(RUN)
    (tmp_path / "qrels.trec").write_text(QRELS)
    with gzip.open(tmp_path / "run.gz", "wt") as file:
        file.write(RUN)
    return tmp_path


def printed(capsys) -> dict[str, str]:
    out, err = capsys.readouterr()
    assert err == ""
    return dict(line.split("  ", 1) for line in map(str.strip, out.splitlines()) if line)


@pytest.mark.parametrize("width", ["20", "80", "200"])
def test_means_are_whole_at_every_width(files, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    names = ["AP", "nDCG(gains={1:1,2:3})@10", "P(rel=2)@5", "iprec_at_recall_0.10", "SetP", "NumRet", "NumQ"]
    assert run("run.trec", "qrels.trec", "--measures", *names) == 0
    shown = {name: value.strip() for name, value in printed(capsys).items()}
    expected = hf.measure_run("run.trec", "qrels.trec", names).mean
    counts = {name: f"{expected[name]:.0f} in all" for name in ("NumRet", "NumQ")}
    assert shown == {name: f"{mean:.4f}" for name, mean in expected.items()} | counts | {"queries": "3"}


def test_options_are_those_of_measure_run(files, capsys):
    options = {"ties": "worst", "queries": "run", "ignore_identical_ids": True}
    given = ("--ties", "worst", "--queries", "run", "--ignore-identical-ids")
    assert run("run.gz", "qrels.trec", "--measures", "RR", "AP", *given, "--json", "out.json") == 0
    assert printed(capsys)["queries"].strip() == "2"
    found = json.loads((files / "out.json").read_text())
    expected = hf.measure_run("run.trec", "qrels.trec", ["RR", "AP"], **options)
    assert found == {
        "run": "run.gz", "qrels": "qrels.trec", **options, "number_of_queries": 2, "means": expected.mean,
    }  # fmt: skip


def test_json_on_standard_output_stands_alone(files, capsys):
    assert run("run.trec", "qrels.trec", "--measures", "RR", "--json", "-") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["means"] == hf.measure_run("run.trec", "qrels.trec", ["RR"]).mean
    assert not (files / "-").exists()


@pytest.mark.parametrize(("name", "delimiter"), [("out.csv", ","), ("sub/out.TSV", "\t")])
def test_values_of_every_query(files, capsys, name, delimiter):
    names = ["RR", "P(rel=2,judged_only=True)@3"]
    assert run("run.trec", "qrels.trec", "--measures", *names, "--per-query", name) == 0
    with (files / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    found = hf.measure_run("run.trec", "qrels.trec", names)
    assert rows[0] == ["query_id", *names]
    assert [row[0] for row in rows[1:]] == list(found.query_ids) == ["1", "2", "9"]
    for place, measure in enumerate(names, start=1):
        assert [float(row[place]) for row in rows[1:]] == found.per_query[measure].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone", "qrels.trec"), "No such file or directory: gone"),
        (("run.trec", "gone"), "No such file or directory: gone"),
        (("run.trec", "run.trec"), "run.trec, line 1: 6 fields, expected 4"),
        (("qrels.trec", "qrels.trec"), "qrels.trec, line 2: 4 fields, expected 6"),
        (("run.trec", "empty"), "the qrels empty hold no documents"),
        (
            ("run.trec", "other"),
            "no query of the run is in the qrels: the run has '1', '2', '3', the qrels have 'x'",
        ),
        (("run.trec", "qrels.trec", "--measures", "nDGC@10"), "did you mean 'nDCG@10'?"),
        (("gone", "gone", "--measures", "nDGC@10"), "did you mean 'nDCG@10'?"),
        (("run.trec", "qrels.trec", "--ties", "best"), "best"),
        (
            ("run.trec", "qrels.trec", "--per-query", "out.txt"),
            "--per-query is out.txt, expected a name that ends",
        ),
        (("run.trec", "qrels.trec", "--per-query", "folder.csv"), "which is a folder; give a file"),
        (("run.trec", "qrels.trec", "--json", "folder.csv"), "which is a folder; give a file"),
        (("run.trec", "qrels.trec", "--json=run.trec"), "--json is run.trec, which the command reads"),
        (("run.trec", "judged.tsv", "--per-query", "./judged.tsv"), "--per-query is judged.tsv, which the"),
        (("run.trec", "wide"), "wide holds zero bytes, as UTF-16 text and binary files do"),
        (("run.trec", "wide.json"), "wide.json is UTF-16 text"),
        (
            ("run.trec", "qrels.trec", "--measures", "Max@R", "--json", "o"),
            "needs the rank of every relevant document",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(files, capsys, arguments, message):
    (files / "empty").write_text("")
    (files / "other").write_text("x 0 d1 1\n")
    (files / "folder.csv").mkdir()
    (files / "judged.tsv").write_text("1 0 d1 1\n")
    (files / "wide").write_text("1 0 d1 1\n", encoding="utf-16-le")
    (files / "wide.json").write_text('{"1": {"d1": 1}}', encoding="utf-16")
    before = sorted(files.iterdir())
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert sorted(files.iterdir()) == before
