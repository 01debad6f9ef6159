"""What importing the package costs, beside NumPy's own import."""

from __future__ import annotations

import subprocess
import sys

from compared.work import Aim, Contestant, Setting, Work


def package(setting: Setting) -> Work:
    """Time the import statement in fresh interpreters, by their own clocks."""
    # The package loads its parts when they are first named.
    reached = "import hybrid_fast as hf; hf.topk; hf.ranks; hf.measure; hf.search; hf.HybridBatchSampler"
    contestants = [
        Contestant("import hybrid_fast", lambda: run("import hybrid_fast"), role="ours", own_clock=True),
        Contestant(
            "hybrid_fast with all that it computes", lambda: run(reached), role="part", own_clock=True
        ),
        Contestant("import numpy", lambda: run("import numpy"), role="part", own_clock=True),
    ]
    return Work("import, without torch", 0, "", contestants, (Aim(0.4, ("import numpy",)),))


def run(statements: str) -> float:
    """Return the seconds that statements take in a new process."""
    code = f"import time; s = time.perf_counter(); {statements}; print(time.perf_counter() - s)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
