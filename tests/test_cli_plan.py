"""``hybrid-fast plan``: the tables it prints, and one sentence for bad input."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

import hybrid_fast as hf
from hybrid_fast.cli import main
from hybrid_fast.cli.mix_plot import mix_plot, mix_table
from hybrid_fast.sampler import Mix


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
    assert "Exposure: what is seen of each language" in out
    again = run(capsys, "--source", "demo", "--sampler.batch-size", "16", "--sampler.mono-ratio", "0.25")
    assert again[1] == out


def test_a_configuration_file(capsys, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('hold_out = ["en"]\nseed = 3\n[sampler]\nbatch_size = 8\n[[sources]]\nname = "demo"\n')
    code, out, _ = run(capsys, "--config", str(file), "--batches", "20")
    assert code == 0
    assert "20 of 8 rows" in out
    assert " en " not in out


def test_all_numbers_go_to_a_file(capsys, tmp_path):
    file = tmp_path / "plans" / "plan.json"
    arguments = ("--source", "demo", "--sampler.batch-size", "16", "--seed", "5")
    code, out, _ = run(capsys, *arguments, "--batches", "40", "--json", str(file))
    assert code == 0
    plan = json.loads(file.read_text(encoding="utf-8"))
    assert plan["digest"] in out
    assert (plan["seed"], plan["batch_size"], plan["batches"]) == (5, 16, 40)
    assert plan["duplicates"] == 0
    assert plan["by_kind"] == {"monolingual": 20, "cross-lingual": 20}
    assert plan["mix"]["at"][-1] == 40
    assert sum(one["query_rows"] for one in plan["exposure"]["languages"].values()) == 640
    assert sum(one["rows"] for one in plan["exposure"]["strata"].values()) == 640


def test_weights_on_the_command_line(capsys):
    arguments = ("--source", "demo", "--sampler.batch-size", "8", "--batches", "30")
    for weights in ("0.3", "capped:2", "exposure-matched:0.4"):
        assert run(capsys, *arguments, "--sampler.language-weights", weights)[0] == 0


def test_a_schedule_on_the_command_line_and_in_a_file(capsys, tmp_path):
    arguments = ("--source", "demo", "--sampler.batch-size", "8", "--batches", "40")
    code, given, _ = run(capsys, *arguments, "--sampler.mono-ratio", "linear:1..0:40")
    assert code == 0
    assert "linear:1..0:40" in given
    file = tmp_path / "run.toml"
    file.write_text('[sampler]\nmono_ratio = "linear:1..0:40"\nbatch_size = 8\n[[sources]]\nname = "demo"\n')
    code, read, _ = run(capsys, "--config", str(file), "--batches", "40")
    assert code == 0
    assert read == given
    assert "monolingual batches" in given


def falling(batches=6000):
    """A mix that falls from all monolingual to none, drawn batch by batch."""
    rng = np.random.default_rng(1)
    asked = 1 - (np.arange(batches) + 0.5) / batches
    kinds = rng.random(batches) < asked
    at = np.arange(0, batches + 1, batches // 1000)
    sums = [np.concatenate([[0], one.cumsum()])[at] for one in (kinds, asked)]
    return Mix(at, sums[0].astype(np.int64), sums[1])


@pytest.mark.parametrize("width", [20, 80, 120, 2000])
def test_the_plot_fits_and_shows_the_shares(width):
    mix = falling()
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(mix_plot(mix, "batches", width))
    title, *lines = file.getvalue().splitlines()
    assert title.startswith("Share of")
    lines = lines[next(n for n, one in enumerate(lines) if "100 %" in one) :]
    drawn = [line[6:] for line in lines[:6]]
    assert [line[:6] for line in lines[:6]] == ["100 % ", " " * 6, " " * 6, " 50 % ", " " * 6, "  0 % "]
    assert max(len(line) for line in drawn) <= width - 7
    heights = np.array([[" ▁▂▃▄▅▆▇█".find(one) for one in line.ljust(width)] for line in drawn])
    shown = np.where(heights < 0, 0, heights).sum(axis=0) / 48
    bars = len(mix.shares(min(width - 7, 6000 // 16))[0])
    each = max(1, min((width - 7) // bars, 8))
    expected = mix.shares(bars)[0].repeat(each)
    np.testing.assert_allclose(shown[: len(expected)], expected, atol=1 / 90)


def test_the_list_in_a_pipe():
    file = io.StringIO()
    Console(file=file, width=80).print(mix_table(falling(), "rows"))
    rows = [line.split() for line in file.getvalue().splitlines() if "%" in line]
    assert [row[0] for row in rows] == [f"{n:,}" for n in range(600, 6001, 600)]
    assert [row[2] for row in rows] == [f"{share}.00%" for share in range(95, 0, -10)]


def test_a_mix_of_few_batches():
    index = hf.PairIndex.from_columns(range(4), [0] * 4, range(4), range(4), languages=["de"])
    mix = hf.simulate(hf.HybridBatchSampler(index, 2, 1.0)).mix
    file = io.StringIO()
    console = Console(file=file, width=80)
    console.print(mix_plot(mix, "batches", 80))
    console.print(mix_table(mix, "batches"))
    assert "2 batches a bar" in file.getvalue()
    assert "at most 0.00% apart" in file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no source is named"),
        (["--source", "nothing"], "nothing"),
        (["--source", "demo", "--sampler.batch-size", "100000"], "batch_size = 100000"),
        (["--source", "demo", "--sampler.mono-ratio", "2"], "between 0 and 1"),
        (["--source", "demo", "--sampler.mono-ratio", "steep:1..0"], "mono_ratio is 'steep:1..0'"),
        (["--source", "demo", "--sampler.language-weights", "capped"], "language_weights is 'capped'"),
        (["--source", "demo", "--hold-out", "klingon"], "klingon"),
        (["--source", "demo", "--batches", "0"], "batches is 0"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, sentence):
    code, out, error = run(capsys, *arguments)
    assert code == 2
    assert sentence in " ".join(error.replace("│", " ").split())
    assert "Traceback" not in out + error
