"""``hybrid-fast demo`` from an empty folder to the table and the report, with few steps."""

import json
import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("altair")

from hybrid_fast.cli import main
from hybrid_fast.cli.demo import _recipe
from hybrid_fast.corpus import load_source
from hybrid_fast.corpus.embedded import LANGUAGES

ARGUMENTS = ["--ratios", "0", "1", "--seeds", "1", "--steps", "4", "--warm-up", "3"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished demonstration and what it printed, from a process of its own."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "hybrid_fast", "demo", "--out", str(out), *ARGUMENTS],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_recipe_keeps_the_promises_of_the_demonstration():
    config = _recipe(None, None, None)
    assert len(config.ratios) >= 3
    assert len(config.seeds) >= 2
    assert "demonstration" in config.note
    train, test = load_source(config.train.sources[0]), load_source(config.train.evaluations[0].source)
    assert not set(train.passages.documents) & set(test.passages.documents)
    assert test.languages == LANGUAGES
    assert sorted(code for tier in config.tiers for code in tier.languages) == list(LANGUAGES)
    unseen = {code for tier in config.tiers if "unseen" in tier.name for code in tier.languages}
    assert unseen == set(config.train.hold_out)
    assert len(config.train.evaluations[0].settings) == 3


def test_writes_a_report_that_says_what_it_is(finished):
    out, _ = finished
    page = (out / "sweep" / "report" / "report.html").read_text(encoding="utf-8")
    assert "This is a demonstration" in page
    assert "Yoruba" in page


def test_plans_prove_that_held_out_languages_were_not_drawn(finished):
    out, _ = finished
    plans = [json.loads(path.read_text()) for path in (out / "sweep" / "runs").glob("*/plan.json")]
    assert len(plans) == 2
    for plan in plans:
        assert not {"it", "yo"} & set(plan["languages"])
        assert set(plan["overlap"]["test half"].values()) == {0}


def test_ends_with_the_table_and_the_path(finished):
    out, shown = finished
    lines = shown.splitlines()
    assert lines[-1] == f"Report: {out / 'sweep' / 'report' / 'report.html'}"
    assert max(map(len, lines[:-1])) <= 80
    for setting in ("monolingual", "cross-lingual", "multilingual"):
        assert re.search(rf"^ *{setting} *$", shown, re.MULTILINE)
    chances = [line for line in lines if line.lstrip().startswith("chance")]
    assert [re.findall(r"\.\d{3}", line)[:2] for line in chances] == [
        [".024", ".045"],
        [".024", ".045"],
        [".024", ".014"],
    ]
    for start in ("untouched", "0", "1"):
        rows = [line for line in lines if line.split()[:1] == [start]]
        assert [len(re.findall(r"\.\d{3}", line)) for line in rows] == [8, 8, 8]


def test_refuses_a_ratio_out_of_range(tmp_path, capfd):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--out", str(tmp_path / "demo"), "--ratios", "1.5"])
    assert ended.value.code == 2
    assert "1.5" in capfd.readouterr().err
    assert not (tmp_path / "demo").exists()
