"""The README's Python code runs, and its test command is the one continuous integration calls."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_python_blocks_run_in_order(capsys) -> None:
    code = blocks("python")
    assert len(code) >= 2
    namespace: dict[str, object] = {}
    for block in code:
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "(100, 10)" in printed
    assert "RR@10" in printed


def test_the_page_on_search_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    mapped = None
    for block in blocks("python", (ROOT / "docs" / "search.md").read_text(encoding="utf-8")):
        exec(compile(block, "search.md", "exec"), namespace)
        found, mapped = mapped, namespace["found"]
    assert 0 < namespace["monolingual"] < 1
    assert 0 < namespace["cross_lingual"] < 1
    # float16 moves a rank here and there.
    assert abs(found.ranks.values - mapped.ranks.values).max() < 30


def test_the_page_on_measures_runs(capsys) -> None:
    namespace: dict[str, Any] = {}
    for block in blocks("python", (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")):
        exec(compile(block, "measures.md", "exec"), namespace)
    # Of equal scores d2 stands before d1 in trec_eval.
    assert namespace["found"].per_query["AP"].tolist() == [(1 / 2 + 2 / 3) / 2, 0.0, 0.0]
    assert namespace["by_id"].per_query["RR@10"].tolist() == [1.0, 0.0, 0.0]
    assert "recall_100" in capsys.readouterr().out


def test_the_page_on_sampling_runs(capsys) -> None:
    namespace: dict[str, Any] = {}
    for block in blocks("python", (ROOT / "docs" / "sampling.md").read_text(encoding="utf-8")):
        exec(compile(block, "sampling.md", "exec"), namespace)
    assert namespace["whole"].passage[7].tolist() == namespace["batch"].passage.tolist()
    assert "duplicates in a batch: 0" in capsys.readouterr().out


def test_every_file_it_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_test_command_is_marked() -> None:
    assert re.search(r"<!-- test -->\n```sh\nmake test\n```", README)
