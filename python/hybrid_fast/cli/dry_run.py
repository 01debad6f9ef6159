"""``--dry-run``: what would be trained, and what is finished; nothing is written, no data are read."""

from __future__ import annotations

import json
from pathlib import Path

from ..config import SourceConfig, SweepConfig, TrainConfig, to_mapping
from ..errors import ConfigError, RunError
from ..evaluation.callback import check_evaluations
from ..sampler.configured import check_texts
from ..sweeping.description import read_description
from ..sweeping.runs import RUNS, is_finished, runs_of
from ..training.checkpoint import MARK
from ..training.schedule import evaluation_steps
from .console import console, say
from .tables import FactTable, ValueTable

FINISHED, NEW = "finished", "new"


def show_run(config: TrainConfig, folder: Path) -> None:
    """Say what a training would do.

    Raises:
        ConfigError: there is nothing to train on, or a name means nothing.
        RunError: the folder holds something else.
    """
    _check(config, "")
    state = _state_of_folder(folder, config)
    facts = [("folder", str(folder)), ("state", state), *_shared(config)]
    facts.insert(2, ("ratio of monolingual batches", str(config.sampler.mono_ratio)))
    facts.insert(3, ("seed, learning rate", f"{config.seed}, {config.learning_rate:g}"))
    console.print(FactTable("What would be trained", facts))
    say("\nNothing was written." if state != FINISHED else "\nThere is nothing to do; nothing was written.")


def show_sweep(config: SweepConfig, folder: Path) -> None:
    """Say what a sweep would do, run by run.

    Raises:
        ConfigError: there is nothing to train on, or a name means nothing.
        RunError: the folder holds something else.
    """
    _check(config.train, "train.")
    if (folder / "sweep.json").exists():
        read_description(folder)
    elif folder.is_dir() and any(not item.name.startswith(".") for item in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no sweep.json; use a new folder")
    runs = runs_of(config)
    states = [state_of(folder / RUNS / run.name) for run in runs]
    waiting = sum(state != FINISHED for state in states)
    steps = config.train.steps
    facts = [
        ("folder", str(folder)),
        (
            "runs",
            f"{len(runs):,}, {len(runs) - waiting:,} finished, {waiting:,} to make, {config.jobs} at a time",
        ),
        ("steps", f"{steps:,} a run, {steps * waiting:,} in all at most"),
        *_shared(config.train)[1:],
    ]
    console.print(FactTable("What would be trained", facts))
    table = ValueTable("Runs, in their order", ["run"], ["ratio", "seed", "learning rate", "folder", "state"])
    for number, (run, state) in enumerate(zip(runs, states, strict=True), start=1):
        values = [f"{run.mono_ratio:g}", f"{run.seed}", f"{run.learning_rate:g}", f"{RUNS}/{run.name}", state]
        table.add([f"{number}"], values)
    console.print(table)
    mine = {run.name for run in runs}
    there = (folder / RUNS).glob("*/config.json")
    others = [path.parent.name for path in there if path.parent.name not in mine]
    if others:
        say(f"\nThe folder holds {len(others)} other runs, of other ratios, seeds or settings.")
    say("\nNothing was written.")


def state_of(folder: Path) -> str:
    """Return how far a run folder is, in words."""
    if is_finished(folder):
        return FINISHED
    steps = [
        int(path.parent.name.rpartition("-")[2])
        for path in (folder / "checkpoints").glob(f"checkpoint-*/{MARK}")
        if path.parent.name.rpartition("-")[2].isdigit()
    ]
    if steps:
        return f"goes on from step {max(steps):,}"
    return "starts again" if (folder / "config.json").exists() else NEW


def _check(config: TrainConfig, place: str) -> None:
    if not config.sources:
        raise ConfigError(f"{place}sources is empty; name at least one source to train on")
    check_texts(config.sampler, f"{place}sampler")
    check_evaluations(config, place.rstrip("."))


def _state_of_folder(folder: Path, config: TrainConfig) -> str:
    path = folder / "config.json"
    if path.exists():
        try:
            other = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise RunError(f"{path} is not JSON; remove the folder or choose another") from None
        if other != json.loads(json.dumps(to_mapping(config))):
            raise RunError(f"{folder} holds a run of another configuration; choose another folder")
    elif folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no run; choose another folder")
    return state_of(folder)


def _shared(config: TrainConfig) -> list[tuple[str, str]]:
    """Return what all runs of one configuration have in common."""
    at = evaluation_steps(config)
    shown = ", ".join(f"{step:,}" for step in at[:20]) + (
        f" and {len(at) - 20:,} more" if len(at) > 20 else ""
    )
    sets = ", ".join(item.name for item in config.evaluations)
    every = f"every {config.checkpoint_every:,} steps" if config.checkpoint_every else "none"
    return [
        ("steps", f"{config.steps:,}"),
        ("batch", f"{config.sampler.batch_size:,} pairs"),
        ("sources", ", ".join(_source(one) for one in config.sources)),
        ("held-out languages", ", ".join(config.hold_out) or "none"),
        ("encoder", config.encoder.model),
        ("evaluations", f"{sets}, at steps {shown}" if sets else "none"),
        ("checkpoints", every),
    ]


def _source(source: SourceConfig) -> str:
    return source.name if source.path is None else f"{source.name} ({source.path})"
