"""``hybrid-fast search`` on files: what it writes, prints and refuses."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

import hybrid_fast as hf
from hybrid_fast.cli import main


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["search", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(8)
    q, p = rng.standard_normal((6, 12)).astype("f4"), rng.standard_normal((50, 12)).astype("f2")
    np.save(tmp_path / "q.npy", q)
    np.save(tmp_path / "p.npy", p)
    (tmp_path / "golds.txt").write_text("3 4\n\n1\n2\n0\n49\n")
    return tmp_path, q, p


def test_ids_scores_and_ranks_are_written(files, capsys):
    folder, q, p = files
    out = folder / "new" / "run.npz"
    golds = [[3, 4], [], [1], [2], [0], [49]]
    paths = ("--queries", folder / "q.npy", "--passages", folder / "p.npy", "--k", 7, "--out", out)
    assert run(*paths, "--positives", folder / "golds.txt", "--measures", "AP") == 0
    written, expected = np.load(out), hf.search(q, p, 7, positives=golds)
    assert (written["ids"] == expected.ids).all()
    assert (written["scores"] == expected.scores).all()
    assert (written["ranks"] == expected.ranks.values).all()
    assert written["indptr"].tolist() == [0, 2, 2, 3, 4, 5, 6]
    printed = capsys.readouterr().out
    assert f"{hf.measure(expected.ranks, ['AP']).mean['AP']:.4f}" in printed
    assert "6 queries × 7 passages written" in printed
    assert run(*paths) == 0
    assert sorted(np.load(out)) == ["ids", "scores"]
    assert [path.name for path in out.parent.iterdir()] == ["run.npz"]


def test_several_files_are_the_shards_of_one_corpus(files, capsys):
    folder, q, p = files
    np.save(folder / "first.npy", p[:20])
    np.save(folder / "second.npy", p[20:])
    out = folder / "run.npz"
    shards = ("--passages", folder / "first.npy", folder / "second.npy", "--precision", "f32")
    golds = ("--positives", folder / "golds.txt", "--device", "cpu")
    assert run("--queries", folder / "q.npy", *shards, *golds, "--k", 9, "--out", out) == 0
    written = np.load(out)
    expected = hf.search(q, p, 9, positives=[[3, 4], [], [1], [2], [0], [49]])
    assert (written["ids"] == expected.ids).all()
    assert (written["scores"] == expected.scores).all()
    assert (written["ranks"] == expected.ranks.values).all()
    (folder / "search.toml").write_text(
        f'queries = "{folder}/q.npy"\npassages = ["{folder}/first.npy", "{folder}/second.npy"]\nk = 3\n'
    )
    assert run("--config", folder / "search.toml", "--out", out) == 0
    assert (np.load(out)["ids"] == expected.ids[:, :3]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "tpu"), "device is 'tpu', expected 'cpu', 'cuda' or 'cuda:<number>'"),
        (("--device", "cuda:99"), "device='cuda:99'"),
        (("--precision", "int8"), "precision is 'int8', expected one of auto, f32"),
        (("--passages", "p.npy", "gone.npy"), "No such file or directory: gone.npy"),
        (("--passages", "p.npy", "q.txt"), "q.txt is no NumPy file"),
        (("--passages", "p.npy", "wide.npy"), "queries have 12 dimensions, passages of shard 1 have 13"),
        (("--passages",), "passages is empty, expected a matrix or the matrices of a corpus's shards"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(files, capsys, monkeypatch, options, message):
    folder, _, _ = files
    monkeypatch.chdir(folder)
    (folder / "q.txt").write_text("text")
    np.save("wide.npy", np.ones((3, 13), dtype="f4"))
    given = options if "--passages" in options else ("--passages", "p.npy", *options)
    assert run("--queries", "q.npy", *given, "--out", "run.npz") == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in error
    assert not (folder / "run.npz").exists()


def test_ctrl_c_writes_nothing(files, monkeypatch):
    folder, _, _ = files
    before = sorted(folder.iterdir())

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hybrid_fast.searching.search_over", interrupted)
    paths = ("--queries", folder / "q.npy", "--passages", folder / "p.npy", "--out", folder / "run.npz")
    assert run(*paths) == 130
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "q.npy").unlink(), "q.npy"),
        (lambda folder: (folder / "q.npy").write_text("no array"), "is no NumPy file (.npy); write it"),
        (
            lambda folder: (folder / "p.npy").write_bytes((folder / "p.npy").read_bytes()[:-9]),
            "whole NumPy file",
        ),
        (lambda folder: np.save(folder / "q.npy", np.ones((6, 12))), "queries is float64"),
        (lambda folder: np.save(folder / "q.npy", np.ones((6, 5), dtype="f4")), "queries have 5 dimensions"),
        (lambda folder: (folder / "golds.txt").write_text("1\n2 x\n"), "line 2"),
        (
            lambda folder: (folder / "golds.txt").write_text("1\n"),
            "golds.txt has 1 lines, and there are 6",
        ),
        (lambda folder: np.save(folder / "q.npy", np.full((6, 12), np.nan, dtype="f4")), "NaN"),
    ],
)
def test_bad_files_are_one_sentence_and_nothing_is_written(files, capsys, spoil, message):
    folder, _, _ = files
    spoil(folder)
    out = folder / "run.npz"
    code = run(
        "--queries",
        folder / "q.npy",
        "--passages",
        folder / "p.npy",
        "--positives",
        folder / "golds.txt",
        "--out",
        out,
    )
    error = capsys.readouterr().err
    assert code == 2
    assert message in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in error
    assert not out.exists()


def values_of(printed: str) -> dict[str, str]:
    return dict(line.split()[:2] for line in printed.splitlines() if len(line.split()) >= 2)


@pytest.fixture
def judged(files):
    """Files with qrels of rows, and of names with the names of the rows."""
    folder, q, p = files
    golds = {0: {3: 2, 4: 1, 9: 0}, 2: {1: 1}, 5: {49: 3}}
    lines = [(query, passage, grade) for query, row in golds.items() for passage, grade in row.items()]
    (folder / "qrels.txt").write_text("# judged\n" + "".join(f"{q} 0 {p} {g}\n" for q, p, g in lines))
    (folder / "named.txt").write_text("".join(f"q-{q} 0 d-{p} {g}\n" for q, p, g in lines) + "q-x 0 d-1 1\n")
    (folder / "queries.ids").write_text("".join(f"q-{row}\n" for row in range(6)))
    (folder / "passages.ids").write_text("\ufeff" + "".join(f"d-{row}\r\n" for row in range(50)))
    return folder, q, p, golds


def test_positives_may_be_qrels(judged, capsys, monkeypatch):
    folder, q, p, golds = judged
    monkeypatch.chdir(folder)
    names = ("nDCG@10", "RR", "Bpref", "P(rel=2)@5")
    paths = ("--queries", "q.npy", "--passages", "p.npy", "--out", "run.npz", "--measures", *names)
    expected = hf.measure(
        hf.search(q[[0, 2, 5]], p, 1, positives=[list(row) for row in golds.values()]).ranks,
        names,
        grades=[grade for row in golds.values() for grade in row.values()],
    ).mean
    named = ("--positives", "named.txt", "--query-ids", "queries.ids", "--passage-ids", "passages.ids")
    for given in (
        ("--positives", "qrels.txt"),
        ("--positives", "qrels.txt", "--positives-format", "qrels"),
        named,
    ):
        assert run(*paths, *given) == 0
        printed = values_of(capsys.readouterr().out)
        assert {name: printed[name] for name in names} == {name: f"{expected[name]:.4f}" for name in names}
        assert printed["queries"] == "3"
        written = np.load("run.npz")
        assert written["positives"].tolist() == [3, 4, 9, 1, 49]
        assert written["grades"].tolist() == [2, 1, 0, 1, 3]
        assert written["indptr"].tolist() == [0, 3, 3, 4, 4, 4, 5]


def test_names_of_rows_of_several_shards(judged, capsys, monkeypatch):
    folder, _, p, _ = judged
    monkeypatch.chdir(folder)
    np.save("a.npy", p[:20])
    np.save("b.npy", p[20:])
    lines = (folder / "passages.ids").read_text(encoding="utf-8-sig").splitlines()
    (folder / "a.ids").write_text("\n".join(lines[:20]))
    (folder / "b.ids").write_text("\n".join(lines[20:]))
    whole = ("--queries", "q.npy", "--query-ids", "queries.ids", "--positives", "named.txt", "--k", 3)
    assert run(*whole, "--passages", "p.npy", "--passage-ids", "passages.ids", "--out", "whole.trec") == 0
    first = capsys.readouterr().out.replace("whole", "")
    parts = ("--passages", "a.npy", "b.npy", "--passage-ids", "a.ids", "b.ids")
    assert run(*whole, *parts, "--out", "parts.trec") == 0
    assert capsys.readouterr().out.replace("parts", "") == first
    assert (folder / "whole.trec").read_bytes() == (folder / "parts.trec").read_bytes()


@pytest.mark.parametrize("ending", [".trec", ".run", ".txt", ".TREC"])
def test_a_trec_run_is_one_that_measure_reads(judged, capsys, monkeypatch, ending):
    folder, q, p, golds = judged
    monkeypatch.chdir(folder)
    out = f"found{ending}"
    paths = ("--queries", "q.npy", "--passages", "p.npy", "--k", 50, "--out", out)
    assert run(*paths, "--query-ids", "queries.ids", "--passage-ids", "passages.ids") == 0
    expected = hf.search(q, p, 50)
    lines = [line.split() for line in (folder / out).read_text().splitlines()]
    assert [line[2] for line in lines] == [f"d-{row}" for row in expected.ids.ravel()]
    assert [np.float32(line[4]) for line in lines] == expected.scores.ravel().tolist()
    assert lines[0][:2] == ["q-0", "Q0"]
    measured = hf.measure_run(
        out, {f"q-{q}": {f"d-{p}": g for p, g in row.items()} for q, row in golds.items()}, "RR"
    )
    ranks = hf.search(q[[0, 2, 5]], p, 1, positives=[[3, 4], [1], [49]]).ranks
    assert measured.per_query["RR"].tolist() == hf.measure(ranks, "RR").per_query["RR"].tolist()
    assert run(*paths) == 0
    assert (folder / out).read_text().startswith(f"0 Q0 {expected.ids[0, 0]} 1 ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "5 0 305 1\n",
            "names the passage '305', which is no row of the 50 passages; give the ids",
        ),
        ("6 0 30 1\n", "names the query '6', which is no row of the 6 queries; give the ids of the rows"),
        ("q5 0 d305 1\n", "names the query 'q5', which is no row of the 6 queries"),
        ("05 0 30 1\n", "names the query '05', which is no row"),
        # As rows they would pass, as qrels too, or nearly: one line a query, different rows in each.
        (
            "".join(f"{row} 0 {row + 7} 1\n" for row in (2, 3, 4, 5, 6, 7)),
            "may be qrels .* or lines of four rows",
        ),
        ("1 0 7 3\n2 0 8 3\n3 0 9 4\n4 0 9 3\n5 0 9 2\n4 0 8 3\n", "may be qrels .* or lines of four rows"),
        ("5 0 30 1\n5 0 30 1\n", "line 2: document 30 comes twice for query 5"),
        ("5 0 30 0.5\n", "line 1: '0.5' is not a whole number"),
        ("5 0 30 9223372036854775808\n", "beyond int64"),
        ("# only a comment\n", "hold no documents"),
        ("", "golds.txt has 0 lines, and there are 6 queries"),
    ],
)
def test_qrels_that_name_no_rows_are_refused(files, capsys, monkeypatch, content, message):
    folder, _, _ = files
    monkeypatch.chdir(folder)
    (folder / "golds.txt").write_text(content)
    paths = ("--queries", "q.npy", "--passages", "p.npy", "--positives", "golds.txt", "--out", "r.npz")
    assert run(*paths) == 2
    assert re.search(message, " ".join(capsys.readouterr().err.replace("│", " ").split()))
    assert not (folder / "r.npz").exists()


def test_the_format_may_be_said(files, capsys, monkeypatch):
    folder, q, p = files
    monkeypatch.chdir(folder)
    rows = [[1, 0, 7, 3], [2, 0, 8, 3], [3, 0, 9, 4], [4, 0, 9, 3], [5, 0, 9, 2], [4, 0, 8, 3]]
    (folder / "golds.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    paths = ("--queries", "q.npy", "--passages", "p.npy", "--positives", "golds.txt", "--out", "r.npz")
    assert run(*paths, "--positives-format", "rows") == 0
    expected = hf.search(q, p, 1, positives=rows)
    assert (np.load("r.npz")["ranks"] == expected.ranks.values).all()
    assert run(*paths, "--positives-format", "qrels") == 0
    assert np.load("r.npz")["positives"].tolist() == [7, 8, 9, 9, 8, 9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--out", "r.parquet"),
            "--out is r.parquet, expected a name that ends in .npz .*, or in .trec, .run or .txt",
        ),
        (("--out", "run"), "--out is run, expected a name that ends in .npz"),
        (("--out", "q.npy/r.npz"), "--out lies below .*q.npy, which is a file; choose another place"),
        (("--out", "folder.npz"), "--out is folder.npz, which is a folder; give a file"),
        (("--out", "golds.txt", "--positives", "golds.txt"), "--out is golds.txt, which the command reads"),
        (("--out", "./ids.txt", "--query-ids", "ids.txt"), "--out is ids.txt, which the command reads"),
        (("--out", "r.npz", "--positives", "far.txt"), "far.txt, line 2: there is no row 50 in 50 passages"),
        (("--out", "r.npz", "--positives", "double.txt"), "double.txt, line 3: a row stands there twice"),
        (("--out", "r.npz", "--positives", "minus.txt"), "minus.txt, line 2: '-1' is not a list of row num"),
        (
            ("--out", "r.npz", "--positives", "long.txt"),
            "long.txt, line 1: '9+'… .* is not a list of",
        ),
        (("--out", "r.npz", "--query-ids", "wide.ids"), "wide.ids is UTF-16 text"),
        (("--out", "r.npz", "--query-ids", "bare.ids"), "bare.ids holds zero bytes, as UTF-16 text"),
        (("--out", "r.npz", "--query-ids", "cut.ids.gz"), "cut.ids.gz is truncated: its gzip data ends"),
        (("--out", "r.trec", "--k", 0), "--k is 0, and a run needs 1 passage or more"),
        (("--out", "r.npz", "--measures", "nDGC@10"), "unknown measure 'nDGC@10'; did you mean 'nDCG@10'"),
        (("--out", "r.npz", "--measures", "SetP"), "SetP needs the length of each ranked list"),
        (("--out", "r.trec", "--query-ids", "spaced.ids"), "the id 'a b' is empty or holds a space"),
        (("--out", "r.trec", "--query-ids", "short.ids"), "short.ids has 2 ids, and there are 6 queries"),
        (("--out", "r.trec", "--query-ids", "twice.ids"), "twice.ids, line 3: 'a' stands in line 1, too"),
        (
            ("--out", "r.trec", "--query-ids", "blank.ids"),
            "blank.ids, line 2: empty, expected the id",
        ),
        (
            ("--out", "r.trec", "--passage-ids", "a.ids", "b.ids"),
            "--passage-ids are 2 files, and there are",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_search(files, capsys, monkeypatch, options, message):
    folder, _, _ = files
    monkeypatch.chdir(folder)
    (folder / "spaced.ids").write_text("a b\n1\n2\n3\n4\n5\n")
    (folder / "short.ids").write_text("a\nb\n")
    (folder / "twice.ids").write_text("a\nb\na\n")
    (folder / "blank.ids").write_text("a\n\nb\n")
    (folder / "folder.npz").mkdir()
    (folder / "ids.txt").write_text("a\nb\nc\nd\ne\nf\n")
    (folder / "wide.ids").write_text("a\nb\nc\nd\ne\nf\n", encoding="utf-16")
    (folder / "bare.ids").write_text("a\nb\nc\nd\ne\nf", encoding="utf-16-le")
    (folder / "cut.ids.gz").write_bytes(gzip.compress(b"a\nb\nc\nd\ne\nf\n")[:-9])
    (folder / "far.txt").write_text("1\n3 50\n\n\n\n\n")
    (folder / "double.txt").write_text("1\n3\n7 8 7\n\n\n\n")
    (folder / "minus.txt").write_text("1\n-1\n\n\n\n\n")
    (folder / "long.txt").write_text("9" * 5000 + "\n")
    before = sorted(folder.iterdir())

    def searched(*_: object, **__: object) -> None:
        raise AssertionError("the search ran")

    monkeypatch.setattr("hybrid_fast.searching.search_over", searched)
    assert run("--queries", "q.npy", "--passages", "p.npy", *options) == 2
    assert re.search(message, " ".join(capsys.readouterr().err.replace("│", " ").split()))
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["q.npy", "p.npy"])
@pytest.mark.parametrize("shape", [(12,), (1, 1, 12), ()])
def test_a_file_of_another_number_of_dimensions_is_refused(files, capsys, monkeypatch, name, shape):
    folder, _, _ = files
    monkeypatch.chdir(folder)
    np.save(name, np.ones(shape, dtype="f4"))
    assert run("--queries", "q.npy", "--passages", "p.npy", "--out", "r.npz") == 2
    assert "expected a matrix, one embedding a row" in " ".join(
        capsys.readouterr().err.replace("│", " ").split()
    )
