"""The comparison with rivals runs, agrees with them, and writes its tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benches" / "rivals.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--quick", *arguments], capture_output=True, text=True, env=environment
    )


@pytest.mark.timeout(300)
def test_every_work_of_a_quick_run(tmp_path):
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("# Title\n\n<!-- rivals: begin -->\nold\n<!-- rivals: end -->\n\nEnd.\n")
    done = run("--threads", "1", "--json", str(figures), "--markdown", str(page))
    assert done.returncode == 0, done.stderr
    assert "warning: OPENBLAS_CORETYPE=Haswell" in done.stdout
    (single,) = json.loads(figures.read_text())
    assert single["threads"] == 1
    for work in single["works"].values():
        assert work["contestants"][0]["role"] == "ours"
        assert not [who["who"] for who in work["contestants"] if who["differs"]], work["title"]
        assert all(who["seconds"] > 0 for who in work["contestants"])
    text = page.read_text()
    assert text.startswith("# Title\n\n<!-- rivals: begin -->\n\n- Processor: ")
    assert text.endswith("<!-- rivals: end -->\n\nEnd.\n")
    assert "| **hybrid_fast** |" in text
    assert "old" not in text.splitlines()
    assert {"sampler", "sampler-4096", "sampler-resume", "sampler-100m"} <= set(single["works"])
    assert single["works"]["sampler"]["clock"] == "processor"


def test_sampler_works_are_for_one_thread_and_the_large_ones_for_those_who_ask():
    done = run("--threads", "2", "--only", "sampler")
    assert done.returncode == 0, done.stderr
    assert "sampler: its contestants use one thread; left out" in done.stderr
    environment = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, str(SCRIPT), "--threads", "1", "--rounds", "1", "--only", "sampler-100m"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "sampler-100m: left out; --full does it" in done.stderr


def test_an_unknown_work_lists_the_known_ones():
    done = run("--only", "juggling")
    assert done.returncode == 1
    assert "no work 'juggling'; there are ranks-few" in done.stderr
