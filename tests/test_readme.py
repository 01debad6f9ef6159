"""The README's Python code runs, and its test command is the one continuous integration calls."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_blocks_run_in_order(capsys) -> None:
    code = blocks("python")
    assert len(code) >= 2
    namespace: dict[str, object] = {}
    for block in code:
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "(100, 10)" in printed
    assert "RR@10" in printed


def test_every_file_it_links_to_exists() -> None:
    root = Path(__file__).parent.parent
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (root / link).exists()] == []


def test_the_test_command_is_marked() -> None:
    assert re.search(r"<!-- test -->\n```sh\nmake test\n```", README)
