"""What a run ran on: saved beside its results."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from .._core import __version__

PACKAGES = ("numpy", "torch", "transformers", "sentence-transformers", "accelerate", "tokenizers", "datasets")


def environment(threads: int | None = None) -> dict[str, Any]:
    """Return versions, platform, CPU features, threads and, in a git checkout, the commit."""
    versions = {"hybrid_fast": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": threads or torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "commit": _commit(),
    }


def _processor() -> str:
    """Return the processor's name, with the instructions that matter to matrix products where known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    fields = dict(
        reversed([(key.strip(), value.strip()) for key, _, value in (x.partition(":") for x in lines)])
    )
    known = set(fields.get("flags", "").split())
    useful = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    features = " ".join(name for name in useful if name in known)
    return f"{fields.get('model name', platform.processor())} {features}".strip()


def _commit() -> str | None:
    """Return the commit of the checkout this package runs from; None where it is installed."""
    package = Path(__file__).resolve().parent
    command = ["git", "-C", str(package), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        tracked = subprocess.run(
            ["git", "-C", str(package), "ls-files", "--error-unmatch", Path(__file__).name],
            capture_output=True,
            check=False,
            timeout=10,
        )
        if tracked.returncode:
            return None
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
