"""hybrid_fast beside its rivals: same data, same threads, the same run.

``python benches/rivals.py`` (after installing ``hybrid_fast[train,compare]``) measures every work with
one thread and then with two, and prints a table for each; rivals that are not installed are left out
with a line. ``--markdown docs/benchmarks.md`` also writes the tables into that file's marked section.

Each number of threads gets a process of its own, because NumPy's BLAS, OpenMP and torch read theirs
when they load. Within it the contestants of a work take turns: every one once to warm up, then round
after round, and the shortest time counts. A rival too slow for the whole work does a stated part of
it. What a contestant returns is compared with our answer; one that differs is marked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from compared.tables import markdown, show, write_section

SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE", "NVPL_BLAS_DEBUG_CPU_TYPE")
"""Settings that make a BLAS pick another kernel than the machine's."""

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""What libraries read their number of threads from."""


def main() -> None:
    """Run one process per number of threads and show what each of them measured."""
    options = arguments().parse_args()
    if options.measure:
        from compared.running import measure_all

        options.measure.write_text(json.dumps(measure_all(options)))
        return
    for name in SLOWING:
        if name in os.environ:
            print(f"warning: {name}={os.environ[name]} slows BLAS down; it is unset here")
    runs = [child(threads) for threads in options.threads]
    for run in runs:
        show(run)
    if options.json:
        options.json.write_text(json.dumps(runs, indent=1) + "\n")
    if options.markdown:
        write_section(options.markdown, markdown(runs))


def arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="one table for each; default 1 2"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument(
        "--full", action="store_true", help="also works on 100 million rows: a few GiB of memory, minutes"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="works to run; an unknown name lists them")
    parser.add_argument("--rounds", type=int, default=5, help="times of which the shortest counts; default 5")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables between the marks of this file"
    )
    real = parser.add_argument_group("real embeddings for xquad-r, instead of synthetic ones")
    real.add_argument("--queries", type=Path, help="float32 .npy [queries, dimensions]")
    real.add_argument("--passages", type=Path, help="float32 .npy [passages, dimensions]")
    real.add_argument("--positives", type=Path, help="int64 .npy [queries, one positive a pool]")
    real.add_argument("--pools", type=Path, help="integer .npy, a label per passage")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return parser


def child(threads: int) -> dict[str, object]:
    """Measure with so many threads, in a process that starts with that setting."""
    environment = {name: value for name, value in os.environ.items() if name not in SLOWING}
    environment |= dict.fromkeys(THREADS, str(threads))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.json"
        command = [sys.executable, __file__, *sys.argv[1:], "--threads", str(threads), "--measure", str(file)]
        done = subprocess.run(command, env=environment, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        run: dict[str, object] = json.loads(file.read_text())
        return run


if __name__ == "__main__":
    main()
