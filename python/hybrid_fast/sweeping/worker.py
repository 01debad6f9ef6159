"""A process that makes runs of a sweep; started by :mod:`hybrid_fast.sweeping.workers`.

It reads one JSON object a line from its standard input (first what all runs share, then a run at a
time) and answers on its standard output the same way. When its input ends, because the parent has
closed it or is gone in whatever way, the process ends at once: no run outlives its sweep. What the
libraries below print goes to the log that is its standard error.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from ..config import TrainConfig, from_mapping
from ..errors import HybridFastError
from .session import Session


def main() -> None:
    """Serve until the input ends."""
    # Ctrl-C reaches the whole process group: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    try:
        _serve(orders, answers)
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:  # whatever it is, the parent names it and stops the sweep
        import traceback

        traceback.print_exc()
        kind = "known" if isinstance(error, HybridFastError | OSError) else "unknown"
        _answer(
            answers,
            {"failed": str(error) or type(error).__name__, "kind": kind, "type": type(error).__name__},
        )
        os._exit(1)


def _serve(orders: queue.SimpleQueue[dict[str, Any]], answers: TextIO) -> None:
    shared = orders.get()
    session = Session(
        Path(shared["folder"]),
        from_mapping(TrainConfig, shared["config"]),
        threads=shared["threads"],
        keep_models=shared["keep_models"],
    )
    while True:
        _answer(answers, {"ready": True})
        order = orders.get()
        session.run(
            from_mapping(TrainConfig, order["config"]),
            lambda steps: _answer(answers, {"steps": steps}),
        )
        _answer(answers, {"done": order["run"]})


def _listen(orders: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Pass orders on; end the process when there can be no more."""
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(1)


def _answer(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
