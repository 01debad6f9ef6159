"""``hybrid-fast search`` on files: what it writes, prints and refuses."""

from __future__ import annotations

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
        (("--passages", "p.npy", "q.txt"), "q.txt is not a whole NumPy file"),
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
        (lambda folder: (folder / "q.npy").write_text("no array"), "is not a whole NumPy file"),
        (
            lambda folder: (folder / "p.npy").write_bytes((folder / "p.npy").read_bytes()[:-9]),
            "whole NumPy file",
        ),
        (lambda folder: np.save(folder / "q.npy", np.ones((2, 12))), "queries is float64"),
        (lambda folder: np.save(folder / "q.npy", np.ones((6, 5), dtype="f4")), "queries have 5 dimensions"),
        (lambda folder: (folder / "golds.txt").write_text("1\n2 x\n"), "line 2"),
        (lambda folder: (folder / "golds.txt").write_text("1\n"), "positives describe 1 queries"),
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
