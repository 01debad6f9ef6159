"""Several processes that share the runs of a sweep."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import TrainConfig, to_mapping
from ..errors import RunError
from .runs import Run

PATIENCE = 10.0
"""Seconds a worker has to end after its input was closed."""


@dataclass(eq=False)
class Worker:
    """A running worker process."""

    number: int
    process: subprocess.Popen[str]
    log: Path
    run: Run | None = None
    failure: dict[str, Any] | None = None
    reader: threading.Thread = field(init=False)


def run_in_processes(
    folder: Path,
    config: TrainConfig,
    runs: Sequence[Run],
    *,
    jobs: int,
    threads: int,
    keep_models: bool,
    started: Callable[[Run], object],
    steps_done: Callable[[Run, int], object],
    finished: Callable[[Run], object],
) -> None:
    """Make ``runs``, ``jobs`` at a time, each process with ``threads`` threads; in order of ``runs``.

    Whatever ends this call (an error of a run, Ctrl-C, an exception of a callback) ends the
    processes; and they end by themselves when this process is killed.

    Raises:
        RunError: a run failed or its process died; the message names the run and the log.
        OSError: a file could not be written.
    """
    waiting = list(reversed(runs))
    messages: queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]] = queue.SimpleQueue()
    workers: list[Worker] = []
    try:
        for number in range(min(jobs, len(runs))):
            worker = _start(folder, number, threads, messages)
            workers.append(worker)
            shared = {
                "folder": str(folder),
                "config": to_mapping(config),
                "threads": threads,
                "keep_models": keep_models,
            }
            _send(worker, shared)
        busy = len(workers)
        while busy:
            try:
                worker, message = messages.get(timeout=0.5)  # returns now and then, so that Ctrl-C is seen
            except queue.Empty:
                continue
            if message is None:
                _raise(worker)
            elif "failed" in message:
                worker.failure = message
            elif "steps" in message and worker.run is not None:
                steps_done(worker.run, message["steps"])
            elif "done" in message and worker.run is not None:
                finished(worker.run)
                worker.run = None
            elif "ready" in message:
                if waiting:
                    worker.run = waiting.pop()
                    started(worker.run)
                    _send(worker, {"run": worker.run.name, "config": to_mapping(worker.run.config)})
                else:
                    busy -= 1
    finally:
        _stop(workers)


def _start(
    folder: Path, number: int, threads: int, messages: queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]]
) -> Worker:
    log = folder / "logs" / f"worker-{number + 1}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    limits = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS", "RAYON")}
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
    with log.open("a", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "hybrid_fast.sweeping.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                **limits,
                "TOKENIZERS_PARALLELISM": "false" if threads == 1 else "true",
                "PYTHONPATH": os.pathsep.join(paths),
            },
        )
    worker = Worker(number=number, process=process, log=log)
    worker.reader = threading.Thread(target=_read, args=(worker, messages), daemon=True)
    worker.reader.start()
    return worker


def _read(worker: Worker, messages: queue.SimpleQueue[tuple[Worker, dict[str, Any] | None]]) -> None:
    """Pass on what a worker says; None when it has ended."""
    assert worker.process.stdout is not None
    for line in worker.process.stdout:
        try:
            messages.put((worker, json.loads(line)))
        except ValueError:
            break
    messages.put((worker, None))


def _send(worker: Worker, order: dict[str, Any]) -> None:
    assert worker.process.stdin is not None
    try:
        worker.process.stdin.write(json.dumps(order) + "\n")
        worker.process.stdin.flush()
    except BrokenPipeError:
        return  # it has died: the reader reports that


def _raise(worker: Worker) -> None:
    code = worker.process.wait()
    what = f"the run with {worker.run}" if worker.run is not None else "a worker process"
    if worker.failure is not None and worker.failure["kind"] == "known":
        raise RunError(f"{what} failed: {worker.failure['failed']}")
    if worker.failure is not None:
        raise RunError(
            f"{what} failed: {worker.failure['type']}: {worker.failure['failed']} (details in {worker.log})"
        )
    cause = f"signal {-code}" if code < 0 else f"exit code {code}"
    memory = "; out of memory?" if code == -9 else ""
    raise RunError(
        f"{what} ended by {cause}{memory} (details in {worker.log}); the same command goes on from there"
    )


def _stop(workers: Sequence[Worker]) -> None:
    """End the processes: their input ends, and after a while they are killed."""
    for worker in workers:
        assert worker.process.stdin is not None
        try:
            worker.process.stdin.close()
        except BrokenPipeError:
            continue
    for worker in workers:
        try:
            worker.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.reader.join()
        if worker.process.stdout is not None:
            worker.process.stdout.close()
