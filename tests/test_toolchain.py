"""``make`` says in its first line which tool is missing or too old."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def check(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    for name in ("sed", "sort", "head"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    shell = shutil.which("sh")
    assert shell
    environment = {**os.environ, "PATH": str(folder)}
    return subprocess.run(
        [shell, ".ci/toolchain", python],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    result = check(tmp_path, "python3")
    assert result.returncode == 1
    assert result.stderr.splitlines()[0].startswith("Python was not found")


def test_an_old_python_is_named(tmp_path: Path) -> None:
    tool(tmp_path, "python3", 'case "$2" in *platform*) echo 3.9.2;; *) exit 1;; esac')
    result = check(tmp_path, "python3")
    assert result.returncode == 1
    assert result.stderr.splitlines()[0].startswith("Python 3.9.2 is too old")


def test_a_missing_rust_is_named(tmp_path: Path) -> None:
    result = check(tmp_path, sys.executable)
    assert result.returncode == 1
    assert result.stderr.splitlines()[0].startswith("A Rust toolchain was not found")


@pytest.mark.parametrize(("version", "code"), [("1.70.0", 1), ("1.89.0", 0), ("1.100.1", 0)])
def test_an_old_rust_is_named(tmp_path: Path, version: str, code: int) -> None:
    tool(tmp_path, "cargo", "exit 0")
    tool(tmp_path, "rustc", f"echo 'rustc {version} (abc 2020-01-01)'")
    result = check(tmp_path, sys.executable)
    assert result.returncode == code
    if code:
        assert result.stderr.splitlines()[0].startswith("Rust 1.70 is too old")
