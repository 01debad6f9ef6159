"""What --config fills: plain values, nested tables and arrays of tables, under what the command line says."""

import dataclasses
from pathlib import Path

import pytest

import hybrid_fast.sweeping
from hybrid_fast.cli import main
from hybrid_fast.config import SweepConfig, load

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.toml"))


@pytest.fixture
def taken(monkeypatch):
    """The configurations that the sweep command hands on, instead of a sweep."""
    configs = []

    def stop(config, *arguments, **keywords):
        configs.append(config)
        raise ValueError("stopped here")

    monkeypatch.setattr(hybrid_fast.sweeping, "sweep", stop)
    return configs


def call(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *map(str, arguments)])
    assert ended.value.code == 2


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_taken_whole(path, taken, tmp_path):
    call("--config", path, "--out", tmp_path)
    assert taken == [load(SweepConfig, path)]


def test_the_command_line_wins(taken, tmp_path):
    path = EXAMPLES[0]
    call(
        "--config",
        path,
        "--out",
        tmp_path,
        "--train.steps",
        81,
        "--ratios",
        0.5,
        "--train.encoder.model",
        "m",
    )
    whole = load(SweepConfig, path)
    train = dataclasses.replace(
        whole.train, steps=81, encoder=dataclasses.replace(whole.train.encoder, model="m")
    )
    assert taken == [dataclasses.replace(whole, ratios=(0.5,), train=train)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[train]\nstepz = 3\n", "[train][stepz]"),
        ('[train]\nsteps = "many"\n', "many"),
        ("[[tires]]\nname = 'x'\n", "[[tires]]"),
        ("[[tiers]]\nname = 'x'\n", "languages"),
        ("[[train.sources]]\nname = 'demo'\narticel = 'odd'\n", "articel"),
        ("steps =\n", "not valid TOML"),
        ("ratios = [2.0]\n", "between 0 and 1"),
    ],
)
def test_mistakes_are_named(text, words, taken, tmp_path, capsys):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    call("--config", path, "--out", tmp_path / "out")
    assert not taken
    message = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert words in message
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named(taken, tmp_path, capsys):
    call("--config", tmp_path / "no.toml", "--out", tmp_path / "out")
    assert "no configuration file" in capsys.readouterr().err
