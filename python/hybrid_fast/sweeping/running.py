"""The sweep itself."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ..config import SweepConfig, digest, from_mapping, load
from ..errors import ConfigError, RunError
from ..evaluation.callback import EvaluationSet, load_evaluations
from ..extras import require
from ..progress import Progress
from .description import describe_sweep, settle
from .runs import RUNS, Run, is_finished, runs_of
from .session import Session
from .workers import run_in_processes

Notice = Callable[[str], object]
"""Takes one line about what happens; only the command line prints it."""


def sweep(
    config: SweepConfig | Mapping[str, Any] | Path | str,
    out: Path | str | None = None,
    *,
    command: str | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
) -> Path:
    """Train at every ratio × seed × learning rate under equal conditions, and evaluate on the way.

    All runs start from the same weights and take the same number of steps; batches are coupled, so
    that the j-th monolingual (cross-lingual) batch of a seed is the same whatever the ratio. What
    is measured on the untouched encoder is measured once. Seeds are outermost, so that a sweep that
    is stopped early has covered all ratios.

    Each run has a folder ``<out>/runs/<digest of its configuration>``. A finished run is skipped, an
    interrupted one goes on from its last checkpoint or is started over. More ratios, seeds and
    learning rates extend a sweep; any other change of the configuration is refused.

    Args:
        config: a SweepConfig, its mapping, or the path of a TOML file.
        out: the sweep folder; default: ``runs/<digest of config>``.
        command: what repeats this sweep, for ``sweep.json`` and the report.
        progress: called with (steps done, steps in all) over all runs.
        notice: called with a line when a run begins and ends.

    Returns:
        The sweep folder.

    Raises:
        ConfigError: no training sources, a tier of unknown languages, a malformed file.
        RunError: the folder holds another sweep, or one that is running; a run failed.
        CorpusError, ModelError, InfeasiblePlan: the data or the encoder do not serve.
        OSError: a file cannot be written.
    """
    given, config = config, _resolved(config)
    require("a sweep", "torch", "sentence_transformers", "pandas", "pyarrow")
    if not config.train.sources:
        raise ConfigError("train.sources is empty: a sweep needs at least one training source")
    names = [item.name for item in config.train.evaluations]
    if len(set(names)) < len(names):
        raise ConfigError(f"train.evaluations: two sets have one name among {', '.join(names)}")
    folder = Path(out) if out is not None else Path("runs") / digest(config)
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; give a folder for the sweep")
    with _alone(folder):
        evaluations = load_evaluations(config.train)
        settle(folder, describe_sweep(config, evaluations, command or _command(given, folder)))
        runs = runs_of(config)
        _run_all(folder, config, runs, evaluations, progress, notice or _silent)
    return folder


def _run_all(
    folder: Path,
    config: SweepConfig,
    runs: list[Run],
    evaluations: dict[str, EvaluationSet],
    progress: Progress | None,
    notice: Notice,
) -> None:
    steps = config.train.steps
    done = {run.name: steps if is_finished(folder / RUNS / run.name) else 0 for run in runs}
    waiting = [run for run in runs if not is_finished(folder / RUNS / run.name)]
    number = {run.name: position for position, run in enumerate(runs, start=1)}
    if len(waiting) < len(runs):
        notice(f"{len(runs) - len(waiting)} of {len(runs)} runs are finished already")

    def tell() -> None:
        if progress is not None:
            progress(sum(done.values()), steps * len(runs))

    def started(run: Run) -> None:
        notice(f"run {number[run.name]} of {len(runs)}: {run}")

    def steps_done(run: Run, count: int) -> None:
        done[run.name] = count
        tell()

    def finished(run: Run) -> None:
        done[run.name] = steps
        notice(f"finished {number[run.name]} of {len(runs)}: {run}")
        tell()

    tell()
    if not waiting:
        return
    cores = config.train.threads or _cores()
    jobs = min(config.jobs, len(waiting))
    if jobs > 1:
        evaluations.clear()  # each process reads its own; the parent keeps none
        run_in_processes(
            folder,
            config.train,
            waiting,
            jobs=jobs,
            threads=max(1, cores // jobs),
            keep_models=config.keep_models,
            started=started,
            steps_done=steps_done,
            finished=finished,
        )
        return
    session = Session(
        folder, config.train, threads=cores, keep_models=config.keep_models, evaluations=evaluations
    )
    for run in waiting:
        started(run)
        session.run(run.config, partial(steps_done, run))
        finished(run)


def _resolved(config: SweepConfig | Mapping[str, Any] | Path | str) -> SweepConfig:
    if isinstance(config, SweepConfig):
        return dataclasses.replace(config)
    if isinstance(config, Mapping):
        return from_mapping(SweepConfig, dict(config))
    if isinstance(config, str | Path):
        return load(SweepConfig, config)
    raise TypeError(
        f"config is a {type(config).__name__}, expected a SweepConfig, a mapping or the path of a TOML file"
    )


def _command(given: object, folder: Path) -> str:
    if isinstance(given, str | Path):
        return f"hybrid-fast sweep --config {given} --out {folder}"
    return f"hybrid_fast.sweep(config, {str(folder)!r})"


def _cores() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _silent(line: str) -> None:
    """Say nothing."""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, so that a second sweep in it is refused; freed however the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"another sweep is running in {folder}; wait for it or stop it") from None
        yield
