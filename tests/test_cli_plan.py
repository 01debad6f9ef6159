"""``hybrid-fast plan``: the tables it prints, and one sentence for bad input."""

from __future__ import annotations

import pytest

from hybrid_fast.cli import main


def run(capsys, *arguments):
    code = 0
    try:
        main(["plan", *arguments])
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def test_the_embedded_corpus(capsys):
    code, out, _ = run(
        capsys, "--source", "demo", "--sampler.batch-size", "16", "--sampler.mono-ratio", "0.25"
    )
    assert code == 0
    assert "digest" in out
    assert "Rows drawn per language" in out
    again = run(capsys, "--source", "demo", "--sampler.batch-size", "16", "--sampler.mono-ratio", "0.25")
    assert again[1] == out


def test_a_configuration_file(capsys, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('hold_out = ["en"]\nseed = 3\n[sampler]\nbatch_size = 8\n[[sources]]\nname = "demo"\n')
    code, out, _ = run(capsys, "--config", str(file), "--batches", "20")
    assert code == 0
    assert "20 of 8 rows" in out
    assert " en " not in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no source is named"),
        (["--source", "nothing"], "nothing"),
        (["--source", "demo", "--sampler.batch-size", "100000"], "batch_size = 100000"),
        (["--source", "demo", "--sampler.mono-ratio", "2"], "between 0 and 1"),
        (["--source", "demo", "--hold-out", "klingon"], "klingon"),
        (["--source", "demo", "--batches", "0"], "batches is 0"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, sentence):
    code, out, error = run(capsys, *arguments)
    assert code == 2
    assert sentence in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in out + error
