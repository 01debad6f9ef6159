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
