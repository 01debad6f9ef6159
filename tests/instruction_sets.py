"""The instruction sets that this machine has, as ``HYBRID_FAST_CPU`` takes them, slowest first."""

from __future__ import annotations

import subprocess
import sys

VARIABLE = "HYBRID_FAST_CPU"


def instruction_sets() -> list[str]:
    """Return what the message about a wrong name lists."""
    code = (
        "import os, numpy as np, hybrid_fast as hf\n"
        f"os.environ['{VARIABLE}'] = 'abacus'\n"
        "try: hf.topk(np.ones((1, 1)), 1)\n"
        "except ValueError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return said.strip().partition("this machine has ")[2].split(", ")


SETS = instruction_sets()
