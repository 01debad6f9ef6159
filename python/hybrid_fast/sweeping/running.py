"""The sweep itself."""

from __future__ import annotations

import dataclasses
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from ..config import SweepConfig, digest, from_mapping, load
from ..corpus import Corpus, load_source, training_corpus
from ..errors import ConfigError, RunError
from ..evaluation.callback import EvaluationSet, check_evaluations, load_evaluations
from ..evaluation.initial import check_weights, require_equal_weights, weights_fingerprint
from ..extras import require
from ..progress import Progress
from ..sampler.configured import check_texts
from ..training.checkpoint import latest_step
from .description import LOCK, check_place, describe_sweep, settled, write_description
from .runs import INITIAL, RUNS, Run, is_finished, runs_of
from .session import Session
from .tiers import contradictions
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
    learning rates extend a sweep; any other change of the configuration is refused. What is refused
    is refused before anything is written, and nothing that a run has finished is ever removed.

    Args:
        config: a SweepConfig, its mapping, or the path of a TOML file.
        out: the sweep folder; default: ``runs/<digest of config>``.
        command: what repeats this sweep, for ``sweep.json`` and the report.
        progress: called with (steps done, steps in all) over all runs; steps up to a checkpoint
            from which a run goes on count as done.
        notice: called with a line when a run begins and ends.

    Returns:
        The sweep folder.

    Raises:
        ConfigError: no training sources, a held-out language in none of them, a tier of unknown
            languages, a malformed file.
        RunError: the folder holds another sweep, one that is running, or something else; a run failed.
        CorpusError, ModelError, InfeasiblePlan: the data or the encoder do not serve.
        OSError: a file cannot be written.
    """
    given, config = config, _resolved(config)
    require("a sweep", "torch", "sentence_transformers", "pandas", "pyarrow")
    if not config.train.sources:
        raise ConfigError("train.sources is empty: a sweep needs at least one training source")
    check_texts(config.train.sampler, "train.sampler")
    check_evaluations(config.train, "train")
    folder = Path(out) if out is not None else Path("runs") / digest(config)
    said = notice or _silent
    # Whatever can be refused is refused before the folder is touched.
    check_place(folder)
    _check_free(folder)
    sources = [load_source(source) for source in config.train.sources]
    corpus = training_corpus(sources, hold_out=config.train.hold_out)
    evaluations = load_evaluations(config.train)
    description = describe_sweep(config, sources, evaluations, command or _command(given, folder))
    settled(folder, description)
    runs = runs_of(config)
    weights = _checked(folder, runs, corpus)
    del sources, corpus
    with _alone(folder):
        write_description(folder, settled(folder, description))
        if weights is not None:
            require_equal_weights(folder / INITIAL, weights)
        for tier, words in contradictions(description["tiers"], description["trained"]).items():
            line = f"the tier {tier!r} holds languages {words}; it is marked wherever it is shown"
            if notice is None:
                warnings.warn(line, stacklevel=2)
            said(line)
        _run_all(folder, config, runs, evaluations, progress, said)
    return folder


def _checked(folder: Path, runs: list[Run], corpus: Corpus) -> str | None:
    """Refuse what a run would fail on; return the fingerprint of the initial weights, None if all is done.

    Changes nothing.
    """
    from ..training.refusals import check_runs
    from ..training.refusals import is_finished as is_same_and_finished

    waiting = [run.config for run in runs if not is_same_and_finished(folder / RUNS / run.name, run.config)]
    if not waiting:
        return None
    weights = weights_fingerprint(check_runs(waiting, corpus))
    check_weights(folder / INITIAL, weights)
    return weights


def _run_all(
    folder: Path,
    config: SweepConfig,
    runs: list[Run],
    evaluations: dict[str, EvaluationSet],
    progress: Progress | None,
    notice: Notice,
) -> None:
    steps = config.train.steps
    places = {run.name: folder / RUNS / run.name for run in runs}
    waiting = [run for run in runs if not is_finished(places[run.name])]
    begun = {run.name: latest_step(places[run.name] / "checkpoints") for run in waiting}
    done = {run.name: begun.get(run.name, steps) for run in runs}
    number = {run.name: position for position, run in enumerate(runs, start=1)}
    if len(waiting) < len(runs):
        notice(f"{len(runs) - len(waiting)} of {len(runs)} runs are finished already")
        finished_before = [place for name, place in places.items() if name not in begun]
        lacking = sum(not (place / "model").is_dir() for place in finished_before)
        if config.keep_models and lacking:
            notice(f"{lacking} of them kept no model: keep_models was off when they were made")

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

    if not any(begun.values()):
        tell()  # else the first report is the step after a checkpoint
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
    with (folder / LOCK).open("a") as file:
        _hold(file, folder)
        yield


def _check_free(folder: Path) -> None:
    """Refuse a folder in which a sweep is running; changes nothing.

    Raises:
        RunError: there is one.
    """
    if (folder / LOCK).is_file():
        with (folder / LOCK).open("rb") as file:
            _hold(file, folder)


def _hold(file: IO[Any], folder: Path) -> None:
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"another sweep is running in {folder}; wait for it or stop it") from None
