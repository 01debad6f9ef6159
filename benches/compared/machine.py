"""Hardware and versions that figures belong to."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from compared.work import Setting

DISTRIBUTIONS = (
    "numpy",
    "torch",
    "faiss-cpu",
    "usearch",
    "sentence-transformers",
    "ranx",
    "torchmetrics",
    "pytrec-eval-terrier",
    "ir-measures",
    "datasets",
    "grain",
    "megatron-core",
)


def describe(setting: Setting) -> dict[str, Any]:
    """Return processor, cores, memory, versions and the BLAS kernels in use."""
    import hybrid_fast

    versions = {"hybrid_fast": hybrid_fast.__version__}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            setting.missing.add(name)
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": memory(),
        "features": features(),
        "instructions": os.environ.get("HYBRID_FAST_CPU") or "fastest",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": versions,
        "blas": blas(),
    }


def processor() -> str:
    """Return the processor's name where the system tells it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def features() -> list[str]:
    """Return the vector instructions that matter here."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text() if listing.exists() else ""
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    known = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8")
    return [flag for flag in known if flag in flags]


def memory() -> str:
    """Return the size of the main memory."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    return "unknown"


def blas() -> list[str]:
    """Return which matrix kernels the loaded libraries chose, as threadpoolctl sees them."""
    try:
        threadpool_info = importlib.import_module("threadpoolctl").threadpool_info
    except ImportError:
        return ["unknown: threadpoolctl is not installed"]
    found = {
        f"{Path(info['filepath']).parts[-2]}: {info['internal_api']} {info.get('version') or ''} "
        f"{info.get('architecture', '')} × {info['num_threads']}"
        for info in threadpool_info()
        if info["user_api"] == "blas"
    }
    return sorted(found)
